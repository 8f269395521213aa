"""The words of a request, however it comes: by a hook's pipe, the control socket, or dpkg."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from netvip.const import HOLD_LEASE, HOLD_LONGEST
from netvip.core.events import Request, RequestKind

#: A reason is a word or a short phrase for `netvip status`.
LONGEST_REASON = 64
#: An instance's name, or an interface's.
LONGEST_NAME = 255


def parse(now: float, words: Sequence[str]) -> Request:
    """The request in the words of a hook or a command. Raises ValueError with a sentence."""
    try:
        kind = RequestKind(words[0])
    except (ValueError, IndexError):
        shown = words[0][:LONGEST_REASON] if words else ""
        known = ", ".join(kind.value for kind in RequestKind)
        raise ValueError(f"unknown request {shown!r}; known requests: {known}") from None
    return _READERS.get(kind, _bare)(now, kind, list(words[1:]))


def _bare(now: float, kind: RequestKind, words: list[str]) -> Request:
    if words:
        raise ValueError(f"{kind.value} takes no argument")
    return Request(now, kind)


def _hold(now: float, kind: RequestKind, words: list[str]) -> Request:
    if not 1 <= len(words) <= 2:
        raise ValueError("hold takes a reason and a number of seconds")
    return Request(now, kind, _reason(words[0]), seconds=_seconds(*words[1:]))


def _release(now: float, kind: RequestKind, words: list[str]) -> Request:
    if len(words) != 1:
        raise ValueError("release takes the reason of the hold")
    return Request(now, kind, _reason(words[0]))


def _yield(now: float, kind: RequestKind, words: list[str]) -> Request:
    if len(words) != 1 or not 0 < len(words[0]) <= LONGEST_NAME:
        raise ValueError("yield takes the name of one VRRP instance")
    return Request(now, kind, words[0])


def _verify(now: float, kind: RequestKind, words: list[str]) -> Request:
    if len(words) > 1 or not all(0 < len(word) <= LONGEST_NAME for word in words):
        raise ValueError("verify takes the name of one VRRP instance, or nothing")
    return Request(now, kind, "".join(words))


def _link(now: float, kind: RequestKind, words: list[str]) -> Request:
    if len(words) != 2 or max(map(len, words)) > LONGEST_NAME:
        raise ValueError("link takes an interface and its state")
    return Request(now, kind, words[0], state=words[1])


def _reason(text: str) -> str:
    if not text.strip() or len(text) > LONGEST_REASON or not text.isprintable():
        raise ValueError(
            f"invalid reason: use printable text of at most {LONGEST_REASON} characters"
        )
    return text


def _seconds(text: str = str(HOLD_LEASE)) -> float:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 7):
        raise ValueError("invalid lease: use a whole number of seconds")
    if not 1 <= int(text) <= HOLD_LONGEST:
        raise ValueError(f"invalid lease: use 1 to {HOLD_LONGEST} seconds")
    return float(text)


_READERS: dict[RequestKind, Callable[[float, RequestKind, list[str]], Request]] = {
    RequestKind.HOLD: _hold,
    RequestKind.RELEASE: _release,
    RequestKind.YIELD: _yield,
    RequestKind.VERIFY: _verify,
    RequestKind.LINK: _link,
}
