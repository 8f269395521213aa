"""Receives keepalived's D-Bus signals of changes of state, sent if `enable_dbus` is configured."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from netvip.core import events
from netvip.core.model import AF_INET, AF_INET6, Role
from netvip.linux import bus

NAME = "org.keepalived.Vrrp1"
INSTANCE = re.compile(r"/org/keepalived/Vrrp1/Instance/(\w+)/(\d{1,3})/IPv([46])", re.ASCII)
RULES = (
    f"type='signal',sender='{NAME}',interface='{NAME}.Instance',member='VrrpStatusChange'",
    f"type='signal',sender='{bus.DAEMON[0]}',member='NameOwnerChanged',arg0='{NAME}'",
)
#: Seconds. An upgrade of dbus-daemon may restart it. NetworkdSource logs what fails.
RECONNECT_EVERY = 5.0
FAMILIES = {"4": AF_INET, "6": AF_INET6}


class KeepalivedBusSource:
    """Receives signals of keepalived, and ignores those of other senders. after_kernel calls what
    it is given when the deletion that made keepalived leave MASTER has been reported."""

    def __init__(
        self,
        emit: Callable[[events.Event], None],
        after_kernel: Callable[[Callable[[], None]], None] = lambda report: report(),
    ) -> None:
        self._emit, self._after_kernel = emit, after_kernel
        #: The unique name of keepalived's connection. Any process may send such a signal; the bus
        #: sets the sender.
        self.owner = ""

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            try:
                await self._listen()
            except (*bus.FAILURES, bus.BusError):
                pass  # the fifo, adverts and dumps report the state as well
            await asyncio.sleep(RECONNECT_EVERY)

    async def _listen(self) -> None:
        connection = await bus.Bus.connect()
        try:
            await connection.listen(RULES, self.take)
            self.owner = await connection.owner(NAME)
            await connection.closed()
        finally:
            self.owner = ""
            connection.close()

    def take(self, signal: bus.Signal) -> None:
        """Handle a signal."""
        match (signal.member, signal.body):
            case ("NameOwnerChanged", (str(name), _, str(owner))) if name == NAME:
                if signal.sender == bus.DAEMON[0]:
                    self.owner = owner
            case ("VrrpStatusChange", (int(state), *_)) if signal.sender == self.owner:
                self._emit_state(signal.path, state)

    def _emit_state(self, path: str, state: int) -> None:
        found = INSTANCE.fullmatch(path)
        if found is None or state not in Role._value2member_map_:
            return
        interface, vrid, family = found.groups()
        which = (interface, int(vrid), FAMILIES[family], Role(state))
        self._after_kernel(lambda: self._emit(events.StateSignalled(time.monotonic(), *which)))
