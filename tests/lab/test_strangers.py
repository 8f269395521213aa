"""Adverts that keepalived discards or does not hear: netvip's state stays keepalived's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from netvip.core.instance.foreign import DEAF_AFTER
from tests.lab.conftest import Damage
from tests.lab.measure import Tool, measure, restart
from tests.lab.node import Node
from tests.lab.pair import VIP, VIPS3, Pair, leftovers, netvip_status

#: By the last byte of the sender's address: version, VRID, priority, password, interval, addresses.
#: keepalived 2.3.3 complains of other addresses, and heeds the advert all the same: one with a
#: higher priority would really take over.
STRANGERS = {
    71: "2 51 50 - 1",
    72: f"2 51 50 - 1 {VIP} 10.77.0.99",
    73: f"2 51 200 secret 1 {VIP}",
    74: f"3 51 200 - 1 {VIP}",
    75: f"2 51 200 - 7 {VIP}",
}
#: keepalived 2.2.7 puts its own next advert off for an interval upon each that it discards: more of
#: them make the peer take over, with netvip or without (fact what-keepalived-discards).
EVERY = 5
#: RFC 5798 5.1.1.2.
GROUP = "224.0.0.18"
#: A firewall that forgot VRRP.
DROP = """table ip lab {
    chain input { type filter hook input priority 0; ip protocol 112 drop; }
}
"""


@pytest.fixture
def strangers(guarded: Pair) -> Iterator[Pair]:
    """A third host sends, beside the two nodes."""
    with ExitStack() as stack:
        for number, words in STRANGERS.items():
            source = f"10.77.0.{number}"
            guarded.near.run("ip", "address", "add", f"{source}/24", "dev", "eth0")
            stack.callback(
                guarded.near.run, "ip", "address", "delete", f"{source}/24", "dev", "eth0"
            )
            tool = Tool(guarded.near, "advertise", str(EVERY), source, GROUP, *words.split())
            stack.callback(tool.kill)
        yield guarded


def test_a_stranger_s_adverts_change_nothing_and_are_named(
    strangers: Pair, damage: Damage, figures: list[str]
) -> None:
    pair = strangers
    status = pair.wait_status(
        pair.a, lambda status: len(status["instances"][0]["ignored"]) == len(STRANGERS)
    )
    assert status["instances"][0]["state"] == "MASTER", status
    cost = measure(pair, restart)
    alone = damage("restart").near["lost"]
    story = pair.a.journal("netvip.service")
    figures.append(
        f"restart beside strangers' adverts, {pair.suite}: lost {cost.near['lost']} / "
        f"{cost.far['lost']}, without netvip {alone}"
    )
    assert max(cost.near["lost"], cost.far["lost"]) * 100 <= alone, story
    assert cost.failovers == 0, story
    for number in STRANGERS:
        assert story.count(f"10.77.0.{number} sends adverts for VRID 51 that keepalived") == 1
    assert "secret" not in story
    assert netvip_status(pair.a)["instances"][0]["verdict"] == "good"
    assert leftovers(pair.a) == []


@pytest.fixture
def deaf(guarded: Pair) -> Iterator[Pair]:
    """keepalived on the backup hears no adverts."""
    guarded.make_master()
    guarded.b.write("/root/lab.nft", DROP)
    guarded.b.run("nft", "-f", "/root/lab.nft")
    yield guarded
    guarded.b.run("nft", "delete", "table", "ip", "lab", check=False)


def said(node: Node, words: str, since: float) -> int:
    return node.journal("netvip.service", since).count(words)


def test_two_masters_are_named_and_netvip_does_not_flap(deaf: Pair) -> None:
    pair, since = deaf, float(deaf.a.run("date", "+%s.%6N"))
    deadline = time.monotonic() + 60
    while not said(pair.b, "check the firewalls for IP protocol 112", since):
        assert time.monotonic() < deadline, pair.state()
        time.sleep(0.2)  # the journal is asked; nobody announces a line
    time.sleep(4 * DEAF_AFTER)  # to observe: nothing more happens
    stories = [node.journal("netvip.service", since) for node in pair.nodes]
    assert stories[1].count("two masters: 10.77.0.1 sends adverts as well") == 1, stories[1]
    for story in stories:
        assert story.count("setting FAULT") <= 1, story  # the conflict is yielded to once (Law 4)
        assert story.count("window opened") == 0, story
    pair.b.run("nft", "delete", "table", "ip", "lab")
    pair.make_master()
    pair.wait_status(pair.a, lambda status: status["instances"][0]["verdict"] == "good")
    assert pair.holder(VIPS3[0]) == [pair.a]
