"""Adverts that keepalived discards or does not hear: netvip's state stays keepalived's."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import pytest

from netvip.core.instance.foreign import DEAF_AFTER
from tests.lab.measure import Cost, Tool, measure, restart
from tests.lab.node import Node
from tests.lab.pair import VIP, Pair, leftovers, netvip_status

pytestmark = pytest.mark.once("bookworm")

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


@contextmanager
def strangers(pair: Pair) -> Iterator[None]:
    """A third host sends, beside the two nodes."""
    with ExitStack() as stack:
        for number, words in STRANGERS.items():
            source = f"10.77.0.{number}"
            address = (f"{source}/24", "dev", "eth0")
            pair.near.run("ip", "address", "add", *address)
            stack.callback(pair.near.run, "ip", "address", "delete", *address)
            tool = Tool(pair.near, "advertise", str(EVERY), source, GROUP, *words.split())
            stack.callback(tool.kill)
        yield


def cost_of_a_restart(pair: Pair) -> Cost:
    pair.make_master()
    with strangers(pair):
        return measure(pair, restart)


@pytest.fixture(scope="module")
def control(suite: str) -> Cost:
    """The same without netvip."""
    with Pair(suite) as pair:
        return cost_of_a_restart(pair)


def test_a_stranger_s_adverts_change_nothing_and_are_named(
    control: Cost, guarded: Pair, figures: list[str]
) -> None:
    pair = guarded
    cost, alone = cost_of_a_restart(pair), control.near["lost"]
    story = pair.a.journal("netvip.service")
    figures.append(
        f"restart beside strangers' adverts, {pair.suite}: lost {cost.near['lost']} / "
        f"{cost.far['lost']}, without netvip {alone} / {control.far['lost']}"
    )
    assert alone > 300 and control.far["lost"] > 300, "the control shows no damage"
    assert max(cost.near["lost"], cost.far["lost"]) * 100 <= alone, story
    assert cost.failovers == 0, story
    for number in STRANGERS:
        assert story.count(f"10.77.0.{number} sends adverts for VRID 51 that keepalived") == 1
    assert "secret" not in story
    status = netvip_status(pair.a)["instances"][0]
    assert (status["state"], status["verdict"]) == ("MASTER", "good"), status
    assert len(status["ignored"]) == len(STRANGERS), status
    assert leftovers(pair.a) == []


@contextmanager
def deaf(pair: Pair) -> Iterator[None]:
    """keepalived on the backup hears no adverts."""
    pair.make_master()
    pair.b.write("/root/lab.nft", DROP)
    pair.b.run("nft", "-f", "/root/lab.nft")
    yield
    pair.b.run("nft", "delete", "table", "ip", "lab")


def wait_for(condition: Callable[[], bool], pair: Pair) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, pair.state()
        time.sleep(0.2)  # a node is asked; nobody announces it


def said(node: Node, words: str, since: float) -> int:
    return node.journal("netvip.service", since).count(words)


def test_keepalived_alone_has_the_vip_on_both_nodes(suite: str) -> None:
    """The control."""
    with Pair(suite) as pair, deaf(pair):
        wait_for(lambda: pair.holder(VIP) == [pair.a, pair.b], pair)


def test_two_masters_are_named_and_netvip_does_not_flap(guarded: Pair) -> None:
    pair, since = guarded, float(guarded.a.run("date", "+%s.%6N"))
    with deaf(pair):
        wait_for(lambda: said(pair.b, "check the firewalls for IP protocol 112", since) > 0, pair)
        time.sleep(4 * DEAF_AFTER)  # to observe: nothing more happens
        stories = [node.journal("netvip.service", since) for node in pair.nodes]
    assert stories[1].count("two masters: 10.77.0.1 sends adverts as well") == 1, stories[1]
    for story in stories:
        assert story.count("setting FAULT") <= 1, story  # the conflict is yielded to once (Law 4)
        assert story.count("window opened") == 0, story
    pair.make_master()
    pair.wait_status(pair.a, lambda status: status["instances"][0]["verdict"] == "good")
    assert pair.holder(VIP) == [pair.a]
