"""The command line: exit codes, one sentence for a problem, and the status as text."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any, cast

import pytest

from netvip import __version__
from netvip.cli import VERBS, main
from netvip.commands.hand_over import refusal
from netvip.commands.status import lines
from netvip.control.server import ControlServer
from netvip.control.status import Status
from tests.unit.helpers import command, environment, run

STATUS: dict[str, Any] = {
    "static": [],
    "version": "1.2",
    "keepalived": "yes",
    "networkd": "yes",
    "problem": "",
    "elsewhere": [],
    "instances": [
        {
            "name": "VI_1",
            "interface": "ens160",
            "vrid": 51,
            "family": "IPv4",
            "state": "MASTER",
            "mode": "guarded",
            "unprotected": "",
            "lapsed": "",
            "managed": "yes",
            "phase": "calm",
            "verdict": "good",
            "check": {"at": None, "asked": None, "faults": [], "steps": [], "unlisted": 0},
            "conflict": {"with": "", "confirmed": False},
            "ignored": [],
            "objects": [
                {"object": "route 10.99.0.0/16", "present": True, "tracked": False},
            ],
            "vips": [
                {
                    "address": "10.77.0.10/24",
                    "interface": "ens160",
                    "present": True,
                    "shielded": False,
                    "steered": False,
                },
                {
                    "address": "10.77.0.11/24",
                    "interface": "eth1",
                    "present": False,
                    "shielded": True,
                    "steered": True,
                },
            ],
        }
    ],
    "windows": [],
    "holds": [],
}


def test_help_is_no_error() -> None:
    done = run(sys.executable, "-m", "netvip", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert all(f"  {verb} " in done.stdout for verb in VERBS)


@pytest.mark.parametrize(
    "words", [[], ["reboot"], ["--status"], ["status", "--jsn"], ["adopt", "x"]]
)
def test_what_is_no_command_is_usage(words: list[str]) -> None:
    done = run(sys.executable, "-m", "netvip", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr and "Traceback" not in done.stderr


def test_an_unknown_verb_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reboot"]) == 2
    assert capsys.readouterr().err == "netvip: unknown verb 'reboot'; see netvip --help\n"


@pytest.mark.parametrize("word", ["--help", "-h", "help"])
def test_help_lists_every_verb_and_exit_code(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert main([word]) == 0
    shown = capsys.readouterr().out
    assert all(f"  {verb} " in shown for verb in VERBS)
    assert "0 fine, 1 a finding, 2 usage, 3 daemon not reachable" in shown


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_explains_itself(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = main([verb, "--help"])
    except SystemExit as ended:  # argparse's way
        code = ended.code
    assert code == 0
    assert f"usage: netvip {verb}" in capsys.readouterr().out


def test_the_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"netvip {__version__}\n"


def test_status_without_a_daemon_is_3_and_one_sentence(tmp_path: Path) -> None:
    done = run(*command(tmp_path, "status"))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.startswith("netvip: netvip's daemon does not answer on ")
    assert done.stderr.count("\n") == 1


def failed(problem: BaseException) -> None:
    pytest.fail(f"the handler raised {problem!r}")


async def answered(place: Path, status: dict[str, Any], *words: str) -> tuple[int, str, str]:
    """Exit code, output and errors of `netvip status` where the daemon says this."""
    verb = "status" if status else "another"
    server = ControlServer({verb: lambda _: status}, failed, str(place / "control"))
    await server.start()
    try:
        process = await asyncio.create_subprocess_exec(
            *command(place, "status", *words), env=environment(), stdout=-1, stderr=-1
        )
        output, errors = await asyncio.wait_for(process.communicate(), 20)
        return process.returncode or 0, output.decode(), errors.decode()
    finally:
        await server.close()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("changes", "code"), [({}, 0), ({"problem": "systemd-networkd is not running"}, 1)]
)
async def test_status_exits_with_its_finding(
    tmp_path: Path, changes: dict[str, Any], code: int
) -> None:
    document = STATUS | changes
    expected = "\n".join(lines(cast(Status, document))) + "\n"
    assert await answered(tmp_path, document) == (code, expected, "")


@pytest.mark.asyncio
@pytest.mark.parametrize(("mode", "code", "advice"), [("guarded", 1, True), ("assisted", 0, False)])
async def test_an_adopted_instance_that_cannot_be_protected_is_a_finding(
    tmp_path: Path, mode: str, code: int, advice: bool
) -> None:
    why = {"unprotected": "ens160 belongs to the VRF vrf0", "mode": mode}
    document = STATUS | {"instances": [STATUS["instances"][0] | why]}
    returned, output, _ = await answered(tmp_path, document)
    assert returned == code
    assert "not protected: ens160 belongs to the VRF vrf0; keepalived alone" in output
    assert ("netvip adopt --revert" in output) is advice


@pytest.mark.asyncio
async def test_an_interface_that_networkd_leaves_alone_is_named(tmp_path: Path) -> None:
    document = STATUS | {"instances": [STATUS["instances"][0] | {"managed": "no"}]}
    code, output, _ = await answered(tmp_path, document)
    assert code == 0
    assert "systemd-networkd does not manage ens160, eth1: it deletes nothing there" in output


@pytest.mark.asyncio
async def test_a_failed_verdict_is_a_finding(tmp_path: Path) -> None:
    failed = STATUS["instances"][0] | {"verdict": "failed"}
    code, output, _ = await answered(tmp_path, STATUS | {"instances": [failed]}, "--json")
    assert (code, '"verdict": "failed"' in output) == (1, True)


@pytest.mark.asyncio
async def test_a_daemon_of_another_version_is_told_in_a_sentence(tmp_path: Path) -> None:
    code, _, errors = await answered(tmp_path, {})
    assert code in (1, 3)
    assert errors.startswith("netvip: ") and errors.count("\n") == 1


# --- the status as text -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, ""),
        ({"name": "VI_2"}, "unknown VRRP instance VI_1; known: VI_2"),
        ({"state": "BACKUP"}, "VI_1 is BACKUP on this node; there is nothing to hand over"),
        ({"mode": "assisted"}, "keepalived does not follow netvip's track file for VI_1"),
        ({"track_file": False}, "keepalived does not follow netvip's track file for VI_1"),
        ({"phase": "shielded"}, "netvip is working on VI_1 (shielded)"),
    ],
)
def test_what_cannot_be_yielded_is_refused_with_a_reason(
    changes: dict[str, Any], sentence: str
) -> None:
    instance = {"name": "VI_1", "state": "MASTER", "mode": "guarded", "track_file": True}
    status = {"instances": [instance | {"phase": "watching"} | changes]}
    found = refusal(cast(Status, status), "VI_1")
    assert found.startswith(sentence) and bool(found) is bool(sentence)


def document(changes: dict[str, Any]) -> Status:
    return cast(Status, STATUS | changes)


def test_a_calm_status_is_a_few_lines() -> None:
    assert list(lines(document({}))) == [
        "netvip 1.2",
        "VI_1: MASTER on ens160, vrid 51, guarded, good",
        "  10.77.0.10/24 on ens160: present",
        "  10.77.0.11/24 on eth1: absent, shielded, routed by a rule of the operator's",
        "no window is open",
    ]


def test_a_problem_stands_first_and_a_window_says_how_long_it_may_last() -> None:
    opened, ended = (
        {"interface": name, "reason": reason, "opened": 0.0, "deadline": time.time() + left}
        for name, reason, left in (("ens160", "reload", 7.4), ("eth1", "job", -3.0))
    )
    changes = {"problem": "x is missing", "instances": [], "windows": [opened, ended]}
    assert list(lines(document(changes))) == [
        "netvip 1.2",
        "x is missing",
        "window on ens160: reload; ends within 7 s",
        "window on eth1: job; ends within 0 s",
    ]


def test_a_missing_virtual_route_is_named() -> None:
    gone = [{"object": "route 10.99.0.0/16", "present": False, "tracked": False}]
    document = STATUS | {"instances": [STATUS["instances"][0] | {"objects": gone}], "static": gone}
    shown = list(lines(cast(Status, document)))
    assert "  missing: virtual route 10.99.0.0/16" in shown
    assert "missing: static route 10.99.0.0/16" in shown
