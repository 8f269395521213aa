"""The steps of a check: what was found, compared with what should be, with an explanation."""

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
    findings: Findings, instance: Instance, history: History, mirror: Mirror, now: float
) -> tuple[Step, ...]:
    """All steps of one instance's check."""
    if findings.role is Role.MASTER:
        return (
            *_presence(instance, mirror),
            *(_sole(holder, mirror, instance.spec.vrid) for holder in findings.holders),
            *_reach(findings.echoes, history),
            *(
                Step(
                    Kind.SERVICE, s.service, s.finding, _served(s.finding, s.words, history), s.took
                )
                for s in findings.served
            ),
        )
    fresh = now - history.heard <= instance.spec.master_down
    return (
        *_absence(instance, mirror),
        *(_answer(holder, fresh) for holder in findings.holders),
        *(_sole(h, mirror, instance.spec.vrid, history.mac, True) for h in findings.holders),
    )


def strangers(holder: Holder, mirror: Mirror, vrid: int, master: bytes) -> frozenset[bytes]:
    """The hosts that answer besides this host and the master, which may answer by the VRID's own
    hardware address. A master's adverts may leave by another interface than the one of its VIPs: a
    single host that answers while there is a master is that master."""
    if not holder.macs:
        return holder.macs
    answering = holder.macs - {link.mac for link in mirror.links.values()}
    if master and len(answering) < 2:
        return frozenset()
    return answering - {master} - {prefix + bytes((vrid,)) for prefix in VIRTUAL_MAC}


def _presence(instance: Instance, mirror: Mirror) -> Iterator[Step]:
    for key, vip in instance.presence.vips.items():
        present = mirror.get(key)
        yield Step(Kind.PRESENCE, _name(vip), *_as_it_was(present, instance, vip))


def _as_it_was(present: Address | None, instance: Instance, vip: Vip) -> tuple[Tri, str]:
    if present is None:
        return Tri.NO, f"missing on {vip.interface}"
    known = instance.presence.memory.get(present.key, present)
    if difference := messages.difference(present, known):
        return Tri.NO, f"on {vip.interface} with other attributes: {difference}"
    return Tri.YES, f"on {vip.interface}, unchanged"


def _absence(instance: Instance, mirror: Mirror) -> Iterator[Step]:
    for key, vip in instance.presence.vips.items():
        here = mirror.get(key) is not None
        found = f"present on {vip.interface}" if here else f"not on {vip.interface}"
        yield Step(Kind.PRESENCE, _name(vip), Tri.of(not here), found)


def _sole(
    holder: Holder, mirror: Mirror, vrid: int, master: bytes = b"", backup: bool = False
) -> Step:
    name = str(holder.ip)
    if holder.asked is not Tri.YES:
        return Step(Kind.OWNERSHIP, name, Tri.UNKNOWN, "no question could be sent", holder.took)
    if backup and not master:
        unknown = "no advert has told the master's hardware address"
        return Step(Kind.OWNERSHIP, name, Tri.UNKNOWN, unknown, holder.took)
    others = strangers(holder, mirror, vrid, master)
    if others:
        told = f"another host ({messages.macs(others)}) answers for it"
        return Step(Kind.OWNERSHIP, name, Tri.NO, told, holder.took)
    return Step(Kind.OWNERSHIP, name, Tri.YES, "no other host answers for it", holder.took)


def _answer(holder: Holder, fresh: bool) -> Step:
    name = str(holder.ip)
    if holder.macs:
        told = f"answered by {messages.macs(holder.macs)}"
        return Step(Kind.ANSWER, name, Tri.YES, told, holder.took)
    if holder.asked is not Tri.YES or not fresh:
        why = "no master sends adverts" if not fresh else "no question could be sent"
        return Step(Kind.ANSWER, name, Tri.UNKNOWN, why, holder.took)
    return Step(
        Kind.ANSWER, name, Tri.NO, "no host answers although a master sends adverts", holder.took
    )


def _reach(echoes: Iterable[Echo], history: History) -> Iterator[Step]:
    by_vip: dict[IP, list[Echo]] = {}
    for echo in echoes:
        by_vip.setdefault(echo.vip, []).append(echo)
        yield Step(Kind.REACH, f"{echo.vip} from {echo.target}", *_reached(echo), echo.took)
    for vip, asked in by_vip.items():
        answered = [echo.answered for echo in asked].count(Tri.YES)
        finding = Tri.YES if answered else _silent(asked, history)
        counted = f"{answered} of {len(asked)} hosts answer it"
        yield Step(Kind.REACH, str(vip), finding, counted, problem=Problem.UNREACHED)


def _reached(echo: Echo) -> tuple[Tri, str]:
    if echo.answered is Tri.YES:
        return Tri.YES, "answers"
    if echo.answered is Tri.UNKNOWN:
        return Tri.UNKNOWN, "could not be asked"
    if echo.alive is Tri.YES:
        return Tri.NO, "answers this host but not the VIP; it sends the VIP's packets elsewhere"
    return Tri.UNKNOWN, "answers neither the VIP nor this host, which proves nothing"


def _silent(asked: list[Echo], history: History) -> Tri:
    """What it proves that no host answers a VIP."""
    # A host that never answered the VIP may filter it: only one that did before proves something.
    told = (e for e in asked if e.alive is Tri.YES and history.has_answered(e.vip, e.target))
    return Tri.NO if any(echo.answered is Tri.NO for echo in told) else Tri.UNKNOWN


def _served(finding: Tri, told: str, history: History) -> str:
    if finding is Tri.NO and not history.has_worked(Problem.DEAD):
        return f"{told}; it has not answered since this node is MASTER"
    return told


def _name(vip: Vip) -> str:
    return f"{vip.ip}/{vip.prefixlen}"
