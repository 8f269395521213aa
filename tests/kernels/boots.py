"""Cold boots of a pair's nodes as whole machines, and what is seen of them from outside.

The pair runs in namespaces first, so that the nodes' files are those of nodes that have run: with
netvip, and with an adopted configuration. Then the power of the nodes that are to boot is cut.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tests.kernels.fetch import Kernel
from tests.kernels.machine import FILES, Machine
from tests.kernels.report import Report
from tests.lab.measure import Tool
from tests.lab.node import Node
from tests.lab.pair import OWN, VIP, Pair

#: Seconds in which a machine boots, its network is there, and a master is elected. Each is many
#: times what it takes on a machine that does nothing else.
BOOT_LIMIT, NETWORK_LIMIT, ELECTION_LIMIT = 300.0, 180.0, 60.0
#: Seconds that are observed afterwards: longer than the master-down interval (3.6 s), and than
#: netvip's coordinated check takes to confirm a conflict (6 s).
WATCHED = 10.0
#: Seconds from one probe of the VIP to the next, and until it is lost: the machine is busy.
PROBE_EVERY, LOST_AFTER = 0.01, 3.0


@dataclass(frozen=True)
class Boot:
    """What became of a boot: the machines' reports, and what was seen from outside meanwhile."""

    reports: tuple[Report, ...]
    #: Probes of the VIP that were lost.
    lost: int
    #: How the VIP came and went on the node that was not booted.
    moved: tuple[dict[str, Any], ...]
    #: The names of all nodes that are MASTER at the end.
    masters: tuple[str, ...]
    #: Seconds that the node which was not booted took for what Report.yardstick tells of a machine;
    #: infinite if there was none.
    yardstick: float


def boot(kernel: Kernel, pair: Pair, *booting: Node, waits: bool = True) -> Boot:
    """Boot nodes whose power is off, at the same time, and observe them until all is calm. `waits`
    as in Machine. Raises LabError where a boot does not come to an end."""
    has_master = bool(pair.holder())
    with ExitStack() as stack:
        machines = [Machine(kernel, node, pair.switch, waits) for node in booting]
        for machine in machines:
            stack.callback(machine.close)
        probe = Tool(pair.near, "probe", VIP, str(PROBE_EVERY), str(LOST_AFTER))
        stack.callback(probe.kill)
        watch = Tool(pair.b.net, "watch")
        stack.callback(watch.kill)
        for machine in machines:
            machine.boot()
        for machine in machines:
            machine.wait("boot", machine.is_booted, BOOT_LIMIT)
            machine.wait("network", _has_had(machine, OWN[machine.name]), NETWORK_LIMIT)
        if not has_master:
            machines[0].wait("election", _has_had(machines, VIP), ELECTION_LIMIT)
        time.sleep(WATCHED)  # to observe: there is no event for "nothing happens"
        others = tuple(node.name for node in pair.holder())
        for machine in machines:
            machine.ask()
        reports = tuple(machine.report() for machine in machines)
        moved = tuple(event for event in watch.stop()["events"] if event["address"] == VIP)
        booted = (report.name for report in reports if report.role == "MASTER")
        masters = (*others, *booted)
        return Boot(reports, probe.stop()["lost"], moved, masters, _yardstick(pair, booting))


def _has_had(machines: Machine | list[Machine], address: str) -> Callable[[], bool]:
    asked = machines if isinstance(machines, list) else [machines]
    return lambda: any(machine.has_had(address) for machine in asked)


def _yardstick(pair: Pair, booting: tuple[Node, ...]) -> float:
    if pair.b in booting:
        return float("inf")
    return float(pair.b.run("sh", "-c", (FILES / "yardstick.sh").read_text()))
