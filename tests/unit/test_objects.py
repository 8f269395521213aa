"""Routes and rules of keepalived's: its words for them, and the kernel's bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.core.objects import Listed, RouteIdentity
from netvip.keepalived import listed
from netvip.linux import objects
from netvip.linux.netlink_messages import HEADER, Message
from tests.unit.test_dump import document, only

#: Of each release: route or rule, as its dump words it, and the body of the kernel's message
#: (tests/netns has the same configuration's routes and rules on the kernel of the day).
RECORDED: dict[str, list[list[str]]] = json.loads(
    Path(__file__).with_name("recorded_objects.json").read_text()
)
PAIRS = [pair for pairs in RECORDED.values() for pair in pairs]


def read(kind: str, text: str) -> Listed:
    return listed.route(text) if kind == "route" else listed.rule(text)


@pytest.mark.parametrize("pairs", RECORDED.values(), ids=RECORDED)
def test_each_is_told_from_the_others(pairs: list[list[str]]) -> None:
    words = {read(kind, text).identity for kind, text, _ in pairs}
    assert len(words) == len(pairs) == 25


@pytest.mark.parametrize(("kind", "text", "body"), PAIRS)
def test_keepalived_s_words_are_the_kernel_s_object(kind: str, text: str, body: str) -> None:
    found = objects.restored(kind, bytes.fromhex(body))
    assert read(kind, text).identity == found.identity
    assert read(kind, text).tracked is ("no_track" not in text)
    assert objects.restored(kind, found.body) == found, "nothing is lost when it is kept"
    assert objects.add(found)[HEADER.size :] == objects.delete(found)[HEADER.size :] == found.body


def test_another_s_route_and_the_local_table_are_none_of_them() -> None:
    [body] = [body for _, text, body in PAIRS[:25] if text.startswith("prepend 10.99.0.0/16")]
    data = bytearray(bytes(HEADER.size) + bytes.fromhex(body))
    message = Message(objects.RTM_NEWROUTE, 0, 0, bytes(data))
    assert objects.decode(message) is not None
    data[objects.PROTOCOL_AT] = 4  # static
    assert objects.decode(Message(objects.RTM_NEWROUTE, 0, 0, bytes(data))) is None
    assert objects.decode(Message(20, 0, 0, message.data)) is None, "an address"


def test_a_dump_names_them_and_what_cannot_be_read() -> None:
    routes = ["prepend 10.99.0.0/16 via inet 10.77.0.50 dev ens160 proto 18", "prepend nonsense"]
    rules = ["from 10.77.0.10 priority 5000 tos 0x0 type unheard-of", "from all priority"]
    spec, _ = only(document(vroutes=routes, vrules=rules))
    (found,) = spec.objects
    assert isinstance(found.identity, RouteIdentity) and found.tracked
    assert spec.unread == (routes[1], *rules)


@given(
    st.text(alphabet="0123456789abcdefx.:/ -", max_size=60), st.sampled_from(["vroutes", "vrules"])
)
def test_no_words_of_keepalived_s_break_the_dump(text: str, key: str) -> None:
    spec, _ = only(document(**{key: [text]}))
    assert len(spec.objects) + len(spec.unread) == 1


@given(st.sampled_from(["route", "rule"]), st.binary(max_size=60))
def test_what_is_no_object_is_refused(kind: str, body: bytes) -> None:
    try:
        found = objects.restored(kind, body)
    except ValueError:
        return
    assert objects.restored(kind, found.body) == found
