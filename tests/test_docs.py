"""What the documentation draws is what the code does."""

from __future__ import annotations

import re
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


#: What may cite a fact of docs/facts.md, as "fact NAME".
CITING = ("netvip", "scripts", "systemd", "apt", "needrestart", "debian", "docs", "tests")
FACT = re.compile(r"\bfacts? ([a-z0-9]+(?:-[a-z0-9]+)+)")


def test_every_fact_that_is_cited_is_written_down() -> None:
    headings = set(re.findall(r"(?m)^## (.+)$", (ROOT / "docs/facts.md").read_text()))
    files = (path for name in CITING for path in (ROOT / name).rglob("*") if path.is_file())
    sources = [path for path in files if path.suffix in (".py", ".md", ".conf", "", ".service")]
    texts = {path: path.read_text(errors="replace") for path in sources}
    cited = {name for text in texts.values() for name in FACT.findall(" ".join(text.split()))}
    assert cited <= headings, cited - headings
    assert not [path for path, text in texts.items() if re.search("FACTS [0-9]", text)]
