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
    RELEASING = "releasing"
    YIELDING = "yielding"
    AWAY = "away"


class Trigger(Enum):
    """What moves an instance from one phase to another."""

    THREAT = "MASTER, and a window is open or an address was deleted"
    LEFT_MASTER = "keepalived left MASTER"
    OTHER_MASTER = "another node's advert was seen"
    VIPS_BACK = "keepalived has added its VIPs again"
    MASTER_AGAIN = "MASTER again, guarded, and no other node was MASTER meanwhile"
    CARRIED_LONG_ENOUGH = "the master-down interval and one second have passed"
    SETTLED_WHOLE = "interface quiet, every VIP present"
    SETTLED_MISSING = "interface quiet, VIPs missing, still MASTER"
    SETTLED_RESTORED = "interface quiet, the VIPs that were put back at once are present"
    NOT_OURS_TO_RESTORE = "the window ended without the VIPs, and netvip may not put them back"
    UNFIT = "the check found that the VIPs are of no use here"
    PACED = "processes other than networkd deleted a VIP too often"
    RESTORED = "the kernel has every VIP again"
    LOST_AGAIN = "a VIP was deleted again"
    REFUSED = "the kernel did not add the VIPs in time"
    CHECKED = "VIPs present, and MASTER by evidence newer than the put-back"
    UNCONFIRMED = "no evidence of MASTER came after the put-back"
    LINK_DOWN = "the interface has no carrier"
    MADE_GOOD = "every VIP is present and works"
    RELEASE = "MASTER, but the VIPs cannot be served here: FAULT is set"
    YIELD = "asked to hand the VIPs over: FAULT is set, the shield stays up"
    NOBODY_CAME = "no peer sent an advert: FAULT is cleared"
    WELL_AGAIN = "this node can serve the VIPs again: FAULT is cleared"
    KEEPALIVED_GONE = "keepalived stopped"
    UNPROTECTABLE = "netvip cannot protect it any more: it is left to keepalived alone"


_P, _T = Phase, Trigger

TABLE: Final[dict[tuple[Phase, Trigger], Phase]] = {
    (_P.WATCHING, _T.THREAT): _P.SHIELDED,
    (_P.WATCHING, _T.PACED): _P.FAILED,
    (_P.WATCHING, _T.UNFIT): _P.FAILED,
    (_P.FAILED, _T.THREAT): _P.SHIELDED,
    (_P.FAILED, _T.MADE_GOOD): _P.WATCHING,
    (_P.FAILED, _T.LEFT_MASTER): _P.WATCHING,
    (_P.FAILED, _T.OTHER_MASTER): _P.WATCHING,
    (_P.FAILED, _T.RELEASE): _P.RELEASING,
    (_P.RELEASING, _T.OTHER_MASTER): _P.AWAY,
    (_P.RELEASING, _T.NOBODY_CAME): _P.WATCHING,
    (_P.RELEASING, _T.KEEPALIVED_GONE): _P.WATCHING,
    (_P.WATCHING, _T.YIELD): _P.YIELDING,
    (_P.SHIELDED, _T.YIELD): _P.YIELDING,
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
    (_P.CARRYING, _T.MASTER_AGAIN): _P.SHIELDED,
    (_P.CARRYING, _T.CARRIED_LONG_ENOUGH): _P.WATCHING,
    (_P.RESTORING, _T.RESTORED): _P.CHECKING,
    (_P.RESTORING, _T.REFUSED): _P.FAILED,
    (_P.RESTORING, _T.LEFT_MASTER): _P.CARRYING,
    (_P.CHECKING, _T.CHECKED): _P.WATCHING,
    (_P.CHECKING, _T.LOST_AGAIN): _P.SHIELDED,
    (_P.CHECKING, _T.PACED): _P.FAILED,
    (_P.CHECKING, _T.UNCONFIRMED): _P.FAILED,
    (_P.CHECKING, _T.LEFT_MASTER): _P.CARRYING,
    **{(phase, _T.UNPROTECTABLE): _P.WATCHING for phase in _P if phase is not _P.WATCHING},
    **{
        (phase, trigger): _P.WATCHING
        for phase in (_P.SHIELDED, _P.CARRYING, _P.RESTORING, _P.CHECKING)
        for trigger in (_T.OTHER_MASTER, _T.LINK_DOWN)
    },
}

#: The phases in which shield and bridge are up.
PROTECTED: Final = frozenset({_P.SHIELDED, _P.CARRYING, _P.RESTORING, _P.CHECKING, _P.YIELDING})

#: The phases in which keepalived removes its VIPs and the shield stays up.
LEAVING: Final = frozenset({_P.CARRYING, _P.YIELDING})

#: The phases in which keepalived's track file says FAULT.
IN_FAULT: Final = frozenset({_P.RELEASING, _P.AWAY, _P.YIELDING})


def follow(phase: Phase, trigger: Trigger) -> Phase:
    """The phase that follows; a trigger without an entry for a phase leaves the phase unchanged."""
    return TABLE.get((phase, trigger), phase)
