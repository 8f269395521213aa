"""The ways to lose a VIP (tests/lab/ways.py): without netvip, then guarded.

Where the link stays up, at most one probe is lost, each object is as before at the end, and the
peer does not take over. Where it goes down netvip costs no more than keepalived alone (Law 12).
`make ways` runs all, and prints the table of docs/ways.md; `make test` runs a few.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.lab.follow import wait
from tests.lab.measure import Cost, measure, probed
from tests.lab.node import Node
from tests.lab.pair import INTERFACE, Pair
from tests.lab.shell import LabError
from tests.lab.test_never_worse import allowed
from tests.lab.ways import TABLE, Setting, Way

#: Whether to run what takes long as well.
ALL = bool(os.environ.get("NETVIP_LAB_ALL"))
#: Probes that may be lost where the link stays up.
ALLOWED = 1
#: Probes that keepalived alone loses at least where it loses the VIP: the skew is 570 ms.
DAMAGE = 300
#: Probes in an advert interval.
ADVERT_INTERVAL = 1000
#: A busy machine may lose more once: then the run in the middle of so many counts.
RUNS = 3

ROWS = [(setting, way) for setting, ways in TABLE for way in ways if ALL or way.short]


@dataclass(frozen=True)
class Found:
    """What one run of a way cost, and what it changed on the master."""

    cost: Cost
    lost: dict[str, int]
    gone: frozenset[str]
    come: frozenset[str]
    holders: str
    story: str


class Stage:
    """A setting's pairs: one with keepalived alone, one with netvip."""

    def __init__(self, suite: str, setting: Setting, package: Path) -> None:
        self.suite, self.setting, self._package = suite, setting, package
        self._pairs: dict[str, Pair] = {}

    def pair(self, mode: str) -> Pair:
        """The pair in a mode: "alone" or "guarded"."""
        if mode not in self._pairs:
            setting = self.setting
            pair = Pair(self.suite, setting.vips, setting.ipv6, setting.host, setting.surround)
            self._pairs[mode] = pair
            if mode != "alone":
                pair.protect(self._package, guarded=False)
            if mode == "guarded" and self.suite not in setting.refused:
                pair.adopt(setting.leased)
                pair.make_master()
        return self._pairs[mode]

    def close(self) -> None:
        """Remove all of them."""
        for pair in self._pairs.values():
            pair.close()


class Stages:
    """The pairs of one setting at a time: pytest would make them anew for each of its ways."""

    def __init__(self, suite: str, package: Path) -> None:
        self._suite, self._package = suite, package
        self._stage: Stage | None = None

    def of(self, setting: Setting) -> Stage:
        """The pairs of a setting; those of the one before are removed."""
        if self._stage is None or self._stage.setting is not setting:
            self.close()
            self._stage = Stage(self._suite, setting, self._package)
        return self._stage

    def close(self) -> None:
        """Remove the last."""
        if self._stage is not None:
            self._stage.close()
            self._stage = None


@pytest.fixture(scope="module")
def stages(suite: str, package: Path) -> Iterator[Stages]:
    """The pairs, of one setting at a time."""
    found = Stages(suite, package)
    yield found
    found.close()


def objects(node: Node) -> frozenset[str]:
    """Addresses, routes, rules and nexthops of a node, without what the kernel counts down and what
    follows from the hardware address."""
    found: list[str] = []
    for link in json.loads(node.net.run("ip", "-j", "address")):
        for address in link["addr_info"]:
            if address.get("dynamic"):
                address["preferred_life_time"] = 0
            address.pop("valid_life_time", None)
            found.append(_text("address", {"dev": link.get("ifname"), **address}))
    for family in ("-4", "-6"):
        for kind in (("route", "show", "table", "all"), ("rule",)):
            for thing in json.loads(node.net.run("ip", "-j", family, *kind)):
                thing.pop("expires", None)
                found.append(_text(f"{kind[0]} {family}", thing))
    found += [_text("nexthop", n) for n in json.loads(node.net.run("ip", "-j", "nexthop") or "[]")]
    # What is in the table local follows from the addresses.
    return frozenset(t for t in found if "fe80::" not in t and '"table": "local"' not in t)


def _text(kind: str, thing: dict[str, object]) -> str:
    return f"{kind} {json.dumps(thing, sort_keys=True)}"


def run(pair: Pair, setting: Setting, way: Way) -> Found:
    """Go one way, and back."""
    try:
        way.before(pair)
        well_again(pair)
        return _measured(pair, setting, way)
    finally:
        way.undo(pair)
        well_again(pair)


def _measured(pair: Pair, setting: Setting, way: Way) -> Found:
    before, since = objects(pair.a), float(pair.a.run("date", "+%s.%6N"))
    with ExitStack() as stack:
        more = {}
        for aim in setting.aims:
            space = {"near": pair.near, "far": pair.far}.get(aim.source) or pair.named(aim.source)
            more[aim.name] = probed(space, aim.target)
            stack.callback(more[aim.name].kill)
        cost = measure(pair, partial(_act, way, pair), way.afterwards)
        lost = {name: int(tool.stop()["lost"]) for name, tool in more.items()}
    settled(pair)
    after = objects(pair.a)
    holders = ", ".join(node.name for node in pair.holder(pair.vips[0]))
    story = pair.a.journal("netvip.service", since) + pair.a.journal("keepalived.service", since)
    lost = {"near": int(cost.near["lost"]), "far": int(cost.far["lost"]), **lost}
    return Found(cost, lost, before - after, after - before, holders, story)


def _act(way: Way, pair: Pair, _: Node) -> None:
    way.act(pair)


#: networkd begins within this time after the command that told it to, on a busy machine as well.
NETWORKD_BEGINS = 1.0


def well_again(pair: Pair) -> None:
    """`a` is the master, and reached, as at the beginning."""
    time.sleep(NETWORKD_BEGINS)  # keepalived alone has no event for its end
    try:
        pair.make_master()
        wait(partial(_is_reached, pair), 20.0, "an answer of the VIP")
    except LabError:
        for node in pair.nodes:  # the kernel adds the link-local address as the link comes up
            for state in ("down", "up"):
                node.net.run("ip", "link", "set", INTERFACE, state)
            node.run("systemctl", "restart", "systemd-networkd.service")
        pair.b.run("systemctl", "stop", "keepalived.service")
        pair.a.run("systemctl", "restart", "keepalived.service")
        time.sleep(5.0)  # keepalived's election, which nobody announces while the peer is away
        pair.b.run("systemctl", "start", "keepalived.service")
        pair.make_master()
        wait(partial(_is_reached, pair), 20.0, "an answer of the VIP")


def _is_reached(pair: Pair) -> bool:
    tools = [probed(space, pair.vips[0]) for space in (pair.near, pair.far)]
    try:
        lost = [tool.stop()["lost"] for tool in tools]
    finally:
        for tool in tools:
            tool.kill()
    return pair.holder(pair.vips[0]) == [pair.a] and not any(lost)


def settled(pair: Pair) -> None:
    """Wait until netvip has no window, where it runs."""
    if pair.a.succeeds("systemctl", "is-active", "netvip.service"):
        pair.wait_status(pair.a, lambda status: not status["windows"])


def row(stage: Stage, way: Way, alone: Found, found: Found) -> str:
    """One line of the table."""

    def cells(seen: Found) -> str:
        lost = ", ".join(f"{name} {number}" for name, number in seen.lost.items())
        return lost + (", failover" if seen.cost.failovers else "")

    parts = (stage.setting.name, way.name, stage.suite, cells(alone), cells(found))
    return f"| {' | '.join(parts)} |"


def harm(stage: Stage, way: Way, alone: Found, found: Found) -> list[str]:
    """What may not be."""
    said = []
    stays = way.stays and stage.suite not in stage.setting.refused
    for name, lost in found.lost.items():
        control = allowed(alone.lost[name]) + way.silent * ADVERT_INTERVAL
        known = way.known.get(stage.suite, 0) if way.known_at in ("", name) else 0
        most = max(ALLOWED, known) if stays else max(control, known)
        if lost > most:
            said.append(f"{name}: {lost} lost, {alone.lost[name]} without netvip")
    if not stays:
        return said
    if found.cost.failovers:
        said.append("the peer took over")
    if found.cost.tcp_broken:
        said.append(f"TCP broke: {found.cost.stream}")
    if found.cost.failed_connects:
        said.append(f"the master's own connections failed: {found.cost.connects}")
    if found.holders != "a":
        said.append(f"the VIP is on: {found.holders}")
    vips = stage.pair("guarded").every_vip
    ours = {t for t in found.gone | found.come if _names(t, vips)}
    gone, come = found.gone - (alone.gone - ours), found.come - alone.come
    if way.networkds:
        gone, come = gone - ours, come - ours
    return said + [f"gone: {t}" for t in gone] + [f"new: {t}" for t in come]


def guarded(stage: Stage, way: Way, alone: Found) -> Found:
    """What it costs with netvip: the run in the middle, if the first was not good."""
    found = [run(stage.pair("guarded"), stage.setting, way)]
    if harm(stage, way, alone, found[0]):
        found += [run(stage.pair("guarded"), stage.setting, way) for _ in range(RUNS - 1)]
    return sorted(found, key=lambda one: max(one.lost.values()))[len(found) // 2]


def _names(thing: str, addresses: Sequence[str]) -> bool:
    return any(f'"{address}"' in thing for address in addresses)


@pytest.mark.parametrize(
    ("setting", "way"),
    [
        pytest.param(
            setting,
            way,
            id=f"{setting.name}: {way.name}".replace(" ", "-"),
            marks=pytest.mark.once(way.short) if way.short else (),
        )
        for setting, way in ROWS
    ],
)
def test_a_way_to_lose_a_vip(
    stages: Stages, setting: Setting, way: Way, figures: list[str]
) -> None:
    stage = stages.of(setting)
    alone = run(stage.pair("alone"), setting, way)
    damage = max(alone.lost.values())
    assert damage > DAMAGE or stage.suite in way.harmless, "the control shows no damage"
    found = guarded(stage, way, alone)
    line = row(stage, way, alone, found)
    print(line, flush=True)
    figures.append(line)
    if said := harm(stage, way, alone, found):
        pytest.fail("\n".join((line, *said, found.story)))
