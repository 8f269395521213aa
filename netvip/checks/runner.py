"""Runs the probes of the coordinated check in parallel, and emits the findings as one event."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from netvip.checks.ownership import NeighbourProber
from netvip.checks.reach import EchoProber
from netvip.core.actions import RunCheck
from netvip.core.check.findings import Findings, Served, Subject
from netvip.core.events import CheckFinished, Event


class Runner:
    """Runs one check after the other."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._neighbours, self._echoes = NeighbourProber(), EchoProber()
        self._wanted: asyncio.Queue[RunCheck] = asyncio.Queue()

    def request(self, action: RunCheck) -> None:
        """Run a check when the current one has finished, which may wait for a name server. A check
        that is waiting already is dropped, as the core requests one at a time."""
        while not self._wanted.empty():
            self._wanted.get_nowait()
        self._wanted.put_nowait(action)

    async def run(self) -> None:
        """Run until cancelled."""
        while True:
            action = await self._wanted.get()
            asked = time.monotonic()
            observed = await self._observe(action.subjects)
            await asyncio.sleep(0)  # of a thousand VIPs both take their time
            self._emit(CheckFinished(time.monotonic(), asked, observed))

    def close(self) -> None:
        """Close the sockets."""
        self._neighbours.close()
        self._echoes.close()

    async def _observe(self, subjects: tuple[Subject, ...]) -> tuple[Findings, ...]:
        found, echoes, served = await asyncio.gather(
            self._neighbours.ask(vip for subject in subjects for vip in subject.vips),
            self._echoes.ask(subjects),
            _served(subjects),
        )
        holders = {(holder.ifindex, holder.ip): holder for holder in found}
        return tuple(
            Findings(
                subject.instance,
                subject.role,
                tuple(holders[vip.ifindex, vip.ip] for vip in subject.vips),
                tuple(echoes.get(subject.instance, ())),
                tuple(answers),
            )
            for subject, answers in zip(subjects, served, strict=True)
        )


async def _served(subjects: tuple[Subject, ...]) -> list[list[Served]]:
    if not any(subject.services for subject in subjects):
        return [[] for _ in subjects]
    from netvip.checks import service_probe  # imported only if needed: http.client takes 3 MiB

    return await service_probe.ask(subjects)
