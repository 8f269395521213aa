"""The steps of an examination, in words: what was observed, against what ought to be."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from netvip.core.check.findings import Echo, Findings, Holder
from netvip.core.check.history import History
from netvip.core.check.verdicts import Kind, Problem, Step
from netvip.core.instance import messages
from netvip.core.instance.instance import Instance
from netvip.core.mirror import Mirror
from netvip.core.model import IP, Address, Role, Tri, Vip

#: RFC 5798 7.3: the virtual router's MAC address, which ends in its VRID.
VIRTUAL_MAC = (bytes.fromhex("00005e0001"), bytes.fromhex("00005e0002"))


def steps(
    observed: Findings, instance: Instance, watch: History, mirror: Mirror, now: float
) -> tuple[Step, ...]:
    """Every step of one instance's examination."""
    if observed.role is Role.MASTER:
        return (
            *_presence(instance, mirror),
            *(_sole(holder, mirror, instance.spec.vrid) for holder in observed.holders),
            *_reach(observed.echoes, watch),
            *(
                Step(Kind.SERVICE, s.service, s.finding, _served(s.finding, s.words, watch), s.took)
                for s in observed.served
            ),
        )
    fresh = now - watch.heard <= instance.spec.master_down
    return (
        *_absence(instance, mirror),
        *(_answer(holder, fresh) for holder in observed.holders),
        *(_sole(h, mirror, instance.spec.vrid, watch.mac, True) for h in observed.holders),
    )


def strangers(holder: Holder, mirror: Mirror, vrid: int, master: bytes) -> frozenset[bytes]:
    """Who answers besides this host and the master, who may do so by the VRID's own address. A
    master's adverts may leave from another interface than its VIPs are on: whoever answers alone
    while it is master is it."""
    answering = holder.macs - {link.mac for link in mirror.links.values()}
    if master and len(answering) < 2:
        return frozenset()
    return answering - {master} - {prefix + bytes((vrid,)) for prefix in VIRTUAL_MAC}


def _presence(instance: Instance, mirror: Mirror) -> Iterator[Step]:
    for vip in instance.spec.vips:
        present = mirror.get(instance.key(vip))
        yield Step(Kind.PRESENCE, _name(vip), *_as_it_was(present, instance, vip))


def _as_it_was(present: Address | None, instance: Instance, vip: Vip) -> tuple[Tri, str]:
    if present is None:
        return Tri.NO, f"missing on {vip.interface}"
    known = instance.memory.get(present.key, present)
    if difference := messages.difference(present, known):
        return Tri.NO, f"on {vip.interface}, but not as it was: {difference}"
    return Tri.YES, f"on {vip.interface}, as it was"


def _absence(instance: Instance, mirror: Mirror) -> Iterator[Step]:
    for vip in instance.spec.vips:
        here = mirror.get(instance.key(vip)) is not None
        found = f"left on {vip.interface}" if here else f"not on {vip.interface}"
        yield Step(Kind.PRESENCE, _name(vip), Tri.of(not here), found)


def _sole(
    holder: Holder, mirror: Mirror, vrid: int, master: bytes = b"", backup: bool = False
) -> Step:
    name = str(holder.ip)
    if holder.asked is not Tri.YES:
        return Step(Kind.OWNERSHIP, name, Tri.UNKNOWN, "nobody could be asked", holder.took)
    if backup and not master:
        unknown = "no advert has told the master's hardware address"
        return Step(Kind.OWNERSHIP, name, Tri.UNKNOWN, unknown, holder.took)
    others = strangers(holder, mirror, vrid, master)
    if others:
        told = f"{messages.macs(others)} answers for it as well"
        return Step(Kind.OWNERSHIP, name, Tri.NO, told, holder.took)
    return Step(Kind.OWNERSHIP, name, Tri.YES, "nobody else answers for it", holder.took)


def _answer(holder: Holder, fresh: bool) -> Step:
    name = str(holder.ip)
    if holder.macs:
        told = f"answered by {messages.macs(holder.macs)}"
        return Step(Kind.ANSWER, name, Tri.YES, told, holder.took)
    if holder.asked is not Tri.YES or not fresh:
        why = "there is no master's advert" if not fresh else "nobody could be asked"
        return Step(Kind.ANSWER, name, Tri.UNKNOWN, why, holder.took)
    return Step(Kind.ANSWER, name, Tri.NO, "nobody answers, though its master adverts", holder.took)


def _reach(echoes: Iterable[Echo], watch: History) -> Iterator[Step]:
    by_vip: dict[IP, list[Echo]] = {}
    for echo in echoes:
        by_vip.setdefault(echo.vip, []).append(echo)
        yield Step(Kind.REACH, f"{echo.vip} from {echo.target}", *_reached(echo), echo.took)
    for vip, asked in by_vip.items():
        finding = _reached_at_all(asked, watch)
        answered = sum(echo.answered is Tri.YES for echo in asked)
        counted = f"{answered} of {len(asked)} answer it"
        yield Step(Kind.REACH, str(vip), finding, counted, fault=Problem.UNREACHED)


def _reached(echo: Echo) -> tuple[Tri, str]:
    if echo.answered is Tri.YES:
        return Tri.YES, "answers"
    if echo.answered is Tri.UNKNOWN:
        return Tri.UNKNOWN, "could not be asked"
    if echo.alive is Tri.YES:
        return Tri.NO, "answers this host, but not the VIP: it sends the VIP's packets elsewhere"
    return Tri.UNKNOWN, "does not answer at all, which tells nothing"


def _reached_at_all(asked: list[Echo], watch: History) -> Tri:
    if any(echo.answered is Tri.YES for echo in asked):
        return Tri.YES
    # Who has never answered the VIP may have its reasons: only who did and no longer does tells.
    told = (e for e in asked if e.alive is Tri.YES and (e.vip, e.target) in watch.trusted)
    return Tri.NO if any(echo.answered is Tri.NO for echo in told) else Tri.UNKNOWN


def _served(finding: Tri, told: str, watch: History) -> str:
    if finding is Tri.NO and Problem.DEAD not in watch.well:
        return f"{told}; it has not answered once since this node is MASTER"
    return told


def _name(vip: Vip) -> str:
    return f"{vip.ip}/{vip.prefixlen}"
