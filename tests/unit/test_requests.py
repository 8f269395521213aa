"""What hooks and commands say: its words, the holds, the pipe, the answer to who waits."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.actuators import holds_file as saved
from netvip.actuators.hook_reply import HookReply
from netvip.actuators.source_list import SourceList
from netvip.commands.hold import seconds
from netvip.const import HOLD_LEASE, HOLDS_MOST
from netvip.core.events import Event, Request, RequestKind
from netvip.core.requests.holds import Hold, Holds
from netvip.core.requests.parse import parse
from netvip.errors import NetvipError
from netvip.linux.outdated_services import outdated
from netvip.sources.hooks import HookSource

# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "event"),
    [
        ("hold apt 60", Request(1.0, RequestKind.HOLD, "apt", seconds=60)),
        ("hold apt", Request(1.0, RequestKind.HOLD, "apt", seconds=HOLD_LEASE)),
        ("release apt", Request(1.0, RequestKind.RELEASE, "apt")),
        ("link ens160 routable", Request(1.0, RequestKind.LINK, "ens160", "routable")),
        ("networkd-stops", Request(1.0, RequestKind.NETWORKD_STOPS)),
        ("yield VI_1", Request(1.0, RequestKind.YIELD, "VI_1")),
    ],
)
def test_words_are_an_event(text: str, event: Request) -> None:
    assert parse(1.0, text.split()) == event


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "known requests: hold, release"),
        (["reboot"], "unknown request"),
        (["hold"], "hold takes a reason"),
        (["hold", "a", "1", "2"], "hold takes a reason"),
        (["hold", " "], "use printable text"),
        (["hold", "a\nb"], "use printable text"),
        (["hold", "x" * 65], "at most 64 characters"),
        (["hold", "a", "0"], "use 1 to 86400 seconds"),
        (["hold", "a", "86401"], "use 1 to 86400 seconds"),
        (["hold", "a", "1e3"], "a whole number of seconds"),
        (["hold", "a", "٣"], "a whole number of seconds"),
        (["release"], "the reason of the hold"),
        (["apt-begins", "now"], "apt-begins takes no argument"),
        (["link", "ens160"], "link takes an interface and its state"),
        (["yield", ""], "yield takes the name of one VRRP instance"),
    ],
)
def test_what_is_no_event_is_told_in_a_sentence(words: list[str], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        parse(1.0, words)


@given(st.lists(st.text(), max_size=4))
def test_no_words_do_harm(words: list[str]) -> None:
    try:
        parse(1.0, words)
    except ValueError as problem:
        assert "\n" not in str(problem)


@pytest.mark.parametrize(
    ("text", "value"), [("90s", 90), ("15min", 900), ("15m", 900), ("2h", 7200), ("30", 30)]
)
def test_a_time_is_written_with_a_unit(text: str, value: int) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "h", "-1h", "1d", "1.5h", "9999999s"])
def test_what_is_no_time_is_told_so(text: str) -> None:
    with pytest.raises(NetvipError, match="invalid duration"):
        seconds(text)


# --- holds ----------------------------------------------------------------------------------------


def test_holds_are_counted_by_reason_and_the_longest_lease_counts() -> None:
    holds = Holds()
    assert holds.take("apt", 10.0) and holds.take("apt", 5.0) and holds.take("b", 7.0)
    assert list(holds) == [Hold("apt", 2, 10.0), Hold("b", 1, 7.0)]
    assert holds.release("apt") and list(holds) == [Hold("apt", 1, 10.0), Hold("b", 1, 7.0)]
    assert holds.release("apt") and not holds.release("apt")
    assert holds.due() == 7.0


def test_a_lease_ends_by_itself() -> None:
    holds = Holds()
    holds.take("apt", 10.0)
    assert holds.expired(9.9) == []
    assert holds.expired(10.0) == [Hold("apt", 1, 10.0)]
    assert not holds and holds.due() == float("inf")


def test_holds_are_bounded() -> None:
    holds = Holds()
    assert all(holds.take(str(number), 1.0) for number in range(HOLDS_MOST))
    assert not holds.take("one more", 1.0) and holds.take("0", 1.0)


def test_holds_outlive_a_daemon(tmp_path: Path) -> None:
    path = tmp_path / "holds.json"
    assert saved.load(path) == ()
    saved.save((Hold("apt", 2, 1000.0),), path)
    (again,) = saved.load(path)
    assert (again.reason, again.count) == ("apt", 2) and abs(again.until - 1000.0) < 1.0
    for rubbish in ("", "{}x", "[[1]]", '[["a", "b", "c"]]', "[" * 99999):
        path.write_text(rubbish)
        assert saved.load(path) == ()


# --- the pipe -------------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_hooks_write_lines_and_are_told(tmp_path: Path) -> None:
    pipe = tmp_path / "hook"
    os.mkfifo(pipe)
    heard: list[Event] = []
    done: list[tuple[str, RequestKind]] = []
    enough = asyncio.Event()

    def finished(token: str, kind: RequestKind) -> None:
        done.append((token, kind))
        enough.set()

    source = HookSource(heard.append, finished, asyncio.get_running_loop(), str(pipe))
    source.start()
    with open(pipe, "wb", buffering=0) as writer:
        writer.write(b"- apt-ended\n\n\xff\xfe x\n7 reboot\n" + b"x" * 600 + b"\n12 upgraded\n")
        await asyncio.wait_for(enough.wait(), 5)
    source.close()
    assert [event.kind for event in heard if isinstance(event, Request)] == [
        RequestKind.APT_ENDED,
        RequestKind.UPGRADED,
    ]
    assert done == [("12", RequestKind.UPGRADED)] and (source.lines, source.dropped) == (2, 4)


def test_who_waits_is_answered_when_it_is_over(tmp_path: Path) -> None:
    path = tmp_path / "heard"
    heard = HookReply(path)
    heard.answer("12", busy=False)
    assert path.read_text() == "12\n"
    heard.answer("13", busy=True)
    assert path.read_text() == "13 wait\n"
    heard.over(busy=True)
    assert path.read_text() == "13 wait\n"
    heard.over(busy=False)
    assert path.read_text() == "13\n"


# --- what else is written and read ----------------------------------------------------------------


def test_sources_are_listed_for_the_next_start(tmp_path: Path) -> None:
    path = tmp_path / "state" / "sources"
    sources = SourceList(path)
    known = {("ens192", "any4"), ("ens160", "10.77.0.1")}
    sources.save(known)
    assert path.read_text() == "ens160 10.77.0.1\nens192 any4\n"
    written = path.stat().st_ino
    sources.save(known)
    assert path.stat().st_ino == written, "written again with nothing new"


def test_a_service_with_replaced_libraries_is_named(tmp_path: Path) -> None:
    for pid, name, lines in (
        ("self", "python3", ""),
        ("10", "systemd-network", "7f r-xp /usr/lib/libsystemd-shared.so (deleted)\n"),
        ("11", "keepalived", "7f r-xp /usr/lib/libc.so.6\n7f rw-p /memfd:x (deleted)\n"),
        ("12", "bash", "7f r-xp /usr/lib/libc.so.6 (deleted)\n"),
    ):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "comm").write_text(f"{name}\n")
        (tmp_path / pid / "maps").write_text(lines)
    assert outdated(tmp_path) == ["systemd-networkd"]
