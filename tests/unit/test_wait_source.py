"""How long the start of keepalived waits for its source address (scripts/wait-source)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.helpers import ROOT

MISSING = "netvip: keepalived starts although its source address is still missing on ens160\n"
#: Seconds that each look takes on the slow machine.
LOOK = 0.3


@pytest.fixture
def wait_source(tmp_path: Path) -> Path:
    """The script, with a list of its own, where every look takes long and finds nothing."""
    (tmp_path / "list").write_text("ens160 10.77.0.1\n")
    programs = {
        "ip": f"echo look >>{tmp_path}/looks; sleep {LOOK}",
        "systemctl": "echo running",
    }
    for name, command in programs.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{command}\n")
        (tmp_path / name).chmod(0o755)
    text = (ROOT / "scripts/wait-source").read_text()
    for was, now in (
        ("PATH=/usr/sbin", f"PATH={tmp_path}:/usr/sbin"),
        ("list=/var/lib/netvip/sources", f"list={tmp_path}/list"),
        ("/etc/keepalived/keepalived.conf", f"{tmp_path}/none.conf"),
    ):
        assert was in text
        text = text.replace(was, now)
    script = tmp_path / "wait-source"
    script.write_text(text)
    script.chmod(0o755)
    return script


def test_a_list_is_void_when_any_file_of_the_configuration_was_edited(wait_source: Path) -> None:
    included = wait_source.parent / "my instances.conf"
    included.write_text("")
    listed = wait_source.parent / "list"
    listed.write_text(f"conf {included}\nens160 10.77.0.1\n")
    os.utime(listed, (1, 1))
    done = subprocess.run([wait_source], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert not (wait_source.parent / "looks").exists()


def test_a_slow_machine_waits_no_longer_and_says_so(wait_source: Path) -> None:
    done = subprocess.run([wait_source], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, MISSING)
    looks = (wait_source.parent / "looks").read_text().count("look")
    # The last look may begin at the very end of the second, and one comes before it.
    assert looks <= 1 / LOOK + 2
