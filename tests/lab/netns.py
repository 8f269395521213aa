"""Network namespaces and the cables between them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.lab.shell import run


class Namespace:
    """A named network namespace; destroyed by close(), whatever is still in it."""

    def __init__(self, name: str) -> None:
        self.name = name
        run("ip", "netns", "delete", name, check=False)
        run("ip", "netns", "add", name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *argv: str | Path, **kwargs: Any) -> str:
        """Run a command in here."""
        return run("ip", "netns", "exec", self.name, *argv, **kwargs)

    def succeeds(self, *argv: str | Path) -> bool:
        """Whether a command exits with 0."""
        command = ["ip", "netns", "exec", self.name, *map(str, argv)]
        return subprocess.run(command, capture_output=True).returncode == 0

    def popen(self, *argv: str | Path, **kwargs: Any) -> subprocess.Popen[str]:
        """Start a command in here, its standard output a pipe of text."""
        command = ["ip", "netns", "exec", self.name, *map(str, argv)]
        kwargs.setdefault("stdin", subprocess.PIPE)
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **kwargs)

    def close(self) -> None:
        """Remove the namespace; its veths go with it."""
        run("ip", "netns", "delete", self.name, check=False)


class Switch(Namespace):
    """A bridge in a namespace of its own."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._ports = 0
        self.run("ip", "link", "add", "br0", "type", "bridge", "forward_delay", "0")
        self.run("ip", "link", "set", "br0", "up")

    def plug(
        self, other: Namespace, interface: str, tagged: Sequence[int] = (), master: str = "br0"
    ) -> None:
        """Lay a cable: `interface` appears in the other namespace, down. The port carries the VLANs
        `tagged`."""
        self._ports += 1
        port = f"port{self._ports}"
        ends = (port, "type", "veth", "peer", "name", interface, "netns", other.name)
        self.run("ip", "link", "add", *ends)
        self.run("ip", "link", "set", port, "master", master)
        self.run("ip", "link", "set", port, "up")
        self._tag(port, tagged)

    def tap(self) -> str:
        """A port for a machine that is no namespace (tuntap); its name."""
        self._ports += 1
        port = f"port{self._ports}"
        self.run("ip", "tuntap", "add", "dev", port, "mode", "tap")
        self.run("ip", "link", "set", port, "master", "br0", "up")
        return port

    def bundle(self, other: Namespace, interfaces: Sequence[str], tagged: Sequence[int]) -> None:
        """Lay cables that are one for the switch, by 802.3ad."""
        self._ports += 1
        bundle = f"bundle{self._ports}"
        mode = ("mode", "802.3ad", "miimon", "100", "lacp_rate", "fast")
        self.run("ip", "link", "add", bundle, "type", "bond", *mode)
        for interface in interfaces:
            self.plug(other, interface, master=bundle)
        self.run("ip", "link", "set", bundle, "master", "br0", "up")
        self._tag(bundle, tagged)

    def _tag(self, port: str, vlans: Sequence[int]) -> None:
        for vlan in vlans:
            self.run("bridge", "vlan", "add", "dev", port, "vid", str(vlan))
