"""Rules about what keepalived does not take as it is written, and what it makes of that."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from pathlib import Path

from netvip.core.model import Tri
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, Severity, error, warning
from netvip.keepalived.complaints import Complaint, Kind
from netvip.keepalived.configuration import VrrpInstance
from netvip.keepalived.keywords import known_words

#: What keepalived complains of behind a mistake that leads it astray.
CONSEQUENCES = frozenset({Kind.UNKNOWN, Kind.UNKNOWN_BLOCK, Kind.STRAY, Kind.EXTRA})
#: From here on keepalived runs unicast instances without an interface (fact no-interface).
NO_INTERFACE = (2, 3)
BYTE_ORDER_MARK = "\ufeff"
EXIT = "keepalived ends with exit status 2 and runs nothing"


def complaints(facts: Facts) -> Iterator[Finding]:
    """What keepalived itself complains of; not what follows from an earlier mistake."""
    begins: dict[Path, list[int]] = {}
    for statement in facts.configuration.statements:
        if statement.known and not statement.blocks:
            begins.setdefault(statement.path, []).append(statement.line)
    astray: Complaint | None = None
    for one in sorted(facts.configuration.complaints, key=lambda one: (str(one.path), one.line)):
        if astray is not None and _follows(one, astray, begins.get(one.path, [])):
            continue
        astray = one if one.leads_astray else astray
        if one.applies is Tri.YES:
            yield _finding(one)


def _follows(one: Complaint, astray: Complaint, begins: list[int]) -> bool:
    """Whether no block begins in between, where keepalived finds its way again."""
    between = bisect_right(begins, one.line) - bisect_right(begins, astray.line)
    return one.kind in CONSEQUENCES and one.path == astray.path and between <= 0


def _finding(one: Complaint) -> Finding:
    if one.words and one.words[0].startswith(BYTE_ORDER_MARK):
        told = "this file begins with a byte order mark, which keepalived takes for a part of the "
        cure = f"sed -i '1s/^\\xef\\xbb\\xbf//' {one.path}"
        return _told("NV130", Severity.ERROR, one, f"{told}first word: it does not know it", cure)
    word, around = one.words[0] if one.words else "", _named(one.around)
    where = f"in {around}" if one.around else "outside of blocks"
    ends = f"the next }} ends {around}" if one.around else "the next } closes nothing"
    match one.kind:
        case Kind.NO_VALUE:
            told = f"{one.words[-1]} lacks its value: {EXIT}"
            return _told("NV131", Severity.ERROR, one, told, f"{' '.join(one.words)} VALUE")
        case Kind.UNKNOWN_BLOCK:
            told = (
                f"keepalived does not know {word} {where}: it passes over it and its {{, and {ends}"
            )
            return _told("NV130", Severity.ERROR, one, told, *_meant(one, " {"))
        case Kind.UNKNOWN:
            told = f"keepalived does not know {word} {where}, and passes over this line"
            return _told("NV132", Severity.WARNING, one, told, *_meant(one, ""))
        case Kind.STRAY:
            told = f"this {{ opens no block: keepalived passes over it, and {ends}"
            return _told("NV130", Severity.ERROR, one, told, "remove it and its }")
        case Kind.REFUSED:
            told = f"keepalived reads nothing of this block: {_why_refused(one)}"
            return _told("NV134", Severity.ERROR, one, told, f"{word} NAME {{")
        case Kind.EXTRA:
            told = "this } closes no block; keepalived passes over it"
            return _told("NV133", Severity.WARNING, one, told, "remove it")
        case Kind.NO_BRACE:
            told = f"{' '.join(one.words)} lacks its {{"
            return _told("NV133", Severity.WARNING, one, told, f"{' '.join(one.words)} {{")
        case Kind.NOT_CLOSED:
            told = f"nothing closes the block {' '.join(one.words)}"
            return _told("NV133", Severity.WARNING, one, told, "add a }")


def _named(opener: tuple[str, ...]) -> str:
    return " ".join(opener)


def _why_refused(one: Complaint) -> str:
    if len(one.words) == 2:
        return f"there is a {' '.join(one.words)} before"
    return f"a {one.words[0]} has a name of one word"


def _meant(one: Complaint, behind: str) -> Iterator[str]:
    meant = _closest(one.words[0], one.around[:1])
    if meant:
        yield f"{' '.join((meant, *one.words[1:]))}{behind}"


@cache
def _closest(word: str, opener: tuple[str, ...]) -> str:
    """The word that keepalived knows in such a block and that this one is most like; or empty."""
    return next(iter(get_close_matches(word, sorted(known_words(opener)), n=1)), "")


def _told(code: str, severity: Severity, one: Complaint, text: str, *instead: str) -> Finding:
    return Finding(code, severity, one.where, text, instead)


def no_instance(facts: Facts) -> Iterator[Finding]:
    """A configuration without VRRP."""
    configuration = facts.configuration
    if configuration.instances:
        return
    main = configuration.main
    yield warning(
        "NV135",
        None,
        f"no vrrp_instance in {main}: keepalived runs no VRRP, and netvip has nothing to protect",
    )


def ends(facts: Facts) -> Iterator[Finding]:
    """An instance at which keepalived ends."""
    for instance in facts.configuration.instances.values():
        if any(s.applies is not Tri.YES for s in instance.statements):
            continue
        why, instead = _why_it_ends(facts, instance)
        if why:
            yield error("NV136", instance.statement, f"{instance.name} {why}: {EXIT}", instead)


def _why_it_ends(facts: Facts, instance: VrrpInstance) -> tuple[str, str]:
    if instance.vrid is None:
        return "has no virtual_router_id from 1 to 255", "virtual_router_id 51   # on both nodes"
    alone = not facts.version or facts.version >= NO_INTERFACE
    free = alone and instance.unicast_peers and instance.source is Tri.YES
    if not instance.interface and not free:
        return "names no interface", "interface NAME"
    bare = all(address.excluded for address in instance.addresses)
    if bare and instance.vrrp_version == 3 and instance.find("no_virtual_ipaddress") is None:
        return "has no VIP, which VRRP version 3 requires", "virtual_ipaddress { ADDRESS }"
    return "", ""


RULES = (complaints, no_instance, ends)
