"""What the documentation draws is what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_state_diagram_is_drawn_from_the_table() -> None:
    drawn = subprocess.run(
        [sys.executable, ROOT / "docs/draw.py"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
    ).stdout
    assert (ROOT / "docs/states.md").read_text() == drawn, "make docs draws it anew"
