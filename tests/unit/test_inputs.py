"""Every input gives what is expected of it: the table that python -m tests.inputs prints."""

from __future__ import annotations

import pytest

from tests.inputs import PLACE, ROWS, Row


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.name} {row.about}")
def test_an_input_gives_what_is_expected(row: Row) -> None:
    assert row.seen(PLACE / row.name) == row.expected


def test_every_input_has_a_row() -> None:
    files = {path.name for path in PLACE.iterdir() if path.is_file()}
    assert files == {row.name for row in ROWS}
