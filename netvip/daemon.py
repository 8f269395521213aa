"""The daemon: sources, core and actuators on one event loop; one queue, one consumer, one timer."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine, Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from functools import partial, singledispatchmethod
from typing import Any

from netvip import config
from netvip.actuators import announce, holds_file, objects, run_directory, snapshot
from netvip.actuators.action_queue import URGENT, ActionQueue
from netvip.actuators.bridge import load_encoder
from netvip.actuators.hook_reply import HookReply
from netvip.actuators.netlink import NetlinkSender
from netvip.actuators.parts import Parts
from netvip.actuators.protect import Protector, sweep
from netvip.actuators.published import PublishedFiles
from netvip.actuators.source_list import SourceList
from netvip.actuators.track_files import TrackFiles
from netvip.actuators.unwritten import Unwritten
from netvip.checks.runner import Runner
from netvip.const import ALIVE_EVERY, KEEPALIVED_UNIT, VERIFY_LIMIT
from netvip.control import document, server
from netvip.control.status import Status
from netvip.core import actions, events
from netvip.core.events import RequestKind
from netvip.core.machine import Machine
from netvip.core.model import Tri
from netvip.core.requests import parse
from netvip.core.requests.handle import AptPolicy
from netvip.linux import tasks
from netvip.linux.programs import output
from netvip.linux.sd_notify import notify, watchdog_interval
from netvip.linux.threads import in_thread
from netvip.sources.adverts import AdvertSource
from netvip.sources.fifo import FifoSource
from netvip.sources.filters import FilterSource
from netvip.sources.home import HomeSource
from netvip.sources.hooks import HookSource
from netvip.sources.keepalived import KeepalivedSource
from netvip.sources.netlink import KernelSource

#: A stop waits this long for what is under way; the unit's TimeoutStopSec= is longer.
STOP_LIMIT = 8.0
#: A hook with one of these requests waits until the hand-over is over.
HANDING_OVER = frozenset({RequestKind.APT_BEGINS, RequestKind.YIELD, RequestKind.NETWORKD_STOPS})
#: The errors of a write to a disk that is full, or mounted read-only.
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
#: Seconds. What is due or decided for longer shows that the daemon makes no progress.
LATE = 2.0
#: How often to look whether a pipe was replaced, in seconds.
FOLLOW_EVERY = 1.0


#: These only prepare: what protects, restores and releases does not wait for them.
LATER = (actions.Prepare, actions.SaveSnapshot)


def _what(action: actions.Action) -> Hashable:
    """What one of LATER prepares: of several the newest counts."""
    return type(action), getattr(action, "instance", "")


def log(level: int, text: str) -> None:
    """Write one line to the journal, with its severity (sd-daemon(3))."""
    print(f"<{level}>{text}", file=sys.stderr, flush=True)


class Daemon:
    """Connects sources, core and actuators; it decides nothing."""

    def __init__(
        self, settings: config.Config, problem: str, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._problem = problem
        self._loop, self._machine = loop, Machine()
        self._machine.configure(settings.check, AptPolicy(settings.apt), settings.restart)
        self._queue: deque[events.Event] = deque()
        self._consuming = self._has_ended = False
        self._timer: asyncio.TimerHandle | None = None
        self._stopped = asyncio.Event()
        self._failure: asyncio.Future[None] = loop.create_future()
        self._tasks: list[asyncio.Task[None]] = []
        self._chores: set[asyncio.Task[None]] = set()
        self._no_room: set[str | None] = set()
        self._unwritten, self._is_writing_again = Unwritten(), False
        self._loads_encoder = False
        self._actions = ActionQueue(loop)
        self._sender = NetlinkSender(self._refused)
        self._protection = Protector(self._sender)
        self._adverts = AdvertSource(self.feed, loop, self._after_kernel)
        drain = self._adverts.drain
        self._kernel = KernelSource(self.feed, self._sender.port, drain, drain)
        self._keepalived = KeepalivedSource(self.feed, settings.keepalived_conf)
        self._filters = FilterSource(self.feed)
        self._fifo = FifoSource(self.feed, loop, after_kernel=self._after_kernel)
        self._hook_reply, self._source_list = HookReply(), SourceList()
        self._hooks = HookSource(self.feed, self._answer, loop)
        self._published, self._track_files = PublishedFiles(), TrackFiles()
        self._networkd, self._keepalived_bus = _bus_sources(
            self.feed, self._after_kernel, settings.dbus
        )
        self._runner = Runner(self.feed)
        self._examined = asyncio.Event()
        self._home, self._home_name = HomeSource(self.feed, settings.home), settings.home
        self._control = server.ControlServer(
            {"status": self._status, "call": self._call, "verify": self._verify}, self._end_with
        )

    # --- the one queue --------------------------------------------------------------------------

    def feed(self, event: events.Event) -> None:
        """Take an event. The events are handled in the order of arrival, before this returns. So
        are their actions, unless they take long."""
        self._queue.append(event)
        if self._consuming or self._has_ended:
            return
        self._consuming = True
        try:
            self._consume()
            if self._hook_reply.is_waiting and not self._machine.yielding:
                self._actions.put(self._answer_waiting())
        finally:
            self._consuming = False
        self._schedule()

    def _consume(self) -> None:
        words: list[actions.Log] = []
        while self._queue:
            event = self._queue.popleft()
            for action in self._machine.handle(event):
                if isinstance(action, actions.Log):
                    words.append(action)
                elif isinstance(action, LATER):
                    self._actions.put_later(_what(action), self._do(action))
                else:
                    at_least = URGENT if isinstance(action, actions.Protect) else 0.0
                    self._actions.put(self._do(action), at_least)
            if isinstance(event, events.CheckFinished):
                self._examined.set()
            elif isinstance(event, events.KeepalivedRunning):
                self._expect_plans(event.running)
        for word in words:  # last: a line to the journal takes longer than a shield
            log(word.level, word.text)

    def _do(self, action: actions.Action) -> Parts:
        try:
            yield from self._act(action) or ()
        except OSError as problem:
            self._report_no_room(problem)
            self._unwritten.keep(action)
        else:
            self._unwritten.written(action)

    def _expect_plans(self, keepalived: Tri) -> None:
        """Soon there is a plan to encode. Not earlier: while the machine boots, keepalived's start
        would wait for the processor."""
        if keepalived is Tri.YES and not self._loads_encoder:
            self._loads_encoder = True
            self._once(in_thread(load_encoder))

    @contextmanager
    def _as_far_as_there_is_room(self) -> Iterator[None]:
        """Report a file that cannot be written once, and go on: protection does not need files."""
        try:
            yield
        except OSError as problem:
            self._report_no_room(problem)

    def _report_no_room(self, problem: OSError) -> None:
        """Report it once; raise what is no want of room."""
        if problem.errno not in NO_ROOM:
            raise problem
        if problem.filename not in self._no_room:
            self._no_room.add(problem.filename)
            why = f"{problem.strerror}; netvip still protects the VIPs; make room on the disk"
            log(actions.Level.ERROR, f"cannot write {problem.filename}: {why}")

    def _write_again(self) -> None:
        """Carry out what could not be written before."""
        if self._unwritten and not self._is_writing_again:
            self._is_writing_again = True
            self._actions.put(self._again())

    def _again(self) -> Parts:
        """What was not written, FAULT first, until there is no room for one: a newer one may have
        been written meanwhile."""
        self._is_writing_again = False
        for action in self._unwritten.again():
            if not self._unwritten.lacks(action):
                continue
            yield from self._do(action)
            if self._unwritten.lacks(action):
                return
        if self._no_room and not self._unwritten:
            self._no_room.clear()
            log(actions.Level.NOTICE, "there is room on the disk again; every file is written")

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due = self._machine.deadline()
        if due != float("inf"):
            self._timer = self._loop.call_at(due, self._wake)
        if self._machine.stopping and not self._machine.busy:
            self._stopped.set()

    def _wake(self) -> None:
        self._timer = None
        self._adverts.drain()  # what was not read yet is no silence of keepalived's
        self.feed(events.Tick(time.monotonic()))

    # --- actions --------------------------------------------------------------------------------

    @singledispatchmethod
    def _act(self, action: actions.Action) -> Parts | None:
        """Carry out an action; return what is to be done in parts."""
        raise TypeError(f"no actuator for {action!r}")

    @_act.register
    def _(self, action: actions.Prepare) -> Parts:
        return self._protection.prepare(action.instance, action.plan)

    @_act.register
    def _(self, action: actions.Protect) -> Parts:
        # By its newest plan: one that is not encoded yet is encoded now.
        yield from self._actions.take_later((actions.Prepare, action.instance))
        yield from self._protection.protect(action.instance)

    @_act.register
    def _(self, action: actions.Renew) -> Parts:
        again = self._protection.protect_again if action.bridge else self._protection.renew
        return again(action.instance)

    @_act.register
    def _(self, action: actions.Unprotect) -> Parts:
        return self._protection.unprotect(action.instance)

    @_act.register
    def _(self, action: actions.PutBack) -> Parts:
        return objects.put_back(
            self._sender, action.addresses, lambda: self._keeps_vips(action.instance)
        )

    @_act.register
    def _(self, action: actions.Remove) -> Parts:
        return objects.remove(self._sender, action.addresses)

    @_act.register
    def _(self, action: actions.PutBackObjects) -> Parts:
        return objects.put_back_objects(
            self._sender, action, lambda: not action.instance or self._keeps_vips(action.instance)
        )

    @_act.register
    def _(self, action: actions.RemoveObjects) -> Parts:
        return objects.remove_objects(self._sender, action)

    @_act.register
    def _(self, action: actions.ListObjects) -> None:
        # Not from within the report of a notification: those that came with it are reported first.
        self._loop.call_soon(self._kernel.list_objects)

    @_act.register
    def _(self, action: actions.LookForKeepalived) -> None:
        self._keepalived.look(action.instance, action.sender)

    @_act.register
    def _(self, action: actions.Listen) -> None:
        self._adverts.watch(action.ifindexes, action.addresses)

    @_act.register
    def _(self, action: actions.SaveSourceList) -> None:
        self._source_list.save(action.sources, action.files)

    @_act.register
    def _(self, action: actions.SaveStates) -> None:
        self._published.save_states(action)

    @_act.register
    def _(self, action: actions.RestartKeepalived) -> None:
        self._once(self._restart_keepalived())

    @_act.register
    def _(self, action: actions.RunCheck) -> None:
        self._runner.request(action)

    @_act.register
    def _(self, action: actions.Announce) -> Parts:
        return announce.announce(
            action.addresses,
            partial(log, actions.Level.WARNING),
            lambda: self._keeps_vips(action.instance),
        )

    @_act.register
    def _(self, action: actions.RequestDump) -> None:
        self._keepalived.request(action.again)

    @_act.register
    def _(self, action: actions.QueryLinks) -> None:
        if self._networkd is not None:
            self._networkd.query(action.ifindexes, action.members)

    @_act.register
    def _(self, action: actions.SetTrackFile) -> None:
        self._track_files.set(action.instance, action.fault)

    @_act.register
    def _(self, action: actions.PublishInstance) -> None:
        self._published.publish(action)

    @_act.register
    def _(self, action: actions.RenewLists) -> None:
        self._published.renew()

    @_act.register
    def _(self, action: actions.WithdrawInstance) -> None:
        self._track_files.set(action.instance, False)
        self._published.withdraw(action.instance)

    @_act.register
    def _(self, action: actions.PublishWindow) -> None:
        self._published.window(action.open)

    @_act.register
    def _(self, action: actions.SaveSnapshot) -> Parts:
        return snapshot.save(action)

    @_act.register
    def _(self, action: actions.SaveHolds) -> None:
        holds_file.save(action.holds)

    def _keeps_vips(self, instance: str) -> bool:
        """Whether keepalived still has the VIPs here: many of them take more than one turn of the
        loop, in which another node may have become MASTER (Law 1)."""
        known = self._machine.instances.get(instance)
        return known is not None and known.may_serve(time.monotonic())

    def _answer(self, token: str, kind: RequestKind) -> None:
        """Answer a hook when its request has been carried out."""
        self._actions.put(self._reply(token, kind))

    def _reply(self, token: str, kind: RequestKind) -> Parts:
        busy = self._machine.yielding and kind in HANDING_OVER
        with self._as_far_as_there_is_room():
            self._hook_reply.answer(token, busy)
        yield

    def _answer_waiting(self) -> Parts:
        with self._as_far_as_there_is_room():
            self._hook_reply.over(self._machine.yielding)
        yield

    def _after_kernel(self, report: Callable[[], None]) -> None:
        self._kernel.report_after(report)

    def _refused(self, what: str, why: str) -> None:
        self.feed(events.KernelRefused(time.monotonic(), what, why))

    # --- life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until asked to stop; what is under way is finished first."""
        self._loop.set_exception_handler(self._failed)
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, self._stop)
        self._begin()
        with self._as_far_as_there_is_room():
            await self._control.start()
        notify("READY=1")
        try:
            await self._until_stopped()
        finally:
            await self._end()

    def _begin(self) -> None:
        sweep(self._sender)
        for step in (
            run_directory.prepare,
            self._track_files.clear,
            self._published.hold_till_known,
        ):
            with self._as_far_as_there_is_room():
                step()
        self._sender.start(self._loop)
        now, (vips, put_back, *things) = time.monotonic(), snapshot.load()
        self.feed(events.SnapshotLoaded(now, vips, put_back, holds_file.load(), *things))
        self._kernel.start(self._loop)
        self._spawn(self._keepalived.run())
        self._spawn(self._filters.run())
        self._spawn(self._runner.run())
        self._spawn(self._home.run())
        self._spawn(self._pulse())
        for source in (self._networkd, self._keepalived_bus):
            if source is not None:
                self._spawn(source.run())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(self._loop.create_task(work))

    def _once(self, work: Coroutine[Any, Any, None]) -> None:
        """Run work that ends; a task that _spawn() runs does not."""
        tasks.start(work, self._chores)

    async def _until_stopped(self) -> None:
        waiting = self._loop.create_task(self._wait_for_stop())
        ends = [waiting, self._failure, *self._tasks]
        done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # a task that ends has failed: systemd restarts all of it
        waiting.cancel()

    def _failed(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        problem = context.get("exception") or RuntimeError(context["message"])
        if "handle" not in context:  # a task of the bus library that nothing awaits
            log(actions.Level.WARNING, f"{context['message']}: {problem!r}")
        else:
            # An error in a reader or a timer would be logged and forgotten, and its event lost.
            self._end_with(problem)

    def _end_with(self, problem: BaseException) -> None:
        """End the daemon with this error; systemd starts it again."""
        if not self._failure.done():
            self._failure.set_exception(problem)

    async def _wait_for_stop(self) -> None:
        await self._stopped.wait()

    def _stop(self) -> None:
        notify("STOPPING=1")
        self._loop.call_later(STOP_LIMIT, self._stopped.set)
        self.feed(events.Stop(time.monotonic()))

    async def _end(self) -> None:
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        ending = [*self._tasks, *self._chores]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        with ExitStack() as steps:  # each is taken, whatever the others do; the last one first
            steps.callback(self._sender.close, self._loop)
            steps.callback(self._kernel.close, self._loop)
            for source in (self._runner, self._adverts, self._hooks, self._fifo):
                steps.callback(source.close)
            steps.callback(self._track_files.clear)
            steps.callback(self._published.dead)
            steps.callback(self._sender.read_answers)
            steps.callback(self._protection.unprotect_all)
            steps.callback(self._actions.finish)
        await self._control.close()

    async def _pulse(self) -> None:
        """All periodic work in one wake-up: a wake-up costs more than the work."""
        interval = watchdog_interval()
        watchdog = follow = float("-inf")
        while True:
            with self._as_far_as_there_is_room():
                self._published.alive()
                self._write_again()
            now = self._loop.time()
            if interval and now >= watchdog and self._makes_progress(now):
                notify("WATCHDOG=1")
                watchdog = now + interval - ALIVE_EVERY
            if now >= follow:
                self._follow()
                follow = now + FOLLOW_EVERY - ALIVE_EVERY / 2
            await asyncio.sleep(ALIVE_EVERY)

    def _makes_progress(self, now: float) -> bool:
        """Whether what is due is done, and what was decided is carried out: a loop that merely
        turns proves neither."""
        on_time = self._machine.deadline() >= now - LATE
        return on_time and self._actions.advanced_at >= now - LATE

    def _follow(self) -> None:
        """Open pipes again that were replaced."""
        self._fifo.follow()
        self._hooks.follow()

    def _call(self, words: Sequence[str]) -> dict[str, Any]:
        try:
            self.feed(parse.parse(time.monotonic(), words))
        except ValueError as problem:
            return {"refused": str(problem)}
        return dict(self._status([]))

    async def _verify(self, words: Sequence[str]) -> dict[str, Any]:
        begun = time.monotonic()
        if (answer := self._call(["verify", *words])).get("refused"):
            return answer
        wanted = [name for name in self._machine.instances if not words or name == words[0]]
        if not wanted:
            return {"refused": "keepalived has no such VRRP instance, or its state is not known"}
        with suppress(TimeoutError):
            async with asyncio.timeout(VERIFY_LIMIT):
                while not self._machine.checks.checked(wanted, begun):
                    self._examined.clear()
                    await self._examined.wait()
        fresh = {name: self._machine.checks.checked([name], begun) for name in wanted}
        return dict(self._status([]), verified=fresh)

    def _status(self, _: Sequence[str]) -> Status:
        trouble = self._problem or self._keepalived.problem
        counts = (self._fifo.lines, self._fifo.dropped)
        now, home = time.monotonic(), self._home_name
        return document.document(self._machine, now, home, trouble, counts)

    async def _restart_keepalived(self) -> None:
        # Not restart: a keepalived in a container must not get a second one beside it.
        said = await output("systemctl", "try-restart", "--no-block", KEEPALIVED_UNIT)
        if said is None:
            log(actions.Level.ERROR, f"systemctl did not take the restart of {KEEPALIVED_UNIT}")


def _bus_sources(
    feed: Callable[[events.Event], None],
    after_kernel: Callable[[Callable[[], None]], None],
    wanted: bool,
) -> tuple[Any, Any]:
    if not wanted:
        return None, None  # dbus_next costs 90 ms
    from netvip.sources.keepalived_bus import KeepalivedBusSource
    from netvip.sources.networkd import NetworkdSource

    networkd = NetworkdSource(feed, lambda text: log(actions.Level.WARNING, text))
    return networkd, KeepalivedBusSource(feed, after_kernel)


async def serve(settings: config.Config, problem: str = "") -> None:
    """Run the daemon in the current event loop."""
    await Daemon(settings, problem, asyncio.get_running_loop()).run()


def sweep_leftovers() -> None:
    """Remove the bridge of a daemon that was killed (ExecStopPost=)."""
    sender = NetlinkSender(
        lambda what, why: log(actions.Level.ERROR, f"the kernel refused {what}: {why}")
    )
    sweep(sender)
    sender.read_answers()
    TrackFiles().clear()
    if os.environ.get("SERVICE_RESULT", "success") != "success":  # systemd.exec(5)
        PublishedFiles().crashed()  # systemd starts the next one, which finishes its work
