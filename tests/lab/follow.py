"""Following what happens on a node, by what only it knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.lab.netns import Namespace
from tests.lab.node import Node
from tests.lab.pair import Pair
from tests.lab.shell import LabError

SETTINGS = "/etc/netvip/netvip.conf.d/lab.conf"


def wait(condition: Callable[[], bool], limit: float, what: str) -> None:
    """Wait for something that only the kernel's state shows."""
    deadline = time.monotonic() + limit
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what} never happened")
        time.sleep(0.02)


def now(node: Node) -> float:
    """The node's clock."""
    return float(node.run("date", "+%s.%6N"))


def states(node: Node, since: float) -> list[str]:
    """The states keepalived entered."""
    lines = node.journal("keepalived.service", since).splitlines()
    found = [line.partition("Entering ")[2].split()[0] for line in lines if "Entering " in line]
    return [state for state in found if state in ("MASTER", "BACKUP", "FAULT")]


def shell(node: Node, script: str) -> str:
    """A few lines of shell inside the node; what it prints, errors included."""
    return node.run("sh", "-c", f"{{ {script}\n}} 2>&1", check=False).strip()


@contextmanager
def settings(pair: Pair, text: str) -> Iterator[None]:
    """Both daemons with other settings, and `a` MASTER."""
    try:
        for node in pair.nodes:
            node.write(SETTINGS, text)
            node.run("systemctl", "restart", "netvip.service")
        pair.make_master()
        yield
    finally:
        for node in pair.nodes:
            (node.root / SETTINGS.lstrip("/")).unlink(missing_ok=True)
            node.run("systemctl", "restart", "netvip.service")


@contextmanager
def third_host(pair: Pair, address: str) -> Iterator[Namespace]:
    """Another host in the VIP's subnet."""
    space = Namespace(f"nv{pair.tag}-third")
    try:
        pair.switch.plug(space, "eth0")
        space.run("ip", "address", "add", address, "dev", "eth0")
        space.run("ip", "link", "set", "eth0", "up")
        yield space
    finally:
        space.close()
