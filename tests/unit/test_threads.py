"""Work in threads that delay no stop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from netvip.linux.threads import in_thread


def test_a_call_returns_or_raises_what_the_work_does() -> None:
    assert asyncio.run(in_thread(lambda: 7)) == 7
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_thread(lambda: 1 // 0))


def test_a_cancelled_call_ignores_the_result() -> None:
    go = threading.Event()

    async def give_up() -> None:
        task = asyncio.create_task(in_thread(go.wait))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        go.set()
        await asyncio.sleep(0.05)

    asyncio.run(give_up())


HANGS = """
import asyncio, threading
from netvip.linux.threads import in_thread
async def main():
    task = asyncio.create_task(in_thread(threading.Event().wait))
    await asyncio.sleep(0.05)
asyncio.run(main())
"""


def test_work_that_hangs_does_not_delay_the_exit() -> None:
    subprocess.run([sys.executable, "-c", HANGS], check=True, timeout=10)
