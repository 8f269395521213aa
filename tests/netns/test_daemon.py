"""The daemon's own part: the order in which decisions are carried out, and its signs of life."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from netvip.actuators import action_queue
from netvip.actuators.parts import Parts
from netvip.config import Config
from netvip.core import actions
from netvip.core.events import RequestKind
from netvip.daemon import LATE, Daemon
from netvip.errors import NetvipError

FAULT, CLEAR = actions.SetTrackFile("VI_1", True), actions.SetTrackFile("VI_1", False)


class Carried(Daemon):
    """A daemon that notes what is carried out."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(Config(dbus=False), "", loop)
        self.done: list[object] = []
        self.is_full = False

    def _act(self, action: actions.Action) -> Parts | None:
        if self.is_full:
            raise OSError(28, "No space left on device", "/run/netvip/track/VI_1")
        self.done.append(action)
        return None

    def slow(self, parts: int) -> Parts:
        for _ in range(parts):
            yield
        self.done.append("slow")


def run(test: Callable[[Carried], Awaitable[None]]) -> None:
    async def main() -> None:
        daemon = Carried(asyncio.get_running_loop())
        await asyncio.wait_for(test(daemon), 10.0)

    asyncio.run(main())


@pytest.fixture(autouse=True)
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_queue, "TURN", 1e-9)


async def until(wanted: Callable[[], bool]) -> None:
    while not wanted():
        await asyncio.sleep(0)


@pytest.mark.usefixtures("lan")
def test_law_3_what_is_tried_again_does_not_undo_what_is_newer() -> None:
    async def test(daemon: Carried) -> None:
        daemon.is_full = True
        daemon._actions.put(daemon._do(FAULT))
        daemon.is_full = False
        daemon._actions.put(daemon.slow(3))
        daemon._actions.put(daemon._do(CLEAR))
        daemon._write_again()
        await until(lambda: CLEAR in daemon.done)
        for _ in range(9):
            await asyncio.sleep(0)
        assert daemon.done == ["slow", CLEAR]

    run(test)


@pytest.mark.usefixtures("lan")
def test_what_was_not_written_is_tried_again_until_it_stands() -> None:
    async def test(daemon: Carried) -> None:
        daemon.is_full = True
        daemon._actions.put(daemon._do(FAULT))
        for _ in range(3):
            daemon._write_again()
            daemon._write_again()
            await asyncio.sleep(0)
        assert daemon.done == []
        daemon.is_full = False
        daemon._write_again()
        await until(lambda: bool(daemon.done))
        assert daemon.done == [FAULT] and not daemon._unwritten

    run(test)


@pytest.mark.usefixtures("lan")
def test_a_hook_is_answered_when_what_it_announced_is_carried_out() -> None:
    async def test(daemon: Carried) -> None:
        daemon._hook_reply.answer = lambda token, busy: daemon.done.append(token)  # type: ignore[method-assign]
        daemon._actions.put(daemon.slow(3))
        daemon._answer("token", RequestKind.VERIFY)
        assert daemon.done == []
        await until(lambda: "token" in daemon.done)
        assert daemon.done == ["slow", "token"]

    run(test)


@pytest.mark.usefixtures("lan")
def test_a_plan_that_is_not_encoded_yet_is_encoded_before_it_is_used() -> None:
    async def test(daemon: Carried) -> None:
        prepare = actions.Prepare("VI_1", actions.Plan(2, ()))
        daemon._actions.put_later("x", daemon.slow(9))
        daemon._actions.put_later((actions.Prepare, "VI_1"), daemon._do(prepare))
        real = Daemon.__dict__["_act"].__get__(daemon, Daemon)
        daemon._actions.put(real(actions.Protect("VI_1")))
        await until(lambda: bool(daemon.done))
        assert daemon.done == [prepare]

    run(test)


@pytest.mark.usefixtures("lan")
def test_what_is_late_or_not_carried_out_ends_the_signs_of_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def test(daemon: Carried) -> None:
        now = asyncio.get_running_loop().time()
        assert daemon._makes_progress(now)
        daemon._actions.put(daemon.slow(9))
        assert daemon._makes_progress(now)
        assert not daemon._makes_progress(now + LATE + 1.0), "decided, not carried out"
        await until(lambda: "slow" in daemon.done)
        monkeypatch.setattr(daemon._machine, "deadline", lambda: now - LATE - 1.0)
        assert not daemon._makes_progress(now), "due, not done"

    run(test)


@pytest.mark.usefixtures("lan")
def test_every_step_of_the_end_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(daemon: Carried) -> None:
        taken: list[str] = []

        def failing() -> Parts:
            raise NetvipError("no")
            yield

        for part, step in (("_protection", "unprotect_all"), ("_published", "dead")):
            monkeypatch.setattr(getattr(daemon, part), step, lambda step=step: taken.append(step))
        monkeypatch.setattr(daemon._track_files, "clear", lambda: taken.append("clear"))
        daemon._actions.put(daemon.slow(3))
        daemon._actions.put(failing())
        with pytest.raises(NetvipError):
            await daemon._end()
        assert taken == ["unprotect_all", "dead", "clear"] and "slow" in daemon.done

    run(test)
