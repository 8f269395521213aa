"""What the findings of an examination, and another master's advert, mean for an instance."""

from __future__ import annotations

from netvip.core.actions import Action, ClearAway, Level
from netvip.core.instance.instance import Instance
from netvip.core.instance.states import TABLE, Phase, Trigger
from netvip.core.model import Tri


def hand_over(now: float, instance: Instance, why: str = "handed over as asked") -> bool:
    """Let the other node take over, if there is anything to hand over and a way to; whether there
    was."""
    if instance.phase is not Phase.WATCHING or instance.master(now) is not Tri.YES:
        return False
    ready = instance.prepared is not None and not instance.missing()
    if not ready or not instance.release.possible(now, instance.spec):
        return False
    instance.release.hand_over(now, instance.spec, why)
    return True


def meet_conflict(now: float, instance: Instance, macs: frozenset[bytes], backup: bool) -> None:
    """Somebody else answers for a VIP (Law 4): one yield, and no more."""
    conflict = instance.conflict
    if conflict.seen(now, macs, instance.spec, backup):
        instance.log(*conflict.sentence(backup))
    why = f"{conflict.words} answers for the VIPs as well"
    if not backup and conflict.may_yield(now) and hand_over(now, instance, why):
        conflict.yielded(now)


def end_conflict(instance: Instance, rise: int) -> None:
    """Nobody else answers for a VIP."""
    if instance.conflict.clean(rise):
        instance.log(Level.NOTICE, "nobody else answers for the VIPs any more")


def find_unfit(now: float, instance: Instance, why: str) -> None:
    """MASTER, and what the VIPs are for does not work here."""
    instance.unfit = why
    if (instance.phase, Trigger.UNFIT) in TABLE:
        instance.fail(Trigger.UNFIT, now, why)


def find_fit(now: float, instance: Instance) -> None:
    """It works."""
    instance.unfit = ""
    instance.made_good(now)


def clear_away(instance: Instance, sender: str) -> list[Action]:
    """keepalived is dead and another node is master: what is left of it goes (Law 7)."""
    left = instance.here()
    if not left:
        return []
    words = f"left by a dead keepalived, and {sender} is master: taken away"
    instance.log(Level.NOTICE, f"{', '.join(map(str, left))} {words}")
    return [ClearAway(left)]
