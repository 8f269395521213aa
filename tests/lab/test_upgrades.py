"""Upgrades of single packages: what they restart costs no probe with netvip."""

from __future__ import annotations

import pytest

from tests.lab.pair import Pair, leftovers
from tests.lab.repository import offer
from tests.lab.upgrades import NETVIP, UPGRADES, Outcome, Upgrade, perform

Control = dict[Upgrade, Outcome]

every_upgrade = pytest.mark.parametrize(
    "upgrade", UPGRADES, ids=lambda upgrade: upgrade.name.replace(" ", "-")
)


@pytest.fixture(scope="module")
def control(suite: str) -> Control:
    """What each upgrade costs without netvip; the pair is gone before the guarded one boots."""
    with Pair(suite) as pair:
        offer(pair.a)
        return {upgrade: perform(pair, upgrade) for upgrade in UPGRADES}


@pytest.fixture(scope="module")
def upgradable(control: Control, guarded: Pair) -> Pair:
    """netvip with an adopted configuration, and higher versions for its apt."""
    offer(guarded.a)
    return guarded


@every_upgrade
def test_an_upgrade_goes_unnoticed(
    upgradable: Pair, control: Control, figures: list[str], upgrade: Upgrade
) -> None:
    suite, without = upgradable.suite, control[upgrade]
    guarded = perform(upgradable, upgrade)
    figures.append(
        f"upgrade, {suite}, {upgrade.name}: lost {guarded.lost}, without netvip {without.lost}"
    )
    # The gap is the skew: 570 ms with priority 110, 610 ms with 100.
    assert (without.lost > 300) is (suite in upgrade.hurts), "the control is not what it was"
    # sid's own systemctl finds no bus while PID 1 re-executes.
    assert set(guarded.complaints) <= set(without.complaints), guarded.output
    assert_unharmed(upgradable, upgrade, guarded)


def test_netvip_s_own_upgrade_goes_unnoticed(upgradable: Pair, figures: list[str]) -> None:
    guarded = perform(upgradable, NETVIP)
    figures.append(f"upgrade, {upgradable.suite}, netvip: lost {guarded.lost}")
    assert guarded.complaints == [], guarded.output
    assert_unharmed(upgradable, NETVIP, guarded)


def assert_unharmed(pair: Pair, upgrade: Upgrade, guarded: Outcome) -> None:
    """Next to nothing lost, and netvip as calm afterwards as before."""
    story = pair.a.journal("netvip.service")
    assert guarded.lost <= upgrade.allowed, story
    pair.make_master()  # which waits until no window is open
    assert leftovers(pair.a) == [], story
