"""The reader, doctor and adopt take time in proportion to the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path

import pytest

from netvip.doctor.facts import Facts, commands
from netvip.doctor.rules import apply_rules
from netvip.keepalived import adoption_lines, unadoption
from netvip.keepalived.adoption import Host, insertions
from netvip.keepalived.declared import declaration
from netvip.keepalived.edits import diff
from netvip.keepalived.reader import read
from tests.unit.helpers import ROOT, run

HOST = Host((2, 3, 3), {("eth0", 4): ip_address("192.0.2.1")})
FEW, MANY = 50, 400
#: Eight times as much may take this many times as long, on a busy machine as well; what is
#: quadratic takes more than 30 times as long.
MOST = 20


def guarded(number: int) -> str:
    """The generator of the inputs."""
    script = ROOT / "tests/unit/inputs/15-many-instances.py"
    return run("python3", str(script), str(number)).stdout


def plain(number: int) -> str:
    """Instances that are not guarded."""
    return "".join(
        f"vrrp_instance I{n} {{\n interface eth0\n virtual_router_id {n % 255 + 1}\n"
        f" virtual_ipaddress {{\n  10.1.{n // 250}.{n % 250}\n }}\n}}\n"
        for n in range(number)
    )


def addresses(number: int) -> str:
    """One instance of ten times as many VIPs."""
    vips = "\n".join(f"  10.1.{n // 250}.{n % 250}" for n in range(10 * number))
    return (
        "vrrp_instance I {\n interface eth0\n virtual_router_id 1\n virtual_ipaddress {\n"
        f"{vips}\n }}\n}}\n"
    )


def mistakes(number: int) -> str:
    """Words that keepalived does not know."""
    return plain(number).replace("virtual_ipaddress", "virtual_ipadress")


def everything(path: Path) -> None:
    """What netvip doctor and netvip adopt do with it."""
    configuration = read(path)
    declaration(path, None, ())
    own = {"eth0": ()}
    kernel = {"eth0": (0, 0)}
    facts = Facts(configuration, (), commands=commands(configuration, here=False))
    apply_rules(facts)
    apply_rules(Facts(configuration, own=own, promote_secondaries=kernel))
    diff(Path, configuration.texts, insertions(configuration, HOST))
    given = unadoption.bare(configuration)
    list(adoption_lines.lines(read(path, given=given), HOST))


def seconds(path: Path, text: str) -> float:
    path.write_text(text)
    best = 999.0
    for _ in range(2):
        begun = time.process_time()
        everything(path)
        best = min(best, time.process_time() - begun)
    return best


@pytest.mark.parametrize("written", [guarded, plain, addresses, mistakes])
def test_nothing_is_quadratic(tmp_path: Path, written: Callable[[int], str]) -> None:
    path = tmp_path / "keepalived.conf"
    assert seconds(path, written(MANY)) < MOST * seconds(path, written(FEW))
