"""Configurations of many styles, and what each of them says.

An instance is written as "NAME INTERFACE VRID PRIORITY" and its addresses, routes and rules; a *
marks what keepalived does not track. Files beside the main one follow a line "=== NAME".
"""

from __future__ import annotations

from pathlib import Path

from netvip.core.model import Tri
from netvip.keepalived.configuration import Configuration, VrrpInstance

#: The whole instance in one line, for configurations that are about something else.
BODY = "interface ens160\n virtual_router_id 51\n"
VIP = "virtual_ipaddress {\n 10.77.0.10/24\n }\n"
PLAIN = ["VI_1 ens160 51 100 10.77.0.10/24@ens160"]


def instance(*more: str, name: str = "VI_1", body: str = BODY, vip: str = VIP) -> str:
    """An instance with further lines."""
    lines = "".join(f" {line}\n" for line in more)
    return f"vrrp_instance {name} {{\n {body}{lines} {vip}}}\n"


def summary(configuration: Configuration) -> list[str]:
    """What the corpus compares."""
    return [_instance(i) for i in configuration.instances.values()]


def _instance(i: VrrpInstance) -> str:
    words = [i.name, i.interface, str(i.vrid), str(i.priority)]
    for a in i.addresses:
        mark, kind = "" if a.tracked else "*", "excluded:" if a.excluded else ""
        words.append(f"{kind}{a.ip}/{a.prefixlen}@{a.interface}{mark}")
    words += [f"route:{o.words[0]}{'' if o.tracked else '*'}" for o in i.routes]
    words += [f"rule:{o.words[1]}{'' if o.tracked else '*'}" for o in i.rules]
    words += [f"script:{r.name}{_weight(r.weight)}" for r in i.track_scripts]
    words += [f"file:{r.name}{_weight(r.weight)}" for r in i.track_files]
    words += [f"{n.keyword}={n.command}" for n in i.notifies]
    words += ["nopreempt"] if i.nopreempt is Tri.YES else []
    words += [f"source:{i.source_ip}"] if i.source is not Tri.NO else []
    words += [f"peers:{','.join(map(str, i.unicast_peers))}"] if i.unicast else []
    words += [f"auth:{i.auth_type}"] if i.auth_type else []
    words += ["vmac"] if i.use_vmac else []
    return " ".join(words)


def _weight(weight: int | None) -> str:
    return "" if weight is None else f":{weight}"


def write(place: Path, text: str) -> Path:
    """Write a configuration and the files it includes; return the main one."""
    main, *others = text.split("=== ")
    path = place / "keepalived.conf"
    path.write_text(main)
    for other in others:
        name, _, content = other.partition("\n")
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(content)
    return path


CORPUS: dict[str, tuple[str, list[str]]] = {
    # --- layout -------------------------------------------------------------------------------
    "plain": (instance(), PLAIN),
    "own-line braces": (
        "vrrp_instance VI_1\n{\n interface ens160\n virtual_router_id 51\n virtual_ipaddress\n {\n"
        "  10.77.0.10/24\n }\n}\n",
        PLAIN,
    ),
    "dense": (
        "vrrp_instance VI_1{\ninterface ens160\nvirtual_router_id 51\n"
        "virtual_ipaddress {10.77.0.10/24}}",
        PLAIN,
    ),
    "closed behind words": (
        "vrrp_instance VI_1 { interface ens160\n virtual_router_id 51\n virtual_ipaddress {\n"
        " 10.77.0.10/24 } }\n",
        PLAIN,
    ),
    "tabs and blanks": (instance().replace(" ", "\t \t"), PLAIN),
    "windows": (instance().replace("\n", "\r\n"), PLAIN),
    "no last newline": (instance().rstrip("\n"), PLAIN),
    "blank lines": (instance().replace("\n", "\n\n\n"), PLAIN),
    "comments": (
        "! one\n# two {\n"
        + instance().replace("ens160", "ens160 # uplink }").replace("51", "51!x"),
        PLAIN,
    ),
    "comment for a brace": (
        "vrrp_instance VI_1 { ! {\n interface ens160\n virtual_router_id 51\n"
        " virtual_ipaddress { # {\n  10.77.0.10/24 # }\n } # }\n}\n",
        PLAIN,
    ),
    "quoted name": (instance(name='"VI_1"'), PLAIN),
    "a name of two words": (
        instance(name='"web front"'),
        ["web front ens160 51 100 10.77.0.10/24@ens160"],
    ),
    "utf-8": ("! Größe ★\n" + instance(name="Gerät"), ["Gerät" + PLAIN[0][4:]]),
    "unknown keywords": (instance("frobnicate 3", "zig", "zag on"), PLAIN),
    "nothing": ("", []),
    "comments alone": ("! a\n# b\n", []),
    # --- values -------------------------------------------------------------------------------
    "recipe one": (
        "vrrp_script chk {\n script /c.sh\n weight -50\n}\n"
        + instance(
            "state BACKUP",
            "priority 100",
            "nopreempt",
            "authentication {",
            "auth_type PASS",
            "auth_pass x",
            "}",
            "track_script {",
            "chk",
            "}",
            'notify_master "/up.sh"',
            'notify_backup "/down.sh"',
            vip="virtual_ipaddress {\n 10.77.0.10\n}\n",
        ),
        [
            "VI_1 ens160 51 100 10.77.0.10/32@ens160 script:chk notify_master=/up.sh "
            "notify_backup=/down.sh nopreempt auth:PASS"
        ],
    ),
    "priority": (instance("priority 110"), ["VI_1 ens160 51 110 10.77.0.10/24@ens160"]),
    "the last of two counts": (
        instance("priority 110", "priority 120"),
        ["VI_1 ens160 51 120 10.77.0.10/24@ens160"],
    ),
    "no_track": (
        instance(vip="virtual_ipaddress {\n10.77.0.10/24 no_track\n10.77.0.11/24\n}\n"),
        ["VI_1 ens160 51 100 10.77.0.10/24@ens160* 10.77.0.11/24@ens160"],
    ),
    "every option of an address": (
        instance(
            vip="virtual_ipaddress {\n10.77.0.10/24 brd 10.77.0.255 dev ens192 scope global label "
            "ens192:1 no_track\n}\n"
        ),
        ["VI_1 ens160 51 100 10.77.0.10/24@ens192*"],
    ),
    "IPv6": (
        instance(vip="virtual_ipaddress {\n fd00:77:0::10/64\n fe80::10\n}\n"),
        ["VI_1 ens160 51 100 fd00:77::10/64@ens160 fe80::10/128@ens160"],
    ),
    "excluded": (
        instance("virtual_ipaddress_excluded {", "fd00:77::10/64 no_track", "10.77.0.12", "}"),
        [
            "VI_1 ens160 51 100 10.77.0.10/24@ens160 excluded:fd00:77::10/64@ens160* "
            "excluded:10.77.0.12/32@ens160"
        ],
    ),
    "routes and rules": (
        instance(
            "virtual_routes {",
            "10.99.0.0/24 via 10.77.0.100 dev ens160 no_track",
            "10.98.0.0/24 via 10.77.0.100 dev ens160",
            "}",
            "virtual_rules {",
            "from 10.77.0.10 lookup 100 priority 200",
            "}",
        ),
        [
            "VI_1 ens160 51 100 10.77.0.10/24@ens160 route:10.99.0.0/24* route:10.98.0.0/24 "
            "rule:10.77.0.10"
        ],
    ),
    "a bad address is passed over": (
        instance(vip="virtual_ipaddress {\n 10.77.0.300\n nonsense\n 10.77.0.10/24\n}\n"),
        PLAIN,
    ),
    "multicast source": (
        instance("mcast_src_ip 10.77.0.1"),
        [f"{PLAIN[0]} source:10.77.0.1"],
    ),
    "unicast": (
        instance("unicast_src_ip 10.77.0.1", "unicast_peer {", "10.77.0.2", "10.77.0.3", "}"),
        [f"{PLAIN[0]} source:10.77.0.1 peers:10.77.0.2,10.77.0.3"],
    ),
    "tracking with weights": (
        "vrrp_script a {\n script /a\n}\ntrack_file f {\n file /f\n}\n"
        + instance("track_script {", "a weight -10", "}", "track_file {", "f weight 0", "}"),
        [f"{PLAIN[0]} script:a:-10 file:f:0"],
    ),
    "notify with a user": (
        instance('notify "/n.sh a  b" root root'),
        [f"{PLAIN[0]} notify=/n.sh a  b"],
    ),
    "a VMAC": (
        instance("use_vmac", vip="virtual_ipaddress {\n10.77.0.10/24\n}\n"),
        ["VI_1 ens160 51 100 10.77.0.10/24@vrrp.51 vmac"],
    ),
    "a VMAC with a name": (
        instance("use_vmac front"),
        ["VI_1 ens160 51 100 10.77.0.10/24@front vmac"],
    ),
    "several instances": (
        instance() + instance(name="VI_2", body=BODY.replace("51", "52"), vip="\n"),
        [*PLAIN, "VI_2 ens160 52 100"],
    ),
    "a second instance of a name is refused": (
        instance() + instance("priority 7", body=BODY.replace("51", "52")),
        PLAIN,
    ),
    "a sync group and a virtual server": (
        "vrrp_sync_group G {\n group {\n  VI_1\n }\n}\nvirtual_server 10.77.0.10 80 {\n"
        " real_server 10.77.0.50 80 {\n  TCP_CHECK {\n   connect_timeout 1\n  }\n }\n}\n"
        + instance(),
        PLAIN,
    ),
    # --- definitions, sequences, conditions ------------------------------------------------------
    "a definition": ("$IF=ens160\n" + instance().replace("ens160", "$IF"), PLAIN),
    "a definition in braces": (
        "$NET=10.77.0\n" + instance().replace("10.77.0.10", "${NET}.10"),
        PLAIN,
    ),
    "a definition of a definition": (
        "$A=10.77.${B}\n$B=0\n" + instance().replace("10.77.0.10", "${A}.10"),
        PLAIN,
    ),
    "an undefined one stays": (
        instance('notify "/n.sh${UNKNOWN}"'),
        [f"{PLAIN[0]} notify=/n.sh${{UNKNOWN}}"],
    ),
    "a definition of many lines": (
        "$I= \\\nvrrp_instance VI_${N} { \\\n interface ens160 \\\n virtual_router_id 5${N} \\\n"
        " virtual_ipaddress { \\\n 10.77.0.1${N}/24 \\\n } \\\n}\n$N=1\n$I\n$N=2\n$I\n",
        [
            "VI_1 ens160 51 100 10.77.0.11/24@ens160",
            "VI_2 ens160 52 100 10.77.0.12/24@ens160",
        ],
    ),
    "a sequence": (
        instance(vip="virtual_ipaddress {\n ~SEQ(N, 10, 12) 10.77.0.${N}/24\n}\n"),
        [PLAIN[0] + " 10.77.0.11/24@ens160 10.77.0.12/24@ens160"],
    ),
    "a sequence of steps, backwards, in hexadecimal": (
        instance(vip="virtual_ipaddress {\n ~SEQx(N, 0x20, -0x10, 0x10) fd00:77::${N}/64\n}\n"),
        ["VI_1 ens160 51 100 fd00:77::20/64@ens160 fd00:77::10/64@ens160"],
    ),
    "a list": (
        instance(vip="virtual_ipaddress {\n ~LST(N, 10, 20) 10.77.0.${N}/24\n}\n"),
        [PLAIN[0] + " 10.77.0.20/24@ens160"],
    ),
    "a list of groups": (
        instance(vip="virtual_ipaddress {\n~LST({A, B}, {77,10},{78,20}) 10.${A}.0.${B}/24\n}\n"),
        [PLAIN[0] + " 10.78.0.20/24@ens160"],
    ),
    "conditions": (
        instance("@nodea priority 110", "@nodeb priority 120", "@^nodea nopreempt"),
        ["VI_1 ens160 51 110 10.77.0.10/24@ens160"],
    ),
    "a condition by a definition": (
        "$MINE=@nodea\n$OTHER=@nodeb\n" + instance("$MINE priority 110", "$OTHER priority 120"),
        ["VI_1 ens160 51 110 10.77.0.10/24@ens160"],
    ),
    "a conditional definition": (
        "@nodea $P=110\n@nodeb $P=120\n" + instance("priority $P"),
        ["VI_1 ens160 51 110 10.77.0.10/24@ens160"],
    ),
    # --- includes -------------------------------------------------------------------------------
    "an include": ("include conf.d/*.conf\n=== conf.d/a.conf\n" + instance(), PLAIN),
    "an include in a block": (
        instance(vip="virtual_ipaddress {\ninclude vips.inc\n}\n")
        + "=== vips.inc\n10.77.0.10/24\n",
        PLAIN,
    ),
    "an include that matches nothing": ("include none/*.conf\n" + instance(), PLAIN),
    "an include with braces": (
        "include {a,b}.inc\n=== a.inc\n" + instance() + "=== b.inc\n! nothing\n",
        PLAIN,
    ),
}
