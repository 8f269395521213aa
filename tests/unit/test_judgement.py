"""doctor shows first what keepalived -t says."""

from __future__ import annotations

from pathlib import Path

import pytest

from netvip.doctor import judgement
from netvip.doctor.facts import Facts
from netvip.doctor.findings import Severity
from netvip.doctor.judgement import Judgement, judge
from netvip.doctor.rules import apply_rules
from netvip.keepalived.reader import read


@pytest.fixture
def keepalived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in keepalived's place; the test writes it."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("os.geteuid", lambda: 0)
    program = tmp_path / "keepalived"
    program.touch(0o755)
    return program


def test_its_status_and_its_lines_are_read(keepalived: Path) -> None:
    keepalived.write_text('#!/bin/sh\necho "$*" >&2\necho\necho "(Line 3) x"\nexit 4\n')
    assert judge(Path("/etc/k.conf")) == Judgement(4, ("-t -f /etc/k.conf", "(Line 3) x"))


def test_it_is_not_waited_for_without_end(keepalived: Path) -> None:
    keepalived.write_text("#!/bin/sh\nexec sleep 60\n")
    assert judge(Path("/etc/k.conf"), 0.2) == Judgement(None)


def test_where_it_cannot_be_asked_nothing_is_said(
    keepalived: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keepalived.unlink()
    assert judge(Path("/etc/k.conf")) is None
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert judge(Path("/etc/k.conf")) is None
    assert list(judgement.finding(None)) == list(judgement.finding(Judgement(0, ("x",)))) == []


@pytest.mark.parametrize(
    ("told", "severity", "text"),
    [
        (Judgement(2, ("a",)), Severity.ERROR, "keepalived -t exits with 2; it tells:"),
        (Judgement(4, ("a",)), Severity.WARNING, "keepalived -t exits with 4; it tells:"),
        (
            Judgement(None),
            Severity.WARNING,
            "keepalived -t has not ended within 15 s: a name server",
        ),
    ],
)
def test_it_comes_first(tmp_path: Path, told: Judgement, severity: Severity, text: str) -> None:
    conf = tmp_path / "keepalived.conf"
    conf.write_text("vrrp_instance A {\n interface eth0\n virtual_ipaddres {\n 10.0.0.1\n }\n}\n")
    first, *others = apply_rules(Facts(read(conf), judgement=told))
    assert (first.code, first.severity) == ("NV100", severity) and first.text.startswith(text)
    assert others


def test_of_many_lines_the_first_are_shown() -> None:
    (found,) = judgement.finding(Judgement(4, tuple(map(str, range(20)))))
    assert found.instead == (*map(str, range(12)), "and 8 more lines")
