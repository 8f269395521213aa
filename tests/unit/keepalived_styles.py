"""Odd ways to write an instance, and what keepalived makes of them.

Each is a file of its own, included by one configuration, so that one run of keepalived judges
all. NAME stands for the style's name, ID for its VRID. What is expected is what keepalived 2.2.7
and 2.3.3 report (tests/netns/test_keepalived_agrees.py); where the two differ is left out.
"""

from __future__ import annotations

from pathlib import Path

from netvip.core.model import Tri
from netvip.keepalived.configuration import VrrpInstance

INTERFACES = ("ens160", "ens192")
NODE = "nodea"


def body(vips: str = "10.77.0.ID/24", *more: str, name: str = "NAME") -> str:
    """An instance with these addresses and further lines."""
    lines = "\n ".join(("interface ens160", "virtual_router_id ID", *more))
    return f"vrrp_instance {name} {{\n {lines}\n virtual_ipaddress {{\n{vips}\n }}\n}}\n"


STYLES: dict[str, str] = {
    # --- braces and blanks ----------------------------------------------------------------------
    "plain": body(),
    "own_line": body().replace(" {", "\n\n# {\n{"),
    "dense": "vrrp_instance NAME{interface ens160\nvirtual_router_id ID\n"
    "virtual_ipaddress{10.77.0.ID/24 dev ens192}}\n",
    "behind_words": "vrrp_instance NAME { interface ens160\nvirtual_router_id ID\n"
    "virtual_ipaddress {\n10.77.0.ID } priority 77 }\n",
    "several_closed": body().replace("\n }\n}", "}}"),
    "blanks_of_c": body()
    .replace("interface ", "interface\f\v")
    .replace("router_id ", "router_id\t"),
    "carriage_return": body().replace("interface ens", "interface\rens").replace("\n", "\r\n"),
    "nobreak\u00a0space\u2028x": body(),
    "braces_quoted": body(name='"NAME{}"'),
    # --- comments, quotes, backslashes ----------------------------------------------------------
    "comments_glued": body(
        "10.77.0.ID/24!x\n#10.77.9.9\n! 10.77.9.8", "priority 77#x", "state BACKUP!"
    ),
    "comment_quote": body('10.77.0.ID/24 # a " b\n', 'priority 77 ! "'),
    "quoted_value": body('"10.77.0.ID/24" dev"ens192"', 'priority "77"'),
    "quoted_blank": body(name='"NAME x"'),
    "single_quotes": body(name="'NAME'"),
    "quoted_comment": body(name='"NAME#!"'),
    "open_quote": body("10.77.0.ID", 'priority 77 "rest # of it'),
    "two_words_in_quotes": body('"10.77.9.9 dev ens192"\n10.77.0.ID'),
    "backslash_ends_nothing": body("10.77.0.ID", "priority 77 \\", "nopreempt"),
    "backslash_in_comment": body("10.77.0.ID", "# a \\", "priority 77"),
    "empty_quotes": body("10.77.0.ID", 'priority ""', 'state ""'),
    "long_comment": body("10.77.0.ID", "#" + "x" * 1021 + " priority 78", "priority 77"),
    "long_comment_is_code": body("10.77.0.ID", "#" + "x" * 1021 + " priority 78"),
    "nul": body("10.77.0.ID", "priority 77\0 78"),
    # --- numbers and the like -------------------------------------------------------------------
    "numbers_refused": body("10.77.0.ID", "priority 300", "advert_int 5x", "virtual_router_id 300"),
    "hexadecimal_refused": body("10.77.0.ID", "priority 0x10"),
    "last_counts": body("10.77.0.ID", "interface ens192", "priority 5", "priority 6"),
    "last_refused": body("10.77.0.ID", "priority 5", "priority 300"),
    "fraction": body("10.77.0.ID", "version 3", "advert_int 0.25"),
    "interval_refused": body("10.77.0.ID", "version 3", "advert_int 0.25", "advert_int 0"),
    "nopreempt_off": body("10.77.0.ID", "nopreempt off"),
    "preempt": body("10.77.0.ID", "nopreempt", "preempt"),
    "preempt_first": body("10.77.0.ID", "preempt", "nopreempt"),
    "state_unknown": body("10.77.0.ID", "state backup"),
    "unknown_word": body("10.77.0.ID", "frobnicate 3", "priority 77"),
    "version_refused": body("10.77.0.ID", "version 4"),
    # --- addresses ------------------------------------------------------------------------------
    "lengths": body(
        "10.77.1.ID/33\n10.77.2.ID/abc\n10.77.3.ID/24abc\n10.77.4.ID/-1\n10.77.5.ID/\n10.77.6.ID/0x18"
    ),
    "not_addresses": body(
        "10.77.300.1\nnonsense\n010.77.0.35\n10.77.35\n10.77.0.9,\n10.77.0.ID/24 dev ens192"
    ),
    "options": body(
        "10.77.1.ID/24 brd 10.77.1.255 scope link\n10.77.2.ID/24 label ens160:5 dev ens160\n"
        "10.77.3.ID noprefixroute -nodad no_track\n10.77.4.ID bogus no_track\n"
        "10.77.5.ID no_track, 10.77.9.9\n10.77.6.ID/24 brd +\n10.77.7.ID peer 10.77.7.200"
    ),
    "options_without_value": body(
        "10.77.1.ID dev\n10.77.2.ID label\n10.77.3.ID peer\n10.77.4.ID/24 brd\n10.77.5.ID scope\n"
        "10.77.6.ID preferred_lft\n10.77.7.ID dev ens160 dev ens192\n"
        "10.77.8.ID label dev dev ens192"
    ),
    "options_refused": body(
        "10.77.1.ID/24 brd nonsense\n10.77.2.ID label toolongtoolong:x\n10.77.3.ID scope nosuch\n"
        "10.77.4.ID peer 10.77.4.9/32\n10.77.5.ID preferred_lft x"
    ),
    "options_of_one_family": body(
        "fd77::ID brd +\nfd77:1::ID/64 peer fd77:1::9\nfd77:2::ID/64 peer 10.0.0.1\n"
        "fd77:3::ID/64 label ens160:6"
    ),
    "master_without_priority": body("10.77.0.ID", "state MASTER"),
    "master_with_a_refused_one": body("10.77.0.ID", "state MASTER", "priority 256"),
    "dropped_tells_no_family": body("fd77::ID brd +\n10.77.0.ID"),
    "excluded_vmac_comes_last": body(
        "10.77.0.ID use_vmac",
        "virtual_ipaddress_excluded {",
        "10.78.0.ID dev ens192 use_vmac",
        "}",
    ),
    "master_then_backup": body("10.77.0.ID", "state MASTER", "state BACKUP"),
    "two_blocks": body("10.77.1.ID\n}\nvirtual_ipaddress {\n10.77.2.ID"),
    "excluded": body(
        "10.77.1.ID\n}\nvirtual_ipaddress_excluded {\n10.77.2.ID\nfd77::ID no_track\nfd77:1::ID/64"
    ),
    "other_family": body("10.77.1.ID\nfd77::ID"),
    "other_family_v6": body(
        "fd77::ID\n10.77.0.ID\nFD77:0::1:00ID/64 no_track dev ens192\nfd77::ID:9/129"
    ),
    "excluded_first": body("10.77.1.ID", "virtual_ipaddress_excluded {", "fd77::ID", "}"),
    "source_tells_family": body("10.77.0.ID\nfd77::ID", "mcast_src_ip fd77::1"),
    # --- VMACs ----------------------------------------------------------------------------------
    "vmac": body("10.77.1.ID\n10.77.2.ID dev ens160\n10.77.3.ID dev ens192", "use_vmac"),
    "vmac_named": body("10.77.1.ID\n10.77.2.ID dev ens192 use_vmac", "use_vmac mac.ID"),
    "vmac_twice": body("10.77.1.ID", "use_vmac one.ID", "use_vmac two.ID"),
    "vmac_later": body(
        "10.77.1.ID\n}\nuse_vmac\nvirtual_ipaddress_excluded {\n10.77.2.ID\nfd77::ID"
    ),
    "vmac_of_address": body(
        "10.77.1.ID use_vmac\n10.77.2.ID\n10.77.3.ID dev ens192 use_vmac\n"
        "10.77.4.ID use_vmac no_track"
    ),
    "vmac_both": body("10.77.1.ID\n10.77.3.ID dev ens192 use_vmac", "use_vmac"),
    "vmac_v6": body("fe80::ID\nfd77::ID dev ens192 use_vmac", "use_vmac"),
    # --- routes and rules -----------------------------------------------------------------------
    "routes": body(
        "10.77.0.ID",
        "virtual_routes {",
        "10.9.ID.0/24 via 10.77.0.100 dev ens160 no_track",
        "10.10.ID.0/24 dev ens192",
        "}",
        "virtual_rules {",
        "from 10.77.0.ID table ID priority 3ID no_track",
        "to 10.11.ID.0/24 table ID priority 4ID",
        "}",
    ),
    # --- conditions -----------------------------------------------------------------------------
    "conditions": body(
        "@nodea 10.77.1.ID\n@other 10.77.2.ID\n@^nodea 10.77.3.ID\n@^other 10.77.4.ID\n"
        " @nodea\t10.77.5.ID\n@nodea\n@ 10.77.6.ID\n@^ 10.77.7.ID\n@NODEA 10.77.8.ID\n"
        "@nodea @nodea 10.77.9.ID\n@nodea.example.org 10.77.10.ID"
    ),
    "conditional_brace": body(
        "10.77.0.ID }\n@nodea virtual_ipaddress_excluded {\n@other virtual_routes {\n10.77.1.ID"
    ),
    "conditional_rest": body("10.77.0.ID } @nodea priority 77\n@other priority 78\nunicast_peer {"),
    "conditional_block": "".join(
        f"@nodea {line}\n@other {line}\n" for line in body("10.77.0.ID").splitlines()
    ),
    # --- definitions ----------------------------------------------------------------------------
    "definition": "$A=10.77.ID\n$B= ens192  # x\n"
    + body("${A}.1 dev $B\n${A}.2/24 dev ${B}\n$A.3\n"),
    "defined_late": body("$A=10.77.ID.$N\n$N=10\n$A\n$N=11\n${A}/24\n"),
    "undefined_bare": body("10.77.0.ID dev $NONE\n$NONE\n10.77.1.ID").replace(" dev $NONE", ""),
    "definition_of_words": "$W=dev ens192 no_track\n" + body("10.77.0.ID $W\n10.77.1.ID ${W} home"),
    "definition_in_quotes": "$A=10.77.ID.1\n" + body('"$A"\n"${A}" dev ens192\n"x $A"'),
    "definition_before_sign": "$A=ID\n" + body("10.77.$A\n10.77.0.${A}\n10.77.1.$A/24"),
    "quotes_in_definition": '$A="10.77.0.ID" dev "ens192"\n' + body("$A"),
    "brace_in_definition": "$A=}\n" + body("10.77.0.ID\n$A\npriority 44\nunicast_peer {"),
    "many_lines": "$M=10.77.1.ID \\\n 10.77.2.ID dev ens192 \\\n\\\n # c \\\n 10.77.3.ID\n"
    + body("$M\n10.77.4.ID"),
    "many_lines_not_last": "$M=10.77.1.ID \\\n 10.77.2.ID\n"
    + body("$M no_track\n10.77.4.ID\n${M}"),
    "many_lines_begin_empty": "$M= \\\n 10.77.1.ID \\\n 10.77.2.ID\n" + body("$M"),
    "many_lines_end_blank": body("$M=10.77.1.ID \\\n\n10.77.2.ID\n$M"),
    "many_lines_behind_word": "$M=ens160 \\\n virtual_router_id ID \\\n priority 77\n"
    "vrrp_instance NAME {\n interface $M\n virtual_ipaddress {\n10.77.0.ID\n}\n}\n",
    "block_in_definition": "$M=vrrp_instance ${X} { \\\n interface ens160 \\\n"
    " virtual_router_id ID \\\n"
    " virtual_ipaddress { \\\n 10.77.0.ID \\\n } \\\n }\n$X=NAME\n$M\n",
    "many_lines_nested": "$N=10.77.${I}.ID \\\n 10.78.${I}.ID\n"
    "$M=~SEQ(I, 1, 2) $N \\\n 10.79.0.ID\n" + body("$M"),
    "many_lines_twice": "$N=10.77.${I}.ID \\\n 10.78.${I}.ID\n" + body("$I=1\n$N\n$I=2\n$N"),
    "redefined_standard": "$_HASH=ens192\n" + body("10.77.0.ID dev $_HASH"),
    # --- repetitions ----------------------------------------------------------------------------
    "sequence": body(
        "~SEQ(i, 1, 3) 10.77.${i}.ID\n~SEQ(i,2) 10.78.${i}.ID\n"
        "~SEQ(i, 10, -2, 6)10.79.${i}.ID dev ens192\n"
        " ~SEQ (j,0x1,02) 10.80.${j}.ID\n~SEQ(i,0) 10.81.${i}.ID\n~SEQ(i,1,1) 10.82.${i}.ID\n"
        "~SEQ(i,,1) 10.83.${i}.ID"
    ),
    "sequence_hexadecimal": body("~SEQx(h, 9, 11) fd77::${h}:ID"),
    "sequence_nested": body("~SEQ(i, 1, 2) ~SEQ(j, 3, 4) 10.${i}.${j}.ID"),
    "sequence_to_definition": "$N=3\n" + body("~SEQ(i, 1, $N) 10.77.$i.ID\n10.78.${i}.ID"),
    "sequence_of_blocks": body(
        "10.77.0.ID }\n~SEQ(i,1,2) virtual_ipaddress_excluded { 10.78.${i}.ID }\nunicast_peer {"
    ),
    "list": body("~LST(i, 1, 2,3) 10.77.$i.ID\n~LST({i,j},{1,2},{3,4}) 10.${i}.${j}.ID"),
    "list_short": body(
        "~LST({i,j},{5},{7,8}) 10.77.${i}.${j}1\n~LST({i}, {1},{2}) 10.78.$i.ID\n"
        "~LST(i,1,{2}) 10.79.$i.ID\n~LST(i,,2) 10.8${i}.0.ID\n~LST (i,1)10.81.$i.ID"
    ),
}


#: What keepalived reports of each, as summary() words it.
EXPECTED: dict[str, str] = {
    "plain": "plain ens160 100 10.77.0.10/24@ens160",
    "own_line": "own_line ens160 100 10.77.0.11/24@ens160",
    "dense": "dense ens160 100 10.77.0.12/24@ens192",
    "behind_words": "behind_words ens160 77 10.77.0.13/32@ens160",
    "several_closed": "several_closed ens160 100 10.77.0.14/24@ens160",
    "blanks_of_c": "blanks_of_c ens160 100 10.77.0.15/24@ens160",
    "carriage_return": "carriage_return ens160 100 10.77.0.16/24@ens160",
    "nobreak\u00a0space\u2028x": "nobreak\u00a0space\u2028x ens160 100 10.77.0.17/24@ens160",
    "braces_quoted": "braces_quoted{} ens160 100 10.77.0.18/24@ens160",
    "comments_glued": "comments_glued ens160 77 10.77.0.19/24@ens160",
    "comment_quote": "comment_quote ens160 77 10.77.0.20/24@ens160",
    "quoted_value": "quoted_value ens160 77 10.77.0.21/24@ens192",
    "quoted_blank": "quoted_blank x ens160 100 10.77.0.22/24@ens160",
    "single_quotes": "'single_quotes' ens160 100 10.77.0.23/24@ens160",
    "quoted_comment": "quoted_comment#! ens160 100 10.77.0.24/24@ens160",
    "open_quote": "open_quote ens160 77 10.77.0.25/32@ens160",
    "two_words_in_quotes": "two_words_in_quotes ens160 100 10.77.0.26/32@ens160",
    "backslash_ends_nothing": ("backslash_ends_nothing ens160 100 nopreempt 10.77.0.27/32@ens160"),
    "backslash_in_comment": "backslash_in_comment ens160 77 10.77.0.28/32@ens160",
    "empty_quotes": "empty_quotes ens160 100 10.77.0.29/32@ens160",
    "long_comment": "long_comment ens160 77 10.77.0.30/32@ens160",
    "long_comment_is_code": "long_comment_is_code ens160 78 10.77.0.31/32@ens160",
    "nul": "nul ens160 77 10.77.0.32/32@ens160",
    "numbers_refused": "numbers_refused ens160 100 10.77.0.33/32@ens160",
    "hexadecimal_refused": "hexadecimal_refused ens160 100 10.77.0.34/32@ens160",
    "last_counts": "last_counts ens192 6 10.77.0.35/32@ens192",
    "last_refused": "last_refused ens160 100 10.77.0.36/32@ens160",
    "fraction": "fraction ens160 100 0.25s 10.77.0.37/32@ens160",
    "interval_refused": "interval_refused ens160 100 0.25s 10.77.0.38/32@ens160",
    "nopreempt_off": "nopreempt_off ens160 100 nopreempt 10.77.0.39/32@ens160",
    "preempt": "preempt ens160 100 10.77.0.40/32@ens160",
    "preempt_first": "preempt_first ens160 100 nopreempt 10.77.0.41/32@ens160",
    "state_unknown": "state_unknown ens160 100 10.77.0.42/32@ens160",
    "unknown_word": "unknown_word ens160 77 10.77.0.43/32@ens160",
    "version_refused": "version_refused ens160 100 10.77.0.44/32@ens160",
    "lengths": (
        "lengths ens160 100 10.77.1.45/32@ens160 10.77.2.45/0@ens160 "
        "10.77.3.45/24@ens160 10.77.4.45/32@ens160 10.77.5.45/0@ens160 "
        "10.77.6.45/0@ens160"
    ),
    "not_addresses": "not_addresses ens160 100 10.77.0.46/24@ens192",
    "options": (
        "options ens160 100 10.77.1.47/24@ens160 10.77.2.47/24@ens160 "
        "10.77.3.47/32@ens160* 10.77.4.47/32@ens160* 10.77.5.47/32@ens160 "
        "10.77.6.47/24@ens160 10.77.7.47/32@ens160"
    ),
    "options_without_value": "options_without_value ens160 100 10.77.8.48/32@ens192",
    "options_refused": (
        "options_refused ens160 100 10.77.3.49/32@ens160 10.77.4.49/32@ens160 10.77.5.49/32@ens160"
    ),
    "options_of_one_family": (
        "options_of_one_family ens160 100 fd77:1::50/128@ens160 fd77:2::50/64@ens160 "
        "fd77:3::50/64@ens160"
    ),
    "master_without_priority": "master_without_priority ens160 255 10.77.0.51/32@ens160",
    "master_with_a_refused_one": "master_with_a_refused_one ens160 100 10.77.0.52/32@ens160",
    "dropped_tells_no_family": "dropped_tells_no_family ens160 100 10.77.0.53/32@ens160",
    "excluded_vmac_comes_last": (
        "excluded_vmac_comes_last ens160 100 10.77.0.54/32@vrrp.54 x10.78.0.54/32@vrrp1.54"
    ),
    "master_then_backup": "master_then_backup ens160 255 10.77.0.55/32@ens160",
    "two_blocks": "two_blocks ens160 100 10.77.1.56/32@ens160 10.77.2.56/32@ens160",
    "excluded": (
        "excluded ens160 100 10.77.1.57/32@ens160 x10.77.2.57/32@ens160 "
        "xfd77::57/128@ens160* xfd77:1::57/64@ens160"
    ),
    "other_family": "other_family ens160 100 10.77.1.58/32@ens160",
    "other_family_v6": (
        "other_family_v6 ens160 100 fd77::59/128@ens160 fd77::1:59/64@ens192* fd77::59:9/128@ens160"
    ),
    "excluded_first": "excluded_first ens160 100 10.77.1.60/32@ens160 xfd77::60/128@ens160",
    "source_tells_family": "source_tells_family ens160 100 fd77::61/128@ens160",
    "vmac": ("vmac ens160 100 10.77.1.62/32@vrrp.62 10.77.2.62/32@vrrp.62 10.77.3.62/32@ens192"),
    "vmac_named": "vmac_named ens160 100 10.77.1.63/32@mac.63 10.77.2.63/32@vrrp.63",
    "vmac_twice": "vmac_twice ens160 100 10.77.1.64/32@one.64",
    "vmac_later": (
        "vmac_later ens160 100 10.77.1.65/32@vrrp.65 x10.77.2.65/32@vrrp.65 xfd77::65/128@ens160"
    ),
    "vmac_of_address": (
        "vmac_of_address ens160 100 10.77.1.66/32@vrrp.66 10.77.2.66/32@ens160 "
        "10.77.3.66/32@vrrp1.66 10.77.4.66/32@vrrp.66*"
    ),
    "vmac_both": "vmac_both ens160 100 10.77.1.67/32@vrrp.67 10.77.3.67/32@vrrp1.67",
    "vmac_v6": "vmac_v6 ens160 100 fe80::68/128@vrrp.68 fd77::68/128@vrrp6.68",
    "routes": "routes ens160 100 10.77.0.69/32@ens160",
    "conditions": (
        "conditions ens160 100 10.77.1.70/32@ens160 10.77.4.70/32@ens160 "
        "10.77.5.70/32@ens160 10.77.7.70/32@ens160"
    ),
    "conditional_brace": (
        "conditional_brace ens160 100 10.77.0.71/32@ens160 x10.77.1.71/32@ens160"
    ),
    "conditional_rest": "conditional_rest ens160 77 10.77.0.72/32@ens160",
    "conditional_block": "conditional_block ens160 100 10.77.0.73/32@ens160",
    "definition": "definition ens160 100 10.77.74.1/32@ens192 10.77.74.2/24@ens192",
    "defined_late": "defined_late ens160 100 10.77.75.10/32@ens160",
    "undefined_bare": "undefined_bare ens160 100 10.77.0.76/32@ens160 10.77.1.76/32@ens160",
    "definition_of_words": (
        "definition_of_words ens160 100 10.77.0.77/32@ens192* 10.77.1.77/32@ens192*"
    ),
    "definition_in_quotes": "definition_in_quotes ens160 100 10.77.78.1/32@ens192",
    "definition_before_sign": "definition_before_sign ens160 100 10.77.0.79/32@ens160",
    "quotes_in_definition": "quotes_in_definition ens160 100 10.77.0.80/32@ens192",
    "brace_in_definition": "brace_in_definition ens160 44 10.77.0.81/32@ens160",
    "many_lines": (
        "many_lines ens160 100 10.77.1.82/32@ens160 10.77.2.82/32@ens192 "
        "10.77.3.82/32@ens160 10.77.4.82/32@ens160"
    ),
    "many_lines_not_last": (
        "many_lines_not_last ens160 100 10.77.4.83/32@ens160 10.77.1.83/32@ens160 "
        "10.77.2.83/32@ens160"
    ),
    "many_lines_begin_empty": (
        "many_lines_begin_empty ens160 100 10.77.1.84/32@ens160 10.77.2.84/32@ens160"
    ),
    "many_lines_end_blank": (
        "many_lines_end_blank ens160 100 10.77.2.85/32@ens160 10.77.1.85/32@ens160"
    ),
    "many_lines_behind_word": "many_lines_behind_word ens160 77 10.77.0.86/32@ens160",
    "block_in_definition": "block_in_definition ens160 100 10.77.0.87/32@ens160",
    "many_lines_nested": (
        "many_lines_nested ens160 100 10.77.1.88/32@ens160 10.78.1.88/32@ens160 "
        "10.77.2.88/32@ens160 10.78.2.88/32@ens160 10.79.0.88/32@ens160"
    ),
    "many_lines_twice": (
        "many_lines_twice ens160 100 10.77.1.89/32@ens160 10.78.1.89/32@ens160 "
        "10.77.2.89/32@ens160 10.78.2.89/32@ens160"
    ),
    "redefined_standard": "redefined_standard ens160 100 10.77.0.90/32@ens192",
    "sequence": (
        "sequence ens160 100 10.77.1.91/32@ens160 10.77.2.91/32@ens160 "
        "10.77.3.91/32@ens160 10.78.1.91/32@ens160 10.78.2.91/32@ens160 "
        "10.79.10.91/32@ens192 10.79.8.91/32@ens192 10.79.6.91/32@ens192 "
        "10.80.1.91/32@ens160 10.80.2.91/32@ens160 10.81.1.91/32@ens160 "
        "10.81.0.91/32@ens160 10.82.1.91/32@ens160 10.83.0.91/32@ens160 "
        "10.83.1.91/32@ens160"
    ),
    "sequence_hexadecimal": (
        "sequence_hexadecimal ens160 100 fd77::9:92/128@ens160 fd77::a:92/128@ens160 "
        "fd77::b:92/128@ens160"
    ),
    "sequence_nested": (
        "sequence_nested ens160 100 10.1.3.93/32@ens160 10.1.4.93/32@ens160 "
        "10.2.3.93/32@ens160 10.2.4.93/32@ens160"
    ),
    "sequence_to_definition": "sequence_to_definition ens160 100 10.78.3.94/32@ens160",
    "sequence_of_blocks": (
        "sequence_of_blocks ens160 100 10.77.0.95/32@ens160 x10.78.1.95/32@ens160 "
        "x10.78.2.95/32@ens160"
    ),
    "list": "list ens160 100 10.1.2.96/32@ens160 10.3.4.96/32@ens160",
    "list_short": (
        "list_short ens160 100 10.77.5.1/32@ens160 10.77.7.81/32@ens160 "
        "10.8.0.97/32@ens160 10.82.0.97/32@ens160"
    ),
}


def write(place: Path) -> Path:
    """Write all styles and the configuration that includes them; return the latter."""
    path = place / "keepalived.conf"
    path.write_text("include styles/*.conf\n")
    (place / "styles").mkdir()
    for identity, name in enumerate(STYLES, 10):
        content = filled(name, identity)
        (place / f"styles/{identity:03}.conf").write_bytes(content.encode())
    return path


def filled(name: str, identity: int) -> str:
    """A style with its name and VRID put in."""
    return STYLES[name].replace("NAME", name).replace("ID", str(identity))


def summary(instance: VrrpInstance) -> str:
    """Name, interface, priority, seconds, and addresses: x excluded, * not tracked."""
    words = [instance.name, instance.interface, str(instance.priority)]
    words += [] if instance.advert_interval == 1 else [f"{instance.advert_interval}s"]
    words += ["nopreempt"] if instance.nopreempt is Tri.YES else []
    for a in instance.addresses:
        mark = "" if a.tracked else "*"
        words.append(f"{'x' if a.excluded else ''}{a.ip}/{a.prefixlen}@{a.interface}{mark}")
    return " ".join(words)
