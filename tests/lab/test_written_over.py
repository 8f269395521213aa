"""An adopted configuration that a template writes again, and the package's removal afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.conftest import Damage
from tests.lab.follow import wait
from tests.lab.measure import REELECTED, measure, probed, reconfigure
from tests.lab.node import Node
from tests.lab.pair import VIP, Pair

pytestmark = pytest.mark.once("trixie")

CONFIGURATION = "/etc/keepalived/keepalived.conf"


@pytest.fixture(scope="module")
def templated(suite: str, package: Path) -> Iterator[tuple[Pair, str]]:
    """A guarded pair, and what the template of node a makes of its configuration."""
    with Pair(suite) as pair:
        before = pair.a.run("cat", CONFIGURATION)
        pair.protect(package, guarded=True)
        yield pair, before


def write_over(node: Node, text: str) -> None:
    node.write(CONFIGURATION, text)
    node.run("systemctl", "reload", "keepalived.service")


def mode(status: dict[str, object]) -> object:
    instances = status["instances"]
    assert isinstance(instances, list)
    return instances[0]["mode"] if instances else None


def test_it_is_noticed_harmless_and_mended_without_a_loss(
    templated: tuple[Pair, str], damage: Damage
) -> None:
    control = damage("reconfigure")
    pair, before = templated
    assert pair.a.succeeds("netvip", "adopt", "--check")
    since = float(pair.a.run("date", "+%s.%6N"))
    write_over(pair.a, before)
    status = pair.wait_status(pair.a, lambda s: mode(s) == "assisted", limit=10.0)
    assert "no_track is missing at 10.77.0.10/24" in status["instances"][0]["lapsed"]
    assert "VI_1: no longer guarded" in pair.a.journal("netvip.service", since)
    assert not pair.a.succeeds("netvip", "adopt", "--check")
    assert "NV106" in pair.a.run("netvip", "doctor", check=False)
    cost = measure(pair, reconfigure, REELECTED)
    assert cost.near["lost"] * 20 <= control.near["lost"], pair.a.journal("netvip.service", since)
    pair.make_master()
    probe = probed(pair.near, VIP)
    try:
        pair.a.run("netvip", "adopt", "--apply")
        pair.wait_status(pair.a, lambda s: mode(s) == "guarded")
        assert int(probe.stop()["lost"]) == 0
    finally:
        probe.kill()


def test_what_print_shows_is_what_a_template_needs(templated: tuple[Pair, str]) -> None:
    pair, _ = templated
    shown = pair.b.run("netvip", "adopt", "--print", "--instance", "VI_1").splitlines()
    lines = {line.strip() for line in shown if not line.startswith("#")} - {""}
    text = {line.strip() for line in pair.b.run("cat", CONFIGURATION).splitlines()}
    assert lines and lines <= text


def test_a_file_that_was_edited_since_does_not_keep_the_package(
    templated: tuple[Pair, str],
) -> None:
    pair, _ = templated
    text = pair.b.run("cat", CONFIGURATION)
    pair.b.write(CONFIGURATION, text.replace("advert_int 1", "advert_int 1  # mine"))
    pair.b.run("apt-get", "-qq", "remove", "-y", "netvip")
    left = pair.b.run("cat", CONFIGURATION)
    assert "advert_int 1  # mine" in left
    assert "no_track" not in left and "netvip" not in left
    wait(lambda: pair.holder() == [pair.a], 30.0, "the calm")
