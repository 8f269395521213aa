"""Two nodes with a bad network between them: packets are lost and come late."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.measure import Tool, restart
from tests.lab.netns import Namespace
from tests.lab.pair import INTERFACE, VIP, Pair, leftovers, netvip_status

#: Each packet that a node sends is lost with 1 % and comes 0 to 40 ms late.
NETEM = ("netem", "delay", "20ms", "20ms", "loss", "1%")
#: For so long nothing may happen without netvip, and with it.
CONTROL, CALM = 20.0, 60.0
#: What the journal says of a check that found something.
FINDINGS = ("answers for a VIP", "sends the VIP", "does not answer", "setting FAULT", "MASTER now")

pytestmark = pytest.mark.hosts  # a machine's kernel may lack netem: make kernels has it


@pytest.fixture
def lossy(suite: str) -> Iterator[Pair]:
    """A pair with a bad network between its nodes."""
    space = Namespace(f"nvprobe{os.getpid()}")
    try:
        space.succeeds("modprobe", "sch_netem")
        if not space.succeeds("tc", "qdisc", "add", "dev", "lo", "root", *NETEM):
            pytest.skip(f"kernel {os.uname().release} lacks netem")
    finally:
        space.close()
    with Pair(suite) as pair:
        pair.make_master()
        for node in pair.nodes:
            node.net.run("tc", "qdisc", "add", "dev", INTERFACE, "root", *NETEM)
        yield pair


def takeovers(pair: Pair, seconds: float, *command: str) -> int:
    """How often the backup takes the VIP while a command is run on both nodes again and again."""
    watch = Tool(pair.b.net, "watch")
    try:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            for node in pair.nodes:
                node.run(*command)  # it fails where the check found something
            time.sleep(1.0)  # the observation of nothing
        events = watch.stop()["events"]
    finally:
        watch.kill()
    return sum(event["what"] == "add" and event["address"] == VIP for event in events)


def test_a_bad_network_is_no_reason_for_anything(lossy: Pair, package: Path) -> None:
    assert takeovers(lossy, CONTROL, "true") == 0, "keepalived alone does not stand it"
    lossy.protect(package, guarded=True)
    lossy.make_master()
    since = float(lossy.a.run("date", "+%s.%6N"))
    assert takeovers(lossy, CALM, "netvip", "verify") == 0
    for node in lossy.nodes:
        journal = node.journal("netvip.service", since)
        assert not [words for words in FINDINGS if words in journal], journal
        assert netvip_status(node)["instances"][0]["verdict"] == "good"
    watch = Tool(lossy.b.net, "watch")
    try:
        restart(lossy.a)
        lossy.make_master()
        assert not [event for event in watch.stop()["events"] if event["address"] == VIP]
    finally:
        watch.kill()
    assert leftovers(lossy.a) == []
