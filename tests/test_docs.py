"""What the documentation draws is what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("script", "page"), [("draw", "states"), ("sequence", "sequence"), ("rooms", "architecture")]
)
def test_what_is_drawn_is_drawn_anew_from_its_source(script: str, page: str) -> None:
    drawn = subprocess.run(
        [sys.executable, ROOT / f"docs/{script}.py"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    ).stdout
    assert (ROOT / f"docs/{page}.md").read_text() == drawn, "make docs draws it anew"
