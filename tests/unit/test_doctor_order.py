"""The order and the number of findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from netvip.commands import doctor
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Finding, Severity
from netvip.doctor.rules import apply_rules
from netvip.keepalived.reader import read

HEAD = "vrrp_instance {} {{\n interface eth0\n virtual_router_id {}\n virtual_ipaddress {{\n"


def findings(path: Path, *numbers: int) -> list[Finding]:
    """Those of instances with so many VIPs each."""
    text = ""
    for at, number in enumerate(numbers):
        vips = "".join(f"  192.0.2.{10 * at + n}\n" for n in range(number))
        text += f"{HEAD.format(f'I{at}', at + 1)}{vips} }}\n}}\n"
    path.write_text(text)
    return apply_rules(Facts(read(path)))


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.conf"


def test_the_grave_ones_come_first(conf: Path) -> None:
    order = [Severity.ERROR, Severity.WARNING, Severity.NOTE]
    found = [order.index(finding.severity) for finding in findings(conf, 2, 2)]
    assert found == sorted(found) and set(found) == {0, 1, 2}


def test_many_that_are_alike_are_one(conf: Path) -> None:
    alike = [f for f in findings(conf, 3) if f.code == "NV101"]
    assert len(alike) == 3
    (one,) = (f for f in findings(conf, 9) if f.code == "NV101")
    assert one.where == f"{conf}:5"
    assert one.text.endswith(f"(and in 8 more places, the last {conf}:13)")


def test_what_one_line_cures_is_one(conf: Path) -> None:
    found = [f for f in findings(conf, 1, 1) if f.code in ("NV123", "NV124")]
    assert [f.where for f in found] == [f"{conf}:1", f"{conf}:1"]
    assert all(f.text.endswith(f"(and in 1 more place, the last {conf}:8)") for f in found)


def test_the_last_line_tells_how_many_there_are(
    conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    findings(conf, 1)
    assert doctor.main(["--config", str(conf)]) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "2 errors, 3 warnings, 1 note"
