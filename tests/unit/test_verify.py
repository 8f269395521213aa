"""netvip verify and netvip failback: what they say, and when they refuse."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from netvip.commands import failback, hand_over, verify
from netvip.control import client
from netvip.core.model import Tri
from netvip.errors import Refused
from netvip.sources import home

STEP = {"kind": "presence", "subject": "10.77.0.10/24", "finding": "yes", "words": "x", "took": 0.0}


def instance(**changes: Any) -> dict[str, Any]:
    steps, unlisted = changes.pop("steps", [STEP]), changes.pop("unlisted", 0)
    check = {"at": 7.5, "asked": 7.2, "faults": [], "steps": steps, "unlisted": unlisted}
    known = {"name": "VI_1", "state": "MASTER", "conflict": {"with": "", "confirmed": False}}
    return known | {"check": check} | changes


def document(*instances: dict[str, Any], fresh: bool = True, **failing: Any) -> dict[str, Any]:
    return {
        "instances": list(instances),
        "verified": {i["name"]: fresh for i in instances},
        "failback": {"home": "lb1", "here": "no", "answers": "yes"} | failing,
    }


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the daemon answers: the first entry, to whatever is asked."""
    answers: list[dict[str, Any]] = []
    monkeypatch.setattr(client, "ask", lambda *_, **__: answers[0])
    return answers


def test_each_step_has_a_line_with_its_finding_and_time(
    says: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    bad = STEP | {"kind": "reach", "finding": "no", "words": "elsewhere", "took": 0.0123}
    says.append(document(instance(steps=[STEP, bad])))
    assert verify.main([]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "VI_1: MASTER, 300 ms",
        "  presence   good            -  10.77.0.10/24: x",
        "  reach      BAD       12.3 ms  10.77.0.10/24: elsewhere",
    ]


def test_how_many_steps_are_not_listed_is_told(
    says: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    says.append(document(instance(unlisted=77)))
    assert verify.main([]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "  and 77 more steps"


@pytest.mark.parametrize(("finding", "code"), [("yes", 0), ("unknown", 0), ("no", 1)])
def test_the_exit_code_is_the_finding(says: list[dict[str, Any]], finding: str, code: int) -> None:
    says.append(document(instance(steps=[STEP | {"finding": finding}])))
    assert verify.main(["--json"]) == code


def test_one_that_could_not_be_made_shows_no_old_findings(
    says: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    says.append(document(instance(), fresh=False))
    assert verify.main(["VI_1"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "VI_1: MASTER\n"
    assert shown.err.startswith("netvip: VI_1: not checked: ")


@pytest.mark.parametrize("trigger", ["", "cron.service"])
def test_outside_the_window_never(monkeypatch: pytest.MonkeyPatch, trigger: str) -> None:
    monkeypatch.setenv(failback.TRIGGER, trigger)
    with pytest.raises(Refused, match=r"outside the maintenance window.*--now"):
        failback.main([])


@pytest.mark.parametrize(
    ("failing", "sentence"),
    [
        ({"home": ""}, r"no home node is configured"),
        ({"here": "unknown"}, "cannot resolve the home node"),
        ({"answers": "no"}, "lb1 does not answer an echo"),
        ({"answers": "unknown"}, "lb1 does not answer an echo"),
    ],
)
def test_it_refuses_with_a_reason(
    says: list[dict[str, Any]], failing: dict[str, Any], sentence: str
) -> None:
    says.append(document(instance(), **failing))
    with pytest.raises(Refused, match=sentence):
        failback.main(["--now"])


@pytest.mark.parametrize("changes", [{"here": "yes"}, {"state": "BACKUP"}])
def test_where_nothing_has_to_come_home_all_is_well(
    says: list[dict[str, Any]], capsys: pytest.CaptureFixture[str], changes: dict[str, Any]
) -> None:
    failing = {key: value for key, value in changes.items() if key == "here"}
    says.append(document(instance(**{k: v for k, v in changes.items() if k == "state"}), **failing))
    assert failback.main(["--now"]) == 0
    assert "nothing to do" in capsys.readouterr().out


def test_in_the_window_each_master_is_handed_over(
    says: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    handed: list[str] = []

    def hand(name: str) -> int:
        handed.append(name)
        if name == "B":
            raise Refused("B is just being looked after")
        return 0

    monkeypatch.setattr(failback, "hand_over", hand)
    monkeypatch.setenv(failback.TRIGGER, failback.TIMER)
    says.append(
        document(*(instance(name=name) for name in "AB"), instance(name="C", state="BACKUP"))
    )
    assert failback.main([]) == 1
    assert handed == ["A", "B"]


def test_home_is_known_by_its_name_or_its_address() -> None:
    name = os.uname().nodename
    assert home.is_here(name.upper(), None) is Tri.YES
    assert home.is_here(name.partition(".")[0], None) is Tri.YES
    assert home.is_here("another", None) is Tri.UNKNOWN
    assert home.is_here("127.0.0.1", home.resolve("127.0.0.1")) is Tri.YES
    assert home.is_here("192.0.2.1", home.resolve("192.0.2.1")) is Tri.NO
    assert home.resolve("a..b") is None and home.resolve("nowhere.invalid") is None
    assert str(home.resolve("localhost")) in ("127.0.0.1", "::1")


def test_the_unit_and_the_command_agree_on_the_timer_s_name() -> None:
    assert (Path(__file__).parents[2] / "systemd" / failback.TIMER).exists()
    assert hand_over.YIELDING == "yielding"
