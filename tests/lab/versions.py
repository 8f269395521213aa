"""The versions of what a node runs."""

from __future__ import annotations

import os

from tests.lab.node import Node

#: Debian's packages that netvip depends on or works beside.
PACKAGES = ("systemd", "keepalived", "python3", "python3-pyroute2", "python3-dbus-next")


def version(node: Node, package: str) -> str:
    """A package's version, without Debian's epoch and revision."""
    shown = node.run("dpkg-query", "-W", "-f", "${Version}", package)
    return shown.split(":")[-1].split("-")[0]


def sentence(node: Node) -> str:
    """What a run of the tests on this node tests netvip on."""
    found = ", ".join(f"{package} {version(node, package)}" for package in PACKAGES)
    return f"tested on {node.suite}, kernel {os.uname().release}: {found}"
