"""The system bus. The only module that knows dbus_next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageFlag, MessageType
from dbus_next.errors import AuthError, InvalidAddressError
from dbus_next.message import Message
from dbus_next.signature import Variant

DAEMON = ("org.freedesktop.DBus", "/org/freedesktop/DBus")
#: An answer that has not come by then is none: the bus or its peer hangs.
CALL_LIMIT = 5.0
#: What a bus that is not there, goes away, or says no, raises.
FAILURES = (OSError, EOFError, AuthError, InvalidAddressError, TimeoutError)


class BusError(Exception):
    """A call was answered with an error, or not at all."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal, or a method call that a monitor overheard. The bus vouches for the sender."""

    sender: str
    path: str
    interface: str
    member: str
    body: tuple[Any, ...]


class Bus:
    """A connection that makes calls and hears signals."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls) -> Bus:
        """Connect to the system bus; raises one of FAILURES."""
        connection = MessageBus(bus_type=BusType.SYSTEM)
        return cls(await asyncio.wait_for(connection.connect(), CALL_LIMIT))

    async def call(
        self,
        destination: str,
        path: str,
        interface: str,
        member: str,
        signature: str = "",
        body: Sequence[Any] = (),
    ) -> list[Any]:
        """Call a method; return the reply's body, variants unwrapped. Never starts the callee: a
        networkd that somebody stopped stays stopped."""
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
            flags=MessageFlag.NO_AUTOSTART,
        )
        reply = await asyncio.wait_for(self._connection.call(message), CALL_LIMIT)
        if reply is None or reply.message_type is MessageType.ERROR:
            raise BusError(f"{interface}.{member}: {reply.body[0] if reply and reply.body else ''}")
        return [_plain(value) for value in reply.body]

    async def owner(self, name: str) -> str:
        """Who has a well-known name; empty where nobody has."""
        try:
            reply = await self.call(*DAEMON, DAEMON[0], "GetNameOwner", "s", [name])
        except BusError:
            return ""
        return str(reply[0])

    async def listen(self, rules: Sequence[str], heard: Callable[[Signal], None]) -> None:
        """Hand every signal that matches one of the rules to `heard`."""

        def handler(message: Any) -> bool:
            if message.message_type is MessageType.SIGNAL:
                _tell(heard, message)
            return False

        self._connection.add_message_handler(handler)
        for rule in rules:
            await self.call(*DAEMON, "org.freedesktop.DBus", "AddMatch", "s", [rule])

    async def monitor(self, rules: Sequence[str], heard: Callable[[Signal], None]) -> None:
        """Become a monitor (root only): overhear what matches, and never send again."""

        def handler(message: Any) -> bool:
            if message.message_type is MessageType.METHOD_CALL:
                _tell(heard, message)
            # True for calls and signals: dbus_next would answer a call that nobody handled, and a
            # monitor that sends is disconnected. False for replies, or our own never arrives.
            return message.message_type in (MessageType.METHOD_CALL, MessageType.SIGNAL)

        self._connection.add_message_handler(handler)
        await self.call(
            *DAEMON, "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu", [list(rules), 0]
        )

    async def closed(self) -> None:
        """Return when the connection has ended, however."""
        try:
            await self._connection.wait_for_disconnect()
        except FAILURES:
            pass  # the end is what was waited for

    def close(self) -> None:
        """End the connection."""
        self._connection.disconnect()


def _tell(heard: Callable[[Signal], None], message: Any) -> None:
    # dbus_next answers a call whose handler raises, and a monitor that sends is disconnected; so
    # an error of ours has to end the daemon from outside the handler.
    signal = _signal(message)
    asyncio.get_running_loop().call_soon(heard, signal)


def _signal(message: Any) -> Signal:
    body = tuple(_plain(value) for value in message.body)
    return Signal(
        message.sender or "",
        message.path or "",
        message.interface or "",
        message.member or "",
        body,
    )


def _plain(value: Any) -> Any:
    if isinstance(value, Variant):
        return _plain(value.value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
