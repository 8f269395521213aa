"""Which worker of `pytest -n` runs a test."""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

from tests.suites import SUITES

#: "tests/lab/test_crash.py::test_name[bookworm-after]"
_LAB = re.compile(r"^(?P<module>tests/lab/\w+\.py)::.*\[(?P<parameters>.*)\]$")


class ByModule(LoadScopeScheduling):
    """One worker has all tests of a module of the lab with a release: they share pairs, which take
    long to boot.

    pytest-xdist's own marker for this, xdist_group, has no effect with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        if found := _LAB.match(nodeid):
            for release in SUITES:
                if release in found["parameters"].split("-"):
                    return f"{found['module']}[{release}]"
        return nodeid
