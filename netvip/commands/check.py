"""netvip check [INSTANCE]: check whether this node serves the VIPs that keepalived gave it.

The check fails (exit code 1) if this node is MASTER and a VIP is missing from its interface. It
passes (exit code 0) during a window, for a BACKUP, and where the state is not known.

netvip check --hold COMMAND [ARGUMENT...] runs a check script of the operator. During a window it
does not run the command, but returns the command's last result.
"""

from __future__ import annotations

import sys

from netvip.const import HOLD_SCRIPT, RUN
from netvip.keepalived.names import file_name

# keepalived may run this every second: it imports nothing that costs (fact start-up-cost), `os` and
# the kernel's addresses only where they are needed.

USAGE = "usage: netvip check [INSTANCE] | netvip check --hold COMMAND [ARGUMENT...]"


def main(arguments: list[str]) -> int:
    """Print the result, and return it as exit code."""
    if arguments[:1] in (["--help"], ["-h"]):
        print(f"{USAGE}\n\n{__doc__}")
        return 0
    if arguments[:1] == ["--hold"] and arguments[1:]:
        return _hold(arguments[1:])
    if len(arguments) > 1 or arguments[:1] == ["--hold"]:
        print(USAGE, file=sys.stderr)
        return 2
    names = [file_name(arguments[0])] if arguments else _published()
    if not names:
        print("no VRRP instance is known; the check passes")
    return max([_check(name) for name in names], default=0)


def _hold(command: list[str]) -> int:
    import os

    try:
        os.execv(HOLD_SCRIPT, [HOLD_SCRIPT, *command])
    except OSError:
        pass  # without the script the command runs as it is
    try:
        os.execvp(command[0], command)
    except OSError as problem:
        print(f"netvip: cannot run {command[0]}: {problem.strerror}", file=sys.stderr)
    return 127  # sh(1): command not found


def _published() -> list[str]:
    import os

    try:
        return sorted(name for name in os.listdir(f"{RUN}/verdict") if not name.startswith("."))
    except OSError:
        return []


def _check(name: str) -> int:
    """Check one instance: by what the daemon published while it runs, and otherwise by keepalived's
    state and the kernel's addresses."""
    published = _lines(f"{RUN}/verdict/{name}")
    if not published:
        print(f"{name}: its state is not known; the check passes")
        return 0
    told = {words[0]: words[1:] for words in published}
    if _alive():
        state, verdict = "".join(told.get("state", [])), "".join(told.get("verdict", []))
        if "held" in told:
            return _answer(name, state, "", "a window is open, or netvip restores a VIP")
        if verdict == "failed" and state != "FAULT":
            return _answer(name, state, " ".join(told.get("why", ["a VIP is missing"])))
        if verdict == "good" and state == "MASTER":  # as the kernel told the daemon
            return _answer(name, state, "")
    else:
        state = _state(name)
    if state != "MASTER":
        return _answer(name, state or "UNKNOWN", "", "this node need not have the VIPs")
    missing = _missing([words[1:3] for words in published if words[0] == "vip"])
    objects = [words for words in published if words[0] in ("route", "rule")]
    missing = ", ".join(word for word in (missing, *_missing_objects(objects)) if word)
    return _answer(name, state, f"missing: {missing}" if missing else "")


def _answer(name: str, state: str, problem: str, good: str = "every VIP is present") -> int:
    print(f"{name}: {state}, {problem or good}")
    return 1 if problem else 0


def _lines(path: str) -> list[list[str]]:
    try:
        with open(path, errors="surrogateescape") as file:
            return [words for line in file if (words := line.split())]
    except OSError:
        return []


def _alive() -> bool:
    try:
        return float(_lines("/proc/uptime")[0][0]) * 100 < int(_lines(f"{RUN}/alive")[0][0])
    except (IndexError, ValueError):
        return False


def _state(name: str) -> str:
    """The last state that a running keepalived reported; empty if none did."""
    import os

    try:
        entries = os.listdir(f"{RUN}/state")
    except OSError:
        return ""
    for entry in entries:
        instance, _, process = entry.rpartition("@")
        if instance == name and _runs(*process.split(".")[:2]):
            return "".join(*_lines(f"{RUN}/state/{entry}")[:1])
    return ""


def _runs(pid: str, start: str = "") -> bool:
    fields = " ".join(map(" ".join, _lines(f"/proc/{pid}/stat"))).rpartition(")")[2].split()
    return fields[19:20] == [start]


def _missing(vips: list[list[str]]) -> str:
    """The VIPs that are not on their interface; none where the kernel's addresses are not known."""
    if not vips:
        return ""
    from netvip.linux.addresses import parsed, present

    here = present()
    return ", ".join(ip for dev, ip in vips if here and (dev, parsed(ip)) not in here)


def _missing_objects(objects: list[list[str]]) -> list[str]:
    """The routes and rules that the kernel does not have; none where they are not known."""
    if not objects:
        return []
    from netvip.linux.objects_present import missing

    return [" ".join(words) for words in missing(objects)]
