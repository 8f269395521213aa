"""Two nodes of the real core under random faults, with the laws of the design as invariants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from netvip.const import LEASE, PASSING_LIMIT
from netvip.core import actions
from netvip.core.actions import Action
from netvip.core.check.policy import Policy, Wishes
from netvip.core.events import Request, RequestKind
from netvip.core.instance.states import PROTECTED
from netvip.core.model import Author, AuthorKind, InstanceSpec, Role, Tri
from tests.sim.world import (
    ANNOUNCED_AFTER,
    GATEWAY,
    LO,
    ON_VMAC,
    OPERATOR,
    OWN,
    VMAC_LINKS,
    Node,
    with_vmac,
)

#: A takeover in progress: the old master removes its VIP as it hears of the new one.
TAKEOVER = 0.05
#: Another master's advert ends a shield, as soon as that master has announced itself.
AT_ONCE = PASSING_LIMIT + 0.02
#: A dead daemon's shield ends by itself.
LEASE_OVER = LEASE + 0.1
THIRD = b"\x02\0\0\0\0\x03"
#: A node that let go for the third time stays away for 64 s.
LONG_AWAY = 7


class Peer(Node):
    """A node with a keepalived that elects, wired to another."""

    other: Peer | None = None

    def __init__(self, guarded: bool, priority: int, role: Role) -> None:
        self.heard = 0.0
        self.violations: list[str] = []
        self.left_master = self.told_master = self.killed = float("-inf")
        self.alive = True
        super().__init__(guarded=guarded, role=role)
        self.spec = replace(self.spec, priority=priority)

    def start_netvip(self) -> None:
        super().start_netvip()
        assert self.machine is not None
        self.machine.configure(Policy(wishes=Wishes(services=("tcp://:443",))))

    def answering(self, role: Role) -> frozenset[bytes]:
        # An old master's last shield answers as well.
        answers = self.other is not None and (self.other.has(self.vip) or self.other.shielded)
        return frozenset({self.peer_mac}) if answers else frozenset()

    def advert(self, own: bool, priority: int) -> None:
        super().advert(own, priority)
        if own and self.other is not None:
            self.other.hears(priority)

    def hears(self, priority: int) -> None:
        """The other node's advert arrives: keepalived acts as RFC 5798 6.4 says."""
        super().advert(own=False, priority=priority)
        if priority:
            self.told_master = self.now
        if not self.alive:
            return
        if self.role is Role.MASTER and priority > self.spec.priority:
            self.role = Role.BACKUP
            self.unset(self.vip.key, Author(AuthorKind.OTHER, "keepalived"))
        delay = self.spec.skew if priority == 0 else self.spec.master_down
        self.heard = now = self.now
        self.after(delay, lambda: self.elect() if self.heard == now and self.alive else None)

    @property
    def conflict_confirmed(self) -> bool:
        """Whether the core knows of somebody else with the VIP."""
        known = self.machine.instances.get("VI_1") if self.machine is not None else None
        return known is not None and known.conflict.confirmed

    def backup(self) -> None:
        self.heard = now = self.now
        self.after(self.spec.master_down, lambda: self.elect() if self.heard == now else None)

    def elect(self) -> None:
        if self.alive:
            super().elect()
            if self.other is not None:
                self.other.after(ANNOUNCED_AFTER, self.other.claim)

    def _act(self, action: Action) -> None:
        master = self.role is Role.MASTER
        if isinstance(action, actions.PutBack) and not master:
            self.violations.append(f"law 1: put back at {self.now} while {self.role}")
        if isinstance(action, (actions.PutBack, actions.Announce)) and self.conflict_confirmed:
            self.violations.append(f"law 4: {type(action).__name__} at {self.now} in a conflict")
        if isinstance(action, actions.PutBack) and not self.spec.guarded:
            self.violations.append(f"assisted was put back at {self.now}")
        if isinstance(action, actions.Protect) and not master:
            self.violations.append(f"law 2: shield begun at {self.now} while {self.role}")
        super()._act(action)


class OnVmac(Peer):
    """Its VIP is on a VMAC: networkd takes what is the interface's below, and may take the VIP."""

    vip, links = ON_VMAC, VMAC_LINKS

    def configured(self, spec: InstanceSpec) -> InstanceSpec:
        return with_vmac(spec)


class Pair:
    """Both nodes on one clock."""

    def __init__(self, guarded: bool, kind: type[Peer] = Peer) -> None:
        self.a = kind(guarded, 110, Role.MASTER)
        self.b = kind(guarded, 100, Role.BACKUP)
        self.a.other, self.b.other = self.b, self.a
        self.b.hears(110)
        self.both_since: float | None = None
        self.run(2.0)

    @property
    def nodes(self) -> tuple[Peer, Peer]:
        return self.a, self.b

    def run(self, seconds: float) -> None:
        """Let time pass for both in small steps, looking at the laws after each."""
        for _ in range(round(seconds / 0.01)):
            for node in self.nodes:
                node.run(0.01)
            self.look()

    def look(self) -> None:
        self._never_on_both()
        for node in self.nodes:
            assert node.violations == []
            self._no_shield_outlives_mastership(node)
            self._no_check_fails_under_protection(node)

    def _no_check_fails_under_protection(self, node: Peer) -> None:
        known = node.machine.instances.get("VI_1") if node.machine is not None else None
        if known is not None and known.protected:
            assert not node.check_fails, f"law 10: {node.log}"

    def _never_on_both(self) -> None:
        now = self.a.now
        both = self.a.has(self.a.vip) and self.b.has(self.b.vip) and self.a.alive and self.b.alive
        self.both_since = (
            (self.both_since if self.both_since is not None else now) if both else None
        )
        if self.both_since is not None:
            # keepalived's own takeover, or a put-back that came as the peer took over.
            assert now - self.both_since <= self.a.spec.master_down, "law 1: the VIP on both nodes"

    def _no_shield_outlives_mastership(self, node: Peer) -> None:
        if node.role is Role.MASTER:
            node.left_master = node.now
        elif node.killed < node.now - LEASE_OVER and node.told_master < node.now - AT_ONCE:
            assert not (node.shielded and node.told_master > node.left_master), f"law 2: {node.log}"
        carried = node.now - node.left_master
        limit = node.spec.master_down + 1.0 + LEASE_OVER
        assert not (node.shielded and carried > limit), f"law 2: {node.log}"


def _stop_keepalived(node: Peer) -> None:
    if node.alive:
        node.release(Role.UNKNOWN)
        node.alive = False


def _start_keepalived(node: Peer) -> None:
    if not node.alive:
        node.alive, node.role = True, Role.BACKUP
        node.backup()


def _kill(node: Peer) -> None:
    node.kill_netvip()
    node.killed = node.now


def _start(node: Peer) -> None:
    if node.machine is None:
        node.start_netvip()


def _delete(node: Peer) -> None:
    node.unset(node.vip.key, OPERATOR)
    if not node.spec.guarded and node.role is Role.MASTER:
        node.release()


def _steal(node: Peer) -> None:
    for delay in range(6):
        node.after(delay * 0.4, lambda: _delete(node))


def _ask_to_yield(node: Peer) -> None:
    node.feed(Request(node.now, RequestKind.YIELD, "VI_1"))


def _flap(node: Peer) -> None:
    if node.alive and not node.fault:
        node.carrier(False)
        node.after(0.2, lambda: node.carrier(True))


FAULTS: dict[str, Callable[[Peer], None]] = {
    "reload": lambda node: node.reload(),
    "reload, unannounced": lambda node: node.reload(announced=False),
    "reload, slow": lambda node: node.reload(away=1.5),
    "reload, own address kept": lambda node: node.reload(own_too=False),
    "keepalived stops": _stop_keepalived,
    "keepalived starts": _start_keepalived,
    "netvip killed": _kill,
    "netvip starts": _start,
    "an operator deletes the VIP": _delete,
    "somebody goes on deleting the VIP": _steal,
    "asked to yield": _ask_to_yield,
    "a third host takes the VIP": lambda node: setattr(node, "strangers", frozenset({THIRD})),
    "the third host gives it back": lambda node: setattr(node, "strangers", frozenset()),
    "the service dies": lambda node: setattr(node, "serves", Tri.NO),
    "the service is back": lambda node: setattr(node, "serves", Tri.YES),
    "the gateway is misled": lambda node: node.targets.update({GATEWAY: Tri.NO}),
    "the carrier flaps": lambda node: _flap(node),
    "the gateway is down": lambda node: node.targets.update({GATEWAY: Tri.UNKNOWN}),
    "the gateway is well": lambda node: node.targets.update({GATEWAY: Tri.YES}),
    "told that networkd stops": lambda node: node.feed(
        Request(node.now, RequestKind.NETWORKD_STOPS)
    ),
}

faults = st.lists(
    st.tuples(st.sampled_from(sorted(FAULTS)), st.booleans(), st.floats(0.0, 2.0)), max_size=12
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(guarded=st.booleans(), kind=st.sampled_from([Peer, OnVmac]), faults=faults)
def test_the_laws_hold_under_any_faults(
    guarded: bool, kind: type[Peer], faults: list[tuple[str, bool, float]]
) -> None:
    pair = Pair(guarded, kind)
    for fault, on_a, pause in faults:
        FAULTS[fault](pair.a if on_a else pair.b)
        pair.run(pause)
    for node in pair.nodes:
        _start(node)
        _start_keepalived(node)
        _make_well(node)
    pair.run(20.0)
    for _ in range(LONG_AWAY):
        if any(node.fault for node in pair.nodes):
            pair.run(10.0)
    _all_is_calm(pair)


def _make_well(node: Peer) -> None:
    node.strangers, node.serves = frozenset(), Tri.YES
    node.targets[GATEWAY] = Tri.YES


def _all_is_calm(pair: Pair) -> None:
    """Law 3: whatever it was, it has ended by itself."""
    masters = [node for node in pair.nodes if node.role is Role.MASTER]
    assert len(masters) == 1
    for node in pair.nodes:
        assert node.machine is not None
        assert node.machine.windows == {}, node.log
        assert not node.shielded and not node.bridged
        assert all(i.phase not in PROTECTED for i in node.machine.instances.values())
        assert [key for key in node.addresses if key.ifindex == LO] == []
        assert node.has(OWN)
        assert not node.fault, node.log
        assert not node.published_window, node.log
        assert node.role is Role.MASTER or not node.has(node.vip), node.log
