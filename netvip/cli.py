"""netvip VERB: finds the module of a verb, and imports nothing else."""

from __future__ import annotations

import sys

#: Each verb, its module in netvip.commands, and its summary.
VERBS = {
    "daemon": ("daemon", "run the daemon (netvip.service does this)"),
    "status": ("status", "show instances, VIPs, windows and holds [--json]"),
    "doctor": ("doctor", "find mistakes in keepalived's configuration, scripts and host [--json]"),
    "preview": ("preview", "show what systemd-networkd deletes next [--json] [--action ACTION]"),
    "check": ("check", "check the VIPs for keepalived [INSTANCE | --hold COMMAND...]"),
    "notify": (
        "notify",
        "record a state, as keepalived's notify script: TYPE NAME STATE [PRIORITY]",
    ),
    "hold": ("hold", "announce work on this machine [--reason R] [--for T]"),
    "release": ("release", "end a hold [--reason R]"),
    "yield": ("hand_over", "hand the VIPs of an instance over to the peer: INSTANCE"),
    "verify": ("verify", "run the coordinated check and show its steps [INSTANCE]"),
    "failback": ("failback", "hand the VIPs over to their home node [--now]"),
    "hook": ("hook", "send a request to the daemon, as a hook does: REQUEST..."),
    "adopt": ("adopt", "adapt keepalived.conf to netvip [--apply|--revert]"),
}
OK, FINDING, USAGE, UNREACHABLE = 0, 1, 2, 3


def usage() -> str:
    """What `netvip --help` prints."""
    lines = [f"  {verb:8} {what}" for verb, (_, what) in VERBS.items()]
    return "\n".join(
        [
            "usage: netvip VERB [OPTION...]",
            "",
            *lines,
            "",
            "Use netvip VERB --help for details. Exit codes: 0 fine, 1 a finding, "
            "2 usage, 3 daemon not reachable.",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run a verb; return its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] in (["--help"], ["-h"], ["help"]):
        print(usage())
        return OK
    if words[:1] == ["--version"]:
        from netvip import __version__

        print(f"netvip {__version__}")
        return OK
    if not words or words[0] not in VERBS:
        print(
            usage() if not words else f"netvip: unknown verb {words[0]!r}; see netvip --help",
            file=sys.stderr,
        )
        return USAGE
    return _run(words[0], words[1:])


def _run(verb: str, arguments: list[str]) -> int:
    # importlib would have to be imported; keepalived may run `netvip check` every second.
    module = __import__(f"netvip.commands.{VERBS[verb][0]}", fromlist=["main"])
    try:
        return int(module.main(arguments))
    except BrokenPipeError:
        return FINDING  # the reader of the output has exited
    except Exception as problem:
        from netvip.errors import DaemonUnreachable, NetvipError

        if not isinstance(problem, NetvipError):
            raise
        print(f"netvip: {problem}", file=sys.stderr)
        return UNREACHABLE if isinstance(problem, DaemonUnreachable) else FINDING


if __name__ == "__main__":
    sys.exit(main())
