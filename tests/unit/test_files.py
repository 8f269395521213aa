"""Atomic writes of files, and the snapshot."""

from __future__ import annotations

import json
import os
import stat
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.actuators import snapshot
from netvip.actuators.files import write_atomically
from netvip.actuators.parts import finish
from netvip.core.actions import SaveSnapshot
from netvip.core.model import Address
from netvip.linux import objects
from tests.unit.test_objects import PAIRS

FULL = Address(
    7,
    ip_address("10.77.0.10"),
    24,
    253,
    "ens160:vip",
    ip_address("10.77.0.11"),
    ip_address("10.77.0.255"),
    0x280,
    8,
    3,
    42,
    18,
)
ZERO = Address(1, ip_address("::"), 128, preferred=0, peer=ip_address("::1"))


@pytest.fixture
def snapshot_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "snapshot.json"
    monkeypatch.setattr(snapshot, "SNAPSHOT_FILE", str(path))
    return path


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_is_replaced_and_has_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("a longer text than the new one")
    with path.open() as reader:
        write_atomically(path, "new", mode)
        assert reader.read() == "a longer text than the new one"
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert os.listdir(tmp_path) == ["file"]


def test_a_draft_of_a_killed_writer_is_overwritten(tmp_path: Path) -> None:
    draft = tmp_path / ".file.new"
    draft.write_text("a part of")
    draft.chmod(0o644)
    write_atomically(tmp_path / "file", "whole")
    assert (tmp_path / "file").read_text() == "whole"
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o600


def test_a_failed_write_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"


@pytest.mark.parametrize("put_back", [(), (FULL,)])
def test_a_snapshot_is_loaded_as_it_was_saved(
    snapshot_file: Path, put_back: tuple[Address, ...]
) -> None:
    things = tuple(objects.restored(kind, bytes.fromhex(body)) for kind, _, body in PAIRS)
    finish(snapshot.save(SaveSnapshot((FULL, ZERO), put_back, things, things[:1])))
    assert snapshot.load() == ((FULL, ZERO), put_back, things, things[:1])
    assert stat.S_IMODE(snapshot_file.stat().st_mode) == 0o600


@pytest.mark.usefixtures("snapshot_file")
def test_a_missing_snapshot_is_empty() -> None:
    assert snapshot.load() == ((), (), (), ())


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"addresses": []}',
        b'{"addresses": null, "put_back": []}',
        b'{"addresses": ["x"], "put_back": []}',
        b'{"addresses": [{}], "put_back": []}',
        b'{"addresses": [{"ip": "x"}], "put_back": []}',
        b'{"addresses": [{"unknown": 1}], "put_back": []}',
        b'{"addresses": [{"ifindex": 7, "ip": null, "prefixlen": 24}], "put_back": []}',
        b'{"addresses": [], "put_back": [], "objects": [["route", "00"]]}',
        b'{"addresses": [], "put_back": [], "objects": [null]}',
    ],
)
def test_a_damaged_snapshot_is_empty(snapshot_file: Path, damaged: bytes) -> None:
    snapshot_file.write_bytes(damaged)
    assert snapshot.load() == ((), (), (), ())


def test_an_unreadable_snapshot_is_empty(snapshot_file: Path) -> None:
    snapshot_file.mkdir()
    assert snapshot.load() == ((), (), (), ())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(0, 300) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@given(JSON, JSON)
def test_no_snapshot_raises(
    tmp_path_factory: pytest.TempPathFactory, addresses: Any, put_back: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps({"addresses": addresses, "put_back": put_back}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(snapshot, "SNAPSHOT_FILE", str(path))
        snapshot.load()
