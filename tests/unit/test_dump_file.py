"""The place of keepalived's dump, which is one where anybody may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from netvip.errors import DumpError
from netvip.keepalived import ask
from netvip.sources import keepalived


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.json"


def test_a_directory_in_keepalived_s_way_is_moved_aside(place: Path) -> None:
    place.mkdir()
    (place / "kept").write_text("x")
    ask._make_room(place)
    (moved,) = place.parent.iterdir()
    assert moved != place and (moved / "kept").read_text() == "x"


def test_a_link_is_moved_and_not_followed(place: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x")
    place.symlink_to(elsewhere)
    ask._make_room(place)
    assert not place.is_symlink() and elsewhere.read_text() == "x"


def test_an_earlier_dump_stays(place: Path) -> None:
    ask._make_room(place)
    place.write_text("{}")
    ask._make_room(place)
    assert place.read_text() == "{}"


def test_what_cannot_be_moved_is_told_in_a_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.mkdir()

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(DumpError, match="keeps keepalived from writing"):
        ask._make_room(place)


def test_a_keepalived_that_never_answers_is_asked_less_and_less() -> None:
    pauses = [keepalived._next(misses, again=False) for misses in range(12)]
    assert pauses == [300.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 300.0, 300.0]
    assert keepalived._next(0, again=True) == 1.0
