"""Actions are carried out in their order, and the loop has its turn between the parts of many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from netvip.actuators import action_queue
from netvip.actuators.action_queue import ActionQueue
from netvip.actuators.parts import Parts


class Work:
    """Work whose parts note that they were done."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def parts(self, *names: str) -> Parts:
        for name in names:
            self.done.append(name)
            yield


def run(test: Callable[[ActionQueue, Work], Awaitable[None]]) -> None:
    async def main() -> None:
        await asyncio.wait_for(test(ActionQueue(asyncio.get_running_loop()), Work()), 10.0)

    asyncio.run(main())


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn has time for one part."""
    monkeypatch.setattr(action_queue, "TURN", 1e-9)


async def turns_until(work: Work, count: int) -> int:
    turns = 0
    while len(work.done) < count:
        await asyncio.sleep(0)
        turns += 1
    return turns


def test_little_work_is_done_at_once_and_in_order() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put(work.parts("a", "b"))
        queue.put(work.parts("c"))
        queue.put_later("x", work.parts("d"))
        assert work.done == ["a", "b", "c"]
        await turns_until(work, 4)
        assert work.done == ["a", "b", "c", "d"]

    run(test)


@pytest.mark.usefixtures("short_turns")
def test_much_work_leaves_the_loop_its_turn_and_keeps_its_order() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put(work.parts("a", "b"))
        queue.put(work.parts("c"))
        assert work.done == ["a"]
        assert await turns_until(work, 3) > 1
        assert work.done == ["a", "b", "c"]

    run(test)


def test_a_turn_has_one_budget_however_often_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("time.thread_time", lambda: next(clock) * 0.004)

    async def test(queue: ActionQueue, work: Work) -> None:
        for name in "abcd":  # each takes 4 ms, and a turn has 5
            queue.put_later(name, work.parts(name))
        assert work.done == []
        await asyncio.sleep(0)
        assert work.done == ["a"]
        await turns_until(work, 4)
        assert work.done == list("abcd")

    run(test)


def test_what_a_turn_spent_on_preparing_does_not_count_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("time.thread_time", lambda: next(clock) * 0.001)

    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put_later("x", work.parts("x1", "x2", "x3", "x4"))  # a turn's budget
        await turns_until(work, 4)
        for _ in range(3):
            await asyncio.sleep(0)
        queue.put(work.parts("a", "b", "c"))
        assert work.done[4:] == ["a", "b", "c"]

    run(test)


@pytest.mark.usefixtures("short_turns")
def test_what_protects_does_not_wait_for_what_prepares() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put_later("x", work.parts("x1", "x2", "x3"))
        await asyncio.sleep(0)
        queue.put(work.parts("a", "b"))
        assert work.done[-1] == "a", "though the turn is spent"
        await turns_until(work, 5)
        assert [name for name in work.done if name in "ab" or name == "x3"] == ["a", "b", "x3"]

    run(test)


@pytest.mark.usefixtures("short_turns")
def test_of_what_prepares_the_same_the_newest_is_done() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put_later("x", work.parts("old 1", "old 2"))
        await asyncio.sleep(0)
        queue.put_later("y", work.parts("y"))
        queue.put_later("x", work.parts("new"))
        await turns_until(work, 3)
        await asyncio.sleep(0)
        assert work.done == ["old 1", "y", "new"]

    run(test)


@pytest.mark.usefixtures("short_turns")
def test_what_is_needed_now_is_taken_out_of_turn() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        def protect() -> Parts:
            yield from queue.take_later("x")
            yield from work.parts("protect")

        queue.put_later("w", work.parts("w1", "w2"))
        await asyncio.sleep(0)
        queue.put_later("x", work.parts("prepare"))
        queue.put(protect())
        await turns_until(work, 4)
        assert work.done == ["w1", "prepare", "protect", "w2"]
        assert list(queue.take_later("x")) == []

    run(test)


def test_an_action_that_leads_to_another_does_not_overtake() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        def leading() -> Parts:
            queue.put(work.parts("second"))
            work.done.append("first")
            yield

        queue.put(leading())
        assert work.done == ["first", "second"]

    run(test)


@pytest.mark.usefixtures("short_turns")
def test_an_error_is_raised_and_the_rest_follows() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        def failing() -> Parts:
            raise OSError("no")
            yield

        queue.put_later("x", work.parts("x"))
        with pytest.raises(OSError, match="no"):
            queue.put(failing())
        queue.put(work.parts("a"))
        await turns_until(work, 2)
        assert sorted(work.done) == ["a", "x"]

    run(test)


@pytest.mark.usefixtures("short_turns")
def test_it_tells_when_it_last_advanced() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        now = asyncio.get_running_loop().time
        queue.put(work.parts("a", "b", "c"))
        begun = now()
        assert queue.advanced_at <= begun
        await turns_until(work, 2)
        assert begun <= queue.advanced_at <= now(), "busy, not stuck"
        await turns_until(work, 3)
        await asyncio.sleep(0.01)
        assert now() - queue.advanced_at < 0.01

    run(test)


@pytest.mark.usefixtures("short_turns")
def test_what_is_left_is_finished_at_the_end() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put_later("x", work.parts("x1", "x2"))
        queue.put(work.parts("a", "b"))
        queue.finish()
        assert work.done == ["a", "b", "x1", "x2"]

    run(test)
