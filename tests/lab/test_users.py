"""What a user without privileges may cause by calling networkd's methods in a loop.

The restart has its control in the same run. The check has none without netvip: there is no check.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.conftest import Damage
from tests.lab.measure import cpu_seconds, measure, restart
from tests.lab.node import Node
from tests.lab.pair import Pair, leftovers, netvip_status

pytestmark = pytest.mark.once("trixie")

#: Calls Reload and Renew each 20 ms; networkd refuses them.
CALLS = """
import asyncio, os, sys
os.setgid(65534); os.setuid(65534)
from dbus_next import BusType, Message
from dbus_next.aio import MessageBus

async def main():
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    name, path = "org.freedesktop.network1", "/org/freedesktop/network1"
    waiting = set()
    print("ready", flush=True)
    while True:
        for member, signature, body in (("Reload", "", []), ("RenewLink", "i", [2])):
            message = Message(destination=name, path=path, interface=name + ".Manager",
                              member=member, signature=signature, body=body)
            waiting.add(asyncio.ensure_future(bus.call(message)))
        await asyncio.sleep(0.02)
        waiting = {task for task in waiting if not task.done()}

asyncio.run(main())
"""

#: Sends calls with two million bytes of numbers, which the bus refuses, one after the other.
LARGE_CALLS = """
import asyncio, os
os.setgid(65534); os.setuid(65534)
from dbus_next import BusType, Message
from dbus_next.aio import MessageBus

async def main():
    bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
    name = "org.freedesktop.network1"
    call = Message(destination=name, path="/org/freedesktop/network1", interface=name + ".Manager",
                   member="Reload", signature="ai", body=[[0] * 500_000], serial=99)
    data = call._marshall()
    bus._sock.setblocking(True)
    for _ in range(5):
        bus._sock.sendall(data)
    print("sent", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@contextmanager
def calling(node: Node, calls: str = CALLS, word: str = "ready") -> Iterator[subprocess.Popen[str]]:
    """A user calls networkd."""
    process = node.popen("python3", "-c", calls)
    try:
        assert process.stdout is not None and process.stdout.readline() == f"{word}\n"
        yield process
    finally:
        process.kill()
        process.wait()


def test_calls_that_networkd_refuses_put_no_check_off(guarded: Pair, figures: list[str]) -> None:
    node = guarded.a
    guarded.make_master()
    with calling(node) as process:
        begun, used = time.time(), cpu_seconds(node.host_pid("netvip.service"))
        status = guarded.wait_status(
            node, lambda found: (found["instances"][0]["check"]["asked"] or 0) > begun + 1.0
        )
        took = time.time() - begun
        share = (cpu_seconds(node.host_pid("netvip.service")) - used) / took
        assert process.poll() is None
    figures.append(
        f"a user's refused calls, {guarded.suite}: checked after {took:.1f} s, "
        f"{share:.0%} of a core"
    )
    assert status["windows"] == [] and status["instances"][0]["phase"] == "watching"


def test_a_restart_beside_them_loses_nothing(
    guarded: Pair, damage: Damage, figures: list[str]
) -> None:
    control = damage("restart")
    guarded.make_master()
    with calling(guarded.a):
        cost = measure(guarded, restart)
    figures.append(f"restart beside a user's refused calls, {guarded.suite}: lost {cost.lost}")
    guarded.make_master()
    assert cost.lost <= control.lost // 50, guarded.a.journal("netvip.service")
    assert cost.failovers == 0 and leftovers(guarded.a) == []
    assert netvip_status(guarded.a)["instances"][0]["verdict"] == "good"


def test_calls_as_large_as_the_bus_takes_hang_nothing(guarded: Pair, damage: Damage) -> None:
    """Each took two seconds to decode, and the watchdog waits for four."""
    control, node = damage("restart"), guarded.a
    guarded.make_master()
    daemon = node.host_pid("netvip.service")
    with calling(node, LARGE_CALLS, "sent"):
        cost = measure(guarded, restart)
    guarded.make_master()
    assert cost.lost <= control.lost // 50 and cost.failovers == 0
    assert node.host_pid("netvip.service") == daemon, node.journal("netvip.service")
    assert netvip_status(node)["instances"][0]["verdict"] == "good"
