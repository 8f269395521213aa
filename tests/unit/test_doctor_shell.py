"""What a script runs, told from what it only mentions."""

from __future__ import annotations

import time
from ipaddress import ip_address

import pytest

from netvip.doctor import shell


def ran(text: str, *arguments: str) -> list[str]:
    """Every command, its words joined by spaces."""
    found = shell.pipelines(text, arguments)
    return [" ".join(command) for pipeline in found for command in pipeline.commands]


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("ping a # ping b", ["ping a"]),
        ("# ping b\nping a", ["ping a"]),
        ("echo 'ping b' \"ping c\"", ["echo ping b ping c"]),
        ("echo a#b", ["echo a#b"]),
        ("cat <<EOF >x\nping b\nEOF\nping a", ["cat", "ping a"]),
        ("cat <<-'E'\n\tping b\n\tE\nping a", ["cat", "ping a"]),
        ("cat <<GONE\nping a", ["cat", "ping a"]),
        ("ping a >/dev/null 2>&1 <in", ["ping a"]),
        ("ping a | grep b |\n  grep c", ["ping a", "grep b", "grep c"]),
        ("ping \\\n a", ["ping a"]),
        ("if ! ping a; then exit 1; fi", ["ping a", "exit 1", "fi"]),
        ("while ping a; do true; done", ["ping a", "true", "done"]),
        ('case "$1" in *x*) ping a ;; esac', ["case X in *x*", "ping a", "esac"]),
        ("f() { ping a; }", ["f", "ping a", "}"]),
        ("sudo -n timeout -k 2 5s env A=b /bin/ping a", ["/bin/ping a"]),
        ("A=a; B=$A; ping ${B}b ${C:-c} ${A%%/*}", ["ping ab c a"]),
        ('A="a b"\nping "$A"', ["ping a b"]),
        ("export A=a\nreadonly B=b; ping $A $B", ["ping a b"]),
        ("A=a ping $1 '$1' \\$1 \"\\$1\" $2", ["ping X $1 $1 $1 $2"]),
        ("for i in a b; do ping $i; done", ["ping a b", "done"]),
        ("ping $(cat a)", ["ping $(cat a)", "cat a"]),
        ("ping `cat a`", ["ping $(cat a)", "cat a"]),
        ('A=$(ip a)\necho "$A" | grep b', ["echo $(ip a)", "grep b", "ip a"]),
        ("grep b <(ip a)", ["grep b $(ip a)", "ip a"]),
        ('grep b <<<"$(ip a)"', ["grep b $(ip a)", "ip a"]),
        ("sh -c 'ip a | grep b'", ["sh -c ip a | grep b", "ip a", "grep b"]),
        ("", []),
        ("'", [""]),
        ("$(", ["$()"]),
    ],
)
def test_commands(text: str, commands: list[str]) -> None:
    assert ran(text, "X") == commands


def test_what_a_failure_leads_to() -> None:
    first, *_ = shell.pipelines("ip a | grep b || exit 0")
    assert first.then == ("||", "exit", "0")
    first, *_ = shell.pipelines("ip a | grep b\nexit 0")
    assert first.then == ("\n",)


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("10.77.0.10", ["10.77.0.10"]),
        ("10.77.0.10/24", ["10.77.0.10"]),
        ("http://10.77.0.10:80/health", ["10.77.0.10"]),
        ("10\\.77\\.0\\.10/", ["10.77.0.10"]),
        ("inet 10.77.0.10 x", ["10.77.0.10"]),
        ("10.77.0.100", ["10.77.0.100"]),
        ("1.10.77.0.10", []),
        ("10.77.0.300", []),
        ("2001:db8::a", ["2001:db8::a"]),
        ("2001:DB8:0::A/64", ["2001:db8::a"]),
        ("http://[2001:db8::a]:80/", ["2001:db8::a"]),
        ("12:30:01", []),
        ("00:00:5e:00:01:33", []),
    ],
)
def test_addresses(word: str, found: list[str]) -> None:
    assert shell.addresses(word) == {ip_address(one) for one in found}


def test_operators_that_are_not_quoted() -> None:
    assert shell.operators("/sbin/ip addr |/bin/grep b") == ("|",)
    assert shell.operators("pgrep -f 'a|b' \"c>d\" e\\;f") == ()


@pytest.mark.parametrize(
    "hostile",
    [
        "$(" * 30_000,
        "echo " + "$(" * 3000 + ")" * 3000,
        "A=xx\n" + "A=$A$A\n" * 5000 + "ping $A",
        "cat <<a\n" * 8000,
        '"' * 65_000,
        "`a" * 30_000,
        "a:" * 32_000 + "g",
        "echo " + "${a:-" * 10_000,
    ],
)
def test_a_hostile_script_costs_little(hostile: str) -> None:
    begun = time.process_time()
    for pipeline in shell.pipelines(hostile):
        for word in pipeline.words:
            shell.addresses(word)
    assert time.process_time() - begun < 5
