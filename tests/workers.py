"""Which worker of `pytest -n` runs a test."""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

from tests.suites import SUITES

#: "tests/lab/test_crash.py::test_name[bookworm-after]": the release among the parameters.
_PARAMETERS = re.compile(r"^tests/lab/.*\[(?P<parameters>.*)\]$")


class ByRelease(LoadScopeScheduling):
    """One worker has all tests of a release in the lab: they share pairs, which take long to boot.

    pytest-xdist's own marker for this, xdist_group, has no effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        found = _PARAMETERS.match(nodeid)
        words = found["parameters"].split("-") if found else []
        return next((word for word in words if word in SUITES), nodeid)
