"""The life cycle of one VRRP instance under netvip: phases, triggers, and the one table of them.

docs/states.md is drawn from TABLE; nothing else decides which phase follows which.
"""

from __future__ import annotations

from enum import Enum
from typing import Final


class Phase(Enum):
    """Where an instance stands."""

    WATCHING = "watching"
    SHIELDED = "shielded"
    CARRYING = "carrying"
    RESTORING = "restoring"
    CHECKING = "checking"
    FAILED = "failed"
    LETTING_GO = "letting go"
    YIELDING = "yielding"
    AWAY = "away"


class Trigger(Enum):
    """What moves an instance from one phase to another."""

    THREAT = "MASTER, and a window is open or an address was lost"
    LEFT_MASTER = "keepalived left MASTER"
    OTHER_MASTER = "another master's advert was seen"
    VIPS_BACK = "keepalived has its VIPs on the interface again"
    CARRIED_LONG_ENOUGH = "the master-down interval and one second have passed"
    SETTLED_WHOLE = "the dust has settled, every VIP is present"
    SETTLED_MISSING = "the dust has settled, VIPs are missing, still MASTER"
    SETTLED_RESTORED = "the dust has settled, what was put back at once is present"
    NOT_OURS_TO_RESTORE = "the window ended without the VIPs, and they may not be put back"
    UNFIT = "what the VIPs are for does not work here"
    PACED = "deleted too often by others than networkd"
    RESTORED = "the kernel has every VIP again"
    LOST_AGAIN = "a VIP was taken again"
    REFUSED = "the kernel did not take them back in time"
    CHECKED = "present, and MASTER by evidence newer than the put-back"
    UNCONFIRMED = "no evidence of MASTER came after the put-back"
    LINK_DOWN = "the interface has no carrier"
    MADE_GOOD = "every VIP is present, and works"
    LET_GO = "MASTER, and cannot be made good: keepalived is told FAULT"
    YIELD = "asked to hand the VIPs over: keepalived is told FAULT, behind the shield"
    NOBODY_CAME = "no other master's advert was seen: the FAULT is taken back"
    WELL_AGAIN = "the node could carry the VIPs: the FAULT is taken back"
    KEEPALIVED_GONE = "keepalived ended"


_P, _T = Phase, Trigger

TABLE: Final[dict[tuple[Phase, Trigger], Phase]] = {
    (_P.WATCHING, _T.THREAT): _P.SHIELDED,
    (_P.WATCHING, _T.PACED): _P.FAILED,
    (_P.WATCHING, _T.UNFIT): _P.FAILED,
    (_P.FAILED, _T.THREAT): _P.SHIELDED,
    (_P.FAILED, _T.MADE_GOOD): _P.WATCHING,
    (_P.FAILED, _T.LEFT_MASTER): _P.WATCHING,
    (_P.FAILED, _T.OTHER_MASTER): _P.WATCHING,
    (_P.FAILED, _T.LET_GO): _P.LETTING_GO,
    (_P.LETTING_GO, _T.OTHER_MASTER): _P.AWAY,
    (_P.LETTING_GO, _T.NOBODY_CAME): _P.WATCHING,
    (_P.LETTING_GO, _T.KEEPALIVED_GONE): _P.WATCHING,
    (_P.WATCHING, _T.YIELD): _P.YIELDING,
    (_P.YIELDING, _T.OTHER_MASTER): _P.AWAY,
    (_P.YIELDING, _T.NOBODY_CAME): _P.CARRYING,
    (_P.YIELDING, _T.KEEPALIVED_GONE): _P.CARRYING,
    (_P.YIELDING, _T.LINK_DOWN): _P.WATCHING,
    (_P.AWAY, _T.WELL_AGAIN): _P.WATCHING,
    (_P.AWAY, _T.KEEPALIVED_GONE): _P.WATCHING,
    (_P.SHIELDED, _T.SETTLED_WHOLE): _P.WATCHING,
    (_P.SHIELDED, _T.SETTLED_MISSING): _P.RESTORING,
    (_P.SHIELDED, _T.NOT_OURS_TO_RESTORE): _P.FAILED,
    (_P.SHIELDED, _T.SETTLED_RESTORED): _P.CHECKING,
    (_P.SHIELDED, _T.LEFT_MASTER): _P.CARRYING,
    (_P.CARRYING, _T.VIPS_BACK): _P.SHIELDED,
    (_P.CARRYING, _T.CARRIED_LONG_ENOUGH): _P.WATCHING,
    (_P.RESTORING, _T.RESTORED): _P.CHECKING,
    (_P.RESTORING, _T.REFUSED): _P.FAILED,
    (_P.RESTORING, _T.LEFT_MASTER): _P.CARRYING,
    (_P.CHECKING, _T.CHECKED): _P.WATCHING,
    (_P.CHECKING, _T.LOST_AGAIN): _P.SHIELDED,
    (_P.CHECKING, _T.PACED): _P.FAILED,
    (_P.CHECKING, _T.UNCONFIRMED): _P.FAILED,
    (_P.CHECKING, _T.LEFT_MASTER): _P.CARRYING,
    **{
        (phase, trigger): _P.WATCHING
        for phase in (_P.SHIELDED, _P.CARRYING, _P.RESTORING, _P.CHECKING)
        for trigger in (_T.OTHER_MASTER, _T.LINK_DOWN)
    },
}

#: The phases in which shield and bridge are up.
PROTECTED: Final = frozenset({_P.SHIELDED, _P.CARRYING, _P.RESTORING, _P.CHECKING, _P.YIELDING})

#: The phases in which keepalived takes its VIPs away and the shield goes on.
LEAVING: Final = frozenset({_P.CARRYING, _P.YIELDING})

#: The phases in which keepalived's track file says FAULT.
IN_FAULT: Final = frozenset({_P.LETTING_GO, _P.AWAY, _P.YIELDING})


def follow(phase: Phase, trigger: Trigger) -> Phase:
    """The phase that follows; a trigger that means nothing in a phase leaves it as it is."""
    return TABLE.get((phase, trigger), phase)
