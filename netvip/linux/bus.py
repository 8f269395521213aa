"""The D-Bus system bus. No other module imports dbus_next."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dbus_next._private.unmarshaller import MarshallerStreamEndError, Unmarshaller
from dbus_next.aio.message_bus import MessageBus
from dbus_next.constants import BusType, MessageFlag, MessageType
from dbus_next.errors import AuthError, InvalidAddressError
from dbus_next.message import Message
from dbus_next.signature import Variant

DAEMON = ("org.freedesktop.DBus", "/org/freedesktop/DBus")
#: Seconds to wait for a reply. After this time the bus or the called process hangs.
CALL_LIMIT = 5.0
#: Bytes. What netvip receives from networkd, systemd and keepalived has some hundred. Any user may
#: send more, to a monitor's knowledge as well, which takes 1 us a byte to decode.
LARGEST_MESSAGE = 4096
#: Bytes of a larger message that are read and dropped at a time.
DROPPED = 1 << 16
#: What a connection raises if there is no bus, the bus ends it, or the bus refuses it.
FAILURES = (OSError, EOFError, AuthError, InvalidAddressError, TimeoutError)


class BusError(Exception):
    """A method call returned an error, or the connection ended before its reply."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal, or a method call that a monitor received. The bus sets the sender, so that another
    process cannot forge it."""

    sender: str
    path: str
    interface: str
    member: str
    body: tuple[Any, ...]
    #: With the sender, what identifies a method call.
    serial: int = 0
    #: Whether the caller of a method wants an answer.
    wants_answer: bool = True


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply to a method call of another process, or the error."""

    caller: str
    #: The call's serial number.
    serial: int
    is_error: bool


class _Bounded(Unmarshaller):  # type: ignore[misc]
    """Reads one message, and drops one that is too large: no valid one for netvip is."""

    _left = 0

    def read(self, n: int, prefetch: bool = False) -> int:
        """As the base class does, which reads the head of a message, and then all the rest."""
        if prefetch and n > LARGEST_MESSAGE:
            self._left = n - (len(self.buf) - self.offset)
            raise MarshallerStreamEndError
        return int(super().read(n, prefetch))

    def unmarshall(self) -> Message | None:
        """The message when it is complete, once; one that was dropped never is."""
        return None if self._left else super().unmarshall()

    def drop(self) -> bool:
        """Read and drop what has arrived of a message that is too large; whether all of it has."""
        while self._left:
            data = self.stream.read(min(self._left, DROPPED))
            if data is None:
                return False
            if not data:
                raise EOFError
            self._left -= len(data)
        return True

    @property
    def drops(self) -> bool:
        """Whether the message is too large."""
        return bool(self._left)


class _Fair(MessageBus):  # type: ignore[misc]
    """A connection that handles one message a turn of the event loop: however many other processes
    send, what protects a VIP has its turn between two of them."""

    _unmarshaller: _Bounded

    def _create_unmarshaller(self) -> _Bounded:
        return _Bounded(self._stream)

    def _message_reader(self) -> None:
        try:
            reader = self._unmarshaller
            message = reader.unmarshall()
            if message is None and not (reader.drops and reader.drop()):
                return  # the rest has not arrived
            self._unmarshaller = self._create_unmarshaller()
            if message is not None:
                self._on_message(message)
        except Exception as problem:
            self._finalize(problem)
            return
        # The stream may have read the next message already, which the loop then does not see.
        self._loop.call_soon(self._read_more)

    def _read_more(self) -> None:
        if not self._disconnected:
            self._message_reader()


class Bus:
    """A connection that calls methods and receives signals."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls) -> Bus:
        """Connect to the system bus; raises one of FAILURES."""
        connection = _Fair(bus_type=BusType.SYSTEM)
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
        """Call a method; return the body of the reply, with variants unwrapped. Raises BusError or
        one of FAILURES.

        The call does not start a service: a networkd that an operator stopped stays stopped.
        """
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
        """The unique name of the owner of a well-known name; empty if it has no owner."""
        try:
            reply = await self.call(*DAEMON, DAEMON[0], "GetNameOwner", "s", [name])
        except BusError:
            return ""
        return str(reply[0])

    async def uid(self, name: str) -> int | None:
        """The user id of a connection; None if it has ended. Raises one of FAILURES."""
        try:
            reply = await self.call(*DAEMON, DAEMON[0], "GetConnectionUnixUser", "s", [name])
        except BusError:
            return None
        return int(reply[0])

    async def listen(self, rules: Sequence[str], take: Callable[[Signal], None]) -> None:
        """Subscribe to the signals that match one of the rules, and pass each to `take`."""

        def handler(message: Any) -> bool:
            if message.message_type is MessageType.SIGNAL:
                _pass_on(take, _signal(message))
            return False

        self._connection.add_message_handler(handler)
        for rule in rules:
            await self.call(*DAEMON, "org.freedesktop.DBus", "AddMatch", "s", [rule])

    async def monitor(
        self,
        rules: Sequence[str],
        take: Callable[[Signal], None],
        take_answer: Callable[[Answer], None],
    ) -> None:
        """Become a monitor, which the bus allows root only: pass each method call that matches one
        of the rules to `take`, and each reply or error to `take_answer`. A monitor must not send
        any message."""

        def handler(message: Any) -> bool:
            if message.message_type is MessageType.METHOD_CALL:
                _pass_on(take, _signal(message))
            elif message.message_type is not MessageType.SIGNAL:
                _pass_on(take_answer, _answer(message))
            # True ends dbus_next's handling of a message. It would reply to an unhandled call, and
            # the bus disconnects a monitor that sends. It has to handle replies, as one of them is
            # the reply to BecomeMonitor.
            return message.message_type in (MessageType.METHOD_CALL, MessageType.SIGNAL)

        self._connection.add_message_handler(handler)
        await self.call(
            *DAEMON, "org.freedesktop.DBus.Monitoring", "BecomeMonitor", "asu", [list(rules), 0]
        )

    async def closed(self) -> None:
        """Return when the connection has ended, with or without an error."""
        try:
            await self._connection.wait_for_disconnect()
        except FAILURES:
            pass  # an error ends the connection as well

    def close(self) -> None:
        """Close the connection."""
        self._connection.disconnect()


def _pass_on(take: Callable[[Any], None], message: Signal | Answer) -> None:
    # dbus_next catches what a handler raises and replies with an error, and the bus disconnects a
    # monitor that sends. An error of netvip must end the daemon: so `take` runs after the handler.
    asyncio.get_running_loop().call_soon(take, message)


def _signal(message: Any) -> Signal:
    body = tuple(_plain(value) for value in message.body)
    return Signal(
        message.sender or "",
        message.path or "",
        message.interface or "",
        message.member or "",
        body,
        message.serial or 0,
        not message.flags & MessageFlag.NO_REPLY_EXPECTED,
    )


def _answer(message: Any) -> Answer:
    is_error = message.message_type is MessageType.ERROR
    return Answer(message.destination or "", message.reply_serial or 0, is_error)


def _plain(value: Any) -> Any:
    if isinstance(value, Variant):
        return _plain(value.value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
