"""What netvip adopt --print prints makes an adopted configuration, where its comments say."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.const import NOTIFY_SCRIPT
from netvip.keepalived.adoption import NO_TRACK, Host, adopted
from netvip.keepalived.adoption_lines import lines, quoted
from netvip.keepalived.configuration import Configuration
from netvip.keepalived.lexer import words
from netvip.keepalived.reader import read

CONF = Path("/etc/keepalived/keepalived.conf")
HOST = Host((2, 3, 3), {("eth0", 4): ip_address("192.0.2.1")}, node="a")
#: What has a meaning somewhere, and what has none.
SIGNS = " \t\x0b\f\r!#{}'\\@$~/ax0\xa0\udcfc"


def parsed(text: str, node: str | None = "a") -> Configuration:
    return read(CONF, node=node, given={CONF: text})


def instance(body: str, addresses: str, before: str = "") -> str:
    return (
        f"{before}vrrp_instance WEB {{\n interface eth0\n virtual_router_id 21\n"
        f"{body} virtual_ipaddress {{\n{addresses} }}\n}}\n"
    )


def placed(printed: list[str], body: str, before: str) -> str:
    """The configuration with the printed lines where their comments say, in place of what was."""
    parts: dict[str, list[str]] = {}
    for line in printed:
        if line.startswith("# "):
            part = parts.setdefault(line, [])
        elif line:
            part.append(line)
    globally, first, inside, *more = parts.values()
    notify = [line for part in more[:-1] for line in part]
    replaced = "notify |src_ip" if notify else "src_ip"
    kept = re.sub(rf".*(?:{replaced}).*\n", "", body)
    top = "\n".join(["global_defs {", *globally, "}", *first, ""])
    inner = "".join(f"{line}\n" for line in [*inside, *notify])
    return top + instance(f"{kept}{inner}", "".join(f"{line}\n" for line in more[-1]), before)


@pytest.mark.parametrize(
    ("body", "addresses", "before", "shown"),
    [
        ("", '"192.0.2.10/24" label "eth0:1" # one\n', "", '"192.0.2.10/24" label "eth0:1" {}'),
        ("", "@a   192.0.2.10/24\n@b 192.0.2.11/24\n", "", "@a   192.0.2.10/24 {}"),
        ("", "@^b 192.0.2.10/24\n192.0.2.12\n", "", "@^b 192.0.2.10/24 {}"),
        ("", "${VIP}/24 dev eth0\n", "$VIP=192.0.2.10\n", "${VIP}/24 dev eth0 {}"),
        ("", "$VIPS\n", '$VIPS=192.0.2.10/24 dev "eth0"\n', "192.0.2.10/24 dev eth0 {}"),
        (
            "@a mcast_src_ip 192.0.2.1\n@b mcast_src_ip 192.0.2.2\n",
            "192.0.2.10\n",
            "",
            "@a mcast_src_ip 192.0.2.1",
        ),
        (
            'notify_fault /f\nnotify "/bin/told \\"a b\\" c\\\\d" app\n',
            "192.0.2.10\n",
            "",
            'notify "{} WEB --as app --then /bin/told \\"a b\\" c\\\\d" app',
        ),
        (
            "notify_fault /f\n@a notify '/bin/told x'\n",
            "192.0.2.10\n",
            "",
            '@a notify "{} WEB --as root --then /bin/told x" root',
        ),
    ],
    ids=["quoted", "@id", "@^id", "word", "line", "source", "notify", "@id notify"],
)
def test_the_lines_make_an_adopted_configuration(
    body: str, addresses: str, before: str, shown: str
) -> None:
    original = parsed(instance(body, addresses, before))
    printed = list(lines(original, HOST))
    added = NOTIFY_SCRIPT if "--then" in shown else NO_TRACK
    assert shown.replace("{}", added) in printed
    made = parsed(placed(printed, body, before))
    assert made.complaints == () and adopted(made, HOST) == {}
    was, now = original.instances["WEB"], made.instances["WEB"]
    assert [replace(a, tracked=False, statement=now.statement) for a in was.addresses] == [
        replace(a, statement=now.statement) for a in now.addresses
    ]
    assert now.source_ip == ip_address("192.0.2.1")


def test_where_the_node_is_not_known_all_lines_are_printed() -> None:
    text = instance(
        "@a mcast_src_ip 192.0.2.1\n@b mcast_src_ip 192.0.2.2\n", "@a 192.0.2.10\n@b 192.0.2.11\n"
    )
    printed = list(lines(parsed(text, None), replace(HOST, node=None)))
    assert [line for line in printed if line.startswith("@")] == [
        "@a mcast_src_ip 192.0.2.1",
        "@b mcast_src_ip 192.0.2.2",
        "@a 192.0.2.10 no_track",
        "@b 192.0.2.11 no_track",
    ]


@given(st.text(SIGNS, min_size=1))
def test_a_quoted_word_is_read_as_the_word(word: str) -> None:
    assert [text for text, _, _ in words(f"x {quoted(word)} y")] == ["x", word, "y"]


@given(st.text(SIGNS + '"', min_size=1))
def test_a_quoted_command_is_read_as_the_command(command: str) -> None:
    line = f"notify {quoted(command, command=True)} root"
    assert [text for text, _, _ in words(line)] == ["notify", command, "root"]
