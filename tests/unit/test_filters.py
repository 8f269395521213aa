"""Packet filter rules that may drop packets to lo, as nft and iptables-save print them."""

from __future__ import annotations

import pytest

from netvip.sources.filters import COMMANDS, HURTFUL


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("nft", "\t\tfib daddr . iif type != local drop"),
        ("nft", "\t\tfib daddr . iif type != { local, broadcast, multicast } counter drop"),
        ("nft", "fib daddr . iif type vmap { blackhole : drop, unreachable : drop }"),
        ("nft", "\t\tfib daddr . mark . iif type != local drop"),
        ("nft", 'iifname "ens160" ip daddr 10.77.0.0/24 fib daddr . iif type local accept'),
        ("iptables-save", "-A INPUT -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP"),
        ("iptables-save", "-A INPUT -m addrtype --dst-type LOCAL --limit-iface-in -j ACCEPT"),
        ("ip6tables-save", "-A INPUT -m addrtype ! --dst-type LOCAL --limit-iface-in -j DROP"),
    ],
)
def test_a_rule_that_looks_up_the_input_interface_is_found(tool: str, line: str) -> None:
    assert HURTFUL[tool].search(line)


@pytest.mark.parametrize(
    ("tool", "line"),
    [
        ("nft", "\t\tfib daddr type != local drop"),
        ("nft", "\t\tfib saddr . iif oif missing drop"),
        ("nft", "\t\tfib saddr . iif oif 0 counter drop"),
        ("nft", "\t\tfib daddr . oif type local accept"),
        ("nft", '\t\tiif "lo" accept'),
        ("nft", '\t\tfib daddr type != local iif "ens160" drop'),
        ("nft", '\t\tfib saddr type local ip daddr 10.77.0.10 iif "lo" accept'),
        ("nft", '\t\tfib daddr type local accept comment "no iif here"'),
        ("nft", '\t\tiifname "ens160" ip daddr 10.77.0.10 tcp dport 443 accept'),
        ("nft", '\t\tct state established,related accept comment "fib"'),
        ("iptables-save", "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER"),
        ("iptables-save", "-A OUTPUT -m addrtype --dst-type LOCAL --limit-iface-out -j ACCEPT"),
        ("iptables-save", "-A INPUT -m rpfilter --invert -j DROP"),
        ("iptables-save", ":INPUT ACCEPT [0:0]"),
    ],
)
def test_another_rule_is_not_found(tool: str, line: str) -> None:
    assert not HURTFUL[tool].search(line)


def test_every_tool_has_its_command() -> None:
    assert HURTFUL.keys() == COMMANDS.keys()
