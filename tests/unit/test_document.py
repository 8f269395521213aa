"""The status document of many steps."""

from __future__ import annotations

from netvip.control.document import shown
from netvip.core.check.verdicts import Kind, Step
from netvip.core.model import Tri

STEPS = [Step(Kind.REACH, str(n), Tri.YES, "") for n in range(10)]


def test_few_steps_are_listed_as_they_are() -> None:
    assert list(shown(STEPS, 10)) == STEPS


def test_of_many_those_that_are_not_good_come_first() -> None:
    steps = [*STEPS, STEPS[0]._replace(finding=Tri.NO), STEPS[0]._replace(finding=Tri.UNKNOWN)]
    assert [step.finding for step in shown(steps, 3)] == [Tri.NO, Tri.UNKNOWN, Tri.YES]
