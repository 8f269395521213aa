"""Calls of networkd's methods by other processes: what is announced, and who is believed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from netvip.core import events
from netvip.core.events import Event
from netvip.linux.bus import Answer, Signal
from netvip.sources.link_files import LinkFiles
from netvip.sources.network1 import LINK_PATH, link_path
from netvip.sources.networkd_calls import CALLS_MOST, NetworkdCalls

MANAGER = "/org/freedesktop/network1"
CHANGED = frozenset({5, 6})


class Files(LinkFiles):
    """Of two members of a bond the files have changed; counts how often they were read again."""

    def __init__(self) -> None:
        super().__init__()
        self.read = self.forgotten = 0

    def changed(self) -> frozenset[int]:
        return CHANGED

    def read_again(self) -> None:
        self.read += 1

    def forget(self) -> None:
        self.forgotten += 1


class Host:
    """A monitor of networkd's calls, and a bus that tells its callers' user ids."""

    def __init__(self) -> None:
        self.emitted: list[Event] = []
        self.files = Files()
        self.calls = NetworkdCalls(self.emitted.append, self.files)
        self.uids: dict[str, int] = {}

    def call(
        self,
        member: str,
        *body: object,
        path: str = MANAGER,
        sender: str = ":1.7",
        serial: int = 1,
        wants_answer: bool = True,
    ) -> None:
        self.calls.take_call(Signal(sender, path, "", member, body, serial, wants_answer))

    def answer(self, serial: int, sender: str = ":1.7", is_error: bool = False) -> None:
        self.calls.take_answer(Answer(sender, serial, is_error))

    async def tell(self) -> None:
        """The bus tells whose the calls were; a caller without a uid has left it."""

        async def uid(name: str) -> int | None:
            return self.uids.get(name)

        self.calls.ask_by(uid)
        asking = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*asking)

    def announces(self) -> bool:
        """Whether another call is announced before it is known whose it is."""
        before = len(self.emitted)
        self.call("ReconfigureLink", 3, serial=99)
        return len(self.emitted) > before


# --- what is announced --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("member", "path", "body", "ifindex"),
    [
        ("Reload", "/org/freedesktop/network1", (), 0),
        ("ReconfigureLink", "/org/freedesktop/network1", (12,), 12),
        ("ForceRenewLink", "/org/freedesktop/network1", (12,), 12),
        ("RenewLink", "/org/freedesktop/network1", (12,), 12),
        ("Reconfigure", link_path(12), (), 12),
        ("ForceRenew", link_path(12), (), 12),
        ("Renew", link_path(12), (), 12),
        ("ReconfigureLink", "/org/freedesktop/network1", ("12",), 0),
        ("ReconfigureLink", "/org/freedesktop/network1", (), 0),
    ],
)
def test_a_call_that_reconfigures_announces(
    member: str, path: str, body: tuple[object, ...], ifindex: int
) -> None:
    reason = f"a process called {member} of systemd-networkd"
    host = Host()
    host.call(member, *body, path=path)
    (event,) = host.emitted
    assert isinstance(event, events.ChangeExpected)
    assert (event.reason, event.ifindex) == (reason, ifindex)


@pytest.mark.parametrize("member", ["ListLinks", "Describe", "SetLinkDNS", ""])
def test_a_call_that_changes_nothing_is_ignored(member: str) -> None:
    host = Host()
    host.call(member)
    assert host.emitted == []


def test_a_call_is_known_until_it_is_answered() -> None:
    host = Host()
    host.call("Reload", sender=":1.7", serial=3)
    host.call("Reload", sender=":1.8", serial=3)
    for answer in (
        Answer(":1.7", 4, is_error=False),
        Answer(":1.8", 3, is_error=True),
        Answer(":1.7", 3, is_error=False),
        Answer(":1.7", 3, is_error=False),
    ):
        host.calls.take_answer(answer)
    first, second, *answered = host.emitted
    assert isinstance(first, events.ChangeExpected) and isinstance(second, events.ChangeExpected)
    assert [replace(event, time=0) for event in answered] == [
        events.CallAnswered(0, second.call, refused=True),
        events.CallAnswered(0, first.call, refused=False),
    ]


def test_a_caller_that_wants_no_answer_is_not_waited_for() -> None:
    host = Host()
    host.call("Reload", serial=3, wants_answer=False)
    host.answer(3)
    assert [getattr(event, "call", None) for event in host.emitted] == [""]


def test_the_oldest_of_too_many_calls_is_not_waited_for() -> None:
    host = Host()
    for serial in range(CALLS_MOST + 1):
        host.call("Reload", serial=serial)
    first, *_, dropped, last = host.emitted
    assert isinstance(first, events.ChangeExpected) and isinstance(last, events.ChangeExpected)
    assert replace(dropped, time=0) == events.CallAnswered(0, first.call, refused=False)
    host.answer(0)
    assert host.emitted[-1] is last


def test_a_call_with_an_invalid_path_is_of_any_link() -> None:
    host = Host()
    host.call("Reload", path=f"{LINK_PATH}_zz")
    assert len(host.emitted) == 1


# --- who is believed ----------------------------------------------------------------------------


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.mark.asyncio
@pytest.mark.parametrize(("uid", "believed"), [(0, True), (1000, False), (None, False)])
async def test_after_a_call_of_another_user_the_next_one_has_to_wait(
    host: Host, uid: int | None, believed: bool
) -> None:
    await host.tell()
    if uid is not None:
        host.uids[":1.7"] = uid
    host.call("Reload")
    await host.tell()
    assert host.announces() is believed


@pytest.mark.asyncio
@pytest.mark.parametrize("answered_first", [True, False])
@pytest.mark.parametrize("is_error", [True, False])
async def test_a_caller_that_has_left_is_believed_if_networkd_obeyed(
    host: Host, answered_first: bool, is_error: bool
) -> None:
    """networkctl leaves as soon as it has its answer, sooner than a slow host can ask for it."""
    await host.tell()
    host.call("Reload", serial=4)
    if answered_first:
        host.answer(4, is_error=is_error)
    await host.tell()
    if not answered_first:
        host.answer(4, is_error=is_error)
    assert host.announces() is not is_error


@pytest.mark.asyncio
async def test_a_call_that_networkd_obeyed_does_not_excuse_another_user_s(host: Host) -> None:
    await host.tell()
    host.uids[":1.8"] = 1000
    host.call("Reload", sender=":1.8", serial=1)
    await host.tell()
    host.call("Reload", serial=2)
    await host.tell()
    host.answer(2)
    assert not host.announces()


@pytest.mark.asyncio
async def test_in_doubt_a_call_is_announced_when_it_is_known_to_be_root_s(host: Host) -> None:
    await host.tell()
    host.uids |= {":1.7": 0, ":1.8": 1000}
    host.call("Reload", sender=":1.8")
    await host.tell()
    host.emitted.clear()
    host.call("ReconfigureLink", 3, serial=5)
    assert host.emitted == []
    await host.tell()
    assert [type(event) for event in host.emitted] == [events.ChangeExpected]


# --- changed files ------------------------------------------------------------------------------


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("member", "uid", "told"),
    [("Reload", 0, [CHANGED]), ("ReconfigureLink", 0, []), ("Reload", 1000, [])],
)
async def test_of_changed_files_root_s_reload_alone_tells(
    host: Host, member: str, uid: int, told: list[frozenset[int]]
) -> None:
    await host.tell()
    host.uids[":1.7"] = uid
    host.call(member)
    await host.tell()
    found = [event for event in host.emitted if isinstance(event, events.FilesChanged)]
    assert [event.ifindexes for event in found] == told


def test_networkd_s_answer_to_a_reload_says_that_it_has_read_its_files(host: Host) -> None:
    for serial, member in enumerate(("Reload", "ReconfigureLink", "Reload")):
        host.call(member, serial=serial)
    host.answer(1)
    host.answer(2, is_error=True)
    assert host.files.read == 0
    host.answer(0)
    assert host.files.read == 1


def test_a_reload_whose_answer_nobody_sees_makes_the_files_unknown(host: Host) -> None:
    host.call("Reload", wants_answer=False)
    assert host.files.forgotten == 1
    for serial in range(CALLS_MOST + 1):
        host.call("ReconfigureLink" if serial else "Reload", serial=serial)
    assert host.files.forgotten == 2
