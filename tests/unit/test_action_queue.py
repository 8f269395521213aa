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
        await test(ActionQueue(asyncio.get_running_loop()), Work())

    asyncio.run(main())


def test_little_work_is_done_at_once_and_in_order() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put(work.parts("a", "b"))
        queue.put(work.parts("c"))
        queue.run()
        assert work.done == ["a", "b", "c"]

    run(test)


def test_much_work_leaves_the_loop_its_turn_and_keeps_its_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(action_queue, "TURN", 1e-9)  # one part

    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put(work.parts("a", "b"))
        queue.run()
        assert work.done == ["a"]
        turns = [await asyncio.sleep(0, list(work.done)) for _ in range(3)]
        queue.put(work.parts("c"))
        queue.run()
        while len(work.done) < 3:
            turns.append(await asyncio.sleep(0, list(work.done)))
        assert work.done == ["a", "b", "c"]
        assert len({len(turn) for turn in turns}) > 1, "all of it in one turn"

    run(test)


def test_a_turn_has_one_budget_however_often_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr("time.monotonic", lambda: next(clock) * 0.004)

    async def test(queue: ActionQueue, work: Work) -> None:
        for name in "abcd":  # each takes 4 ms, and a turn has 5
            queue.put(work.parts(name))
            queue.run()
        assert work.done == ["a"]
        while len(work.done) < 4:
            await asyncio.sleep(0)
        assert work.done == list("abcd")

    run(test)


def test_an_action_that_leads_to_another_does_not_overtake() -> None:
    async def test(queue: ActionQueue, work: Work) -> None:
        def leading() -> Parts:
            queue.put(work.parts("second"))
            queue.run()
            work.done.append("first")
            yield

        queue.put(leading())
        queue.run()
        assert work.done == ["first", "second"]

    run(test)


def test_it_tells_since_when_there_is_something_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_queue, "TURN", 1e-9)

    async def test(queue: ActionQueue, work: Work) -> None:
        now = asyncio.get_running_loop().time
        begun = now()
        queue.put(work.parts("a", "b", "c"))
        queue.run()
        assert queue.empty_at <= begun < now()
        while len(work.done) < 3:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert queue.empty_at > begun

    run(test)


def test_what_is_left_is_finished_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action_queue, "TURN", 1e-9)  # one part

    async def test(queue: ActionQueue, work: Work) -> None:
        queue.put(work.parts("a", "b"))
        queue.put(work.parts("c"))
        queue.finish()
        assert work.done == ["a", "b", "c"]

    run(test)
