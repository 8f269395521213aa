"""An upgrade at six in the morning: what it restarts, netvip carries the VIP through."""

from __future__ import annotations

import pytest

from tests.lab.pair import Pair, leftovers
from tests.lab.repository import offer
from tests.lab.upgrades import NETVIP, UPGRADES, Outcome, Upgrade, perform, upgrades

Control = dict[str, Outcome]

every_upgrade = pytest.mark.parametrize(
    "upgrade", [*UPGRADES, NETVIP], ids=lambda upgrade: upgrade.name.replace(" ", "-")
)


@pytest.fixture(scope="module")
def control(suite: str) -> Control:
    """What each upgrade costs without netvip; the pair is gone before the guarded one boots."""
    with Pair(suite) as pair:
        offer(pair.a)
        return {upgrade.name: perform(pair, upgrade) for upgrade in upgrades(suite)}


@pytest.fixture(scope="module")
def upgradable(control: Control, guarded: Pair) -> Pair:
    """netvip with an adopted configuration, and higher versions for its apt."""
    offer(guarded.a)
    return guarded


@every_upgrade
def test_an_upgrade_goes_unnoticed(
    upgradable: Pair, control: Control, figures: list[str], upgrade: Upgrade
) -> None:
    if not upgrade.made_on(upgradable.suite):
        pytest.skip(f"{upgrade.name} restarts nothing here")
    without = control.get(upgrade.name)
    guarded = perform(upgradable, upgrade)
    figures.append(_figure(upgradable.suite, upgrade, without, guarded))
    story = upgradable.a.journal("netvip.service")
    assert guarded.complaints == [], guarded.output
    if without is not None:
        assert_damage(upgrade, without)
    assert guarded.lost <= upgrade.allowed, story
    upgradable.make_master()  # with netvip calm
    assert leftovers(upgradable.a) == [], story


def _figure(suite: str, upgrade: Upgrade, without: Outcome | None, guarded: Outcome) -> str:
    alone = "" if without is None else f", without netvip {without.lost}"
    return f"upgrade, {suite}, {upgrade.name}: lost {guarded.lost}{alone}"


def assert_damage(upgrade: Upgrade, without: Outcome) -> None:
    """The control: an upgrade that restarts networkd or keepalived hurts, another does not."""
    assert without.complaints == [], without.output
    # The gap is the skew: 570 ms with priority 110, 610 ms with 100.
    assert (without.lost > 300) is upgrade.hurts, "the control is not what it was"
