"""The lab on Debian 12's kernel, in short: two kinds of hosts, three actions, guarded.

`make kernels` runs all of it.
"""

from __future__ import annotations

import io
import os
import sys

import pytest

from tests.kernels.__main__ import SLOW, TREE
from tests.kernels.boot import Guest
from tests.kernels.fetch import kernel
from tests.lab.rootfs import rootfs
from tests.lab.shell import LabError

KERNEL, SUITE = "6.1", "bookworm"
#: What the slice leaves to `make kernels`.
CHOSEN = {
    "NETVIP_LAB_SUITES": SUITE,
    "NETVIP_LAB_MODES": "guarded",
    "NETVIP_LAB_ACTIONS": "restart,reload,reconfigure",
}
#: Seconds. Each host takes about two minutes on an idle machine.
BOOT_LIMIT, LIMIT = 120.0, 900.0

pytestmark = pytest.mark.kernels


@pytest.fixture(scope="module")
def guest() -> Guest:
    """A kernel that boots on this machine."""
    if os.geteuid() != 0:
        pytest.skip("the lab makes namespaces, which needs root")
    found = Guest(kernel(KERNEL), io.StringIO())
    try:
        found.run(["true"], TREE, BOOT_LIMIT)
    except LabError as problem:
        reason = str(problem).splitlines()
        pytest.skip(f"this machine boots no user-mode-linux: {' '.join(reason[:8])}")
    rootfs(SUITE)
    return found


@pytest.mark.parametrize("host", ["plain", "VLAN-on-a-bond"])
def test_no_action_costs_more_than_without_netvip(
    guest: Guest, host: str, figures: list[str]
) -> None:
    out = io.StringIO()
    pytest_words = ["-m", "pytest", "-p", "no:cacheprovider", "-m", "hosts"]
    chosen = ["-k", f"costs_more and {host}"]
    command = [sys.executable, *pytest_words, *chosen, "tests/lab/test_hosts.py"]
    status = Guest(kernel(KERNEL), out).run(command, TREE, LIMIT, SLOW | CHOSEN)
    table = (line for line in out.getvalue().splitlines() if line.startswith("|"))
    figures += dict.fromkeys(table)
    assert status == 0, out.getvalue()
