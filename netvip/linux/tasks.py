"""Starts work that nothing waits for; an error of it ends the daemon, as every other error does."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

Task = asyncio.Task[None]


def start(work: Coroutine[Any, Any, None], running: set[Task]) -> None:
    """Run it; `running` has the task until it has ended, as the event loop alone does not keep it.

    Its error is raised in a callback of the event loop, whose exception handler gets it.
    """
    task = asyncio.get_running_loop().create_task(work)
    running.add(task)
    task.add_done_callback(running.discard)
    task.add_done_callback(_raise_error)


def _raise_error(task: Task) -> None:
    if not task.cancelled() and (problem := task.exception()) is not None:
        raise problem
