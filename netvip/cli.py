"""netvip VERB …: finds the verb's module and imports that alone."""

from __future__ import annotations

import sys

#: Verb, its module in netvip.commands, and what it does in a few words.
VERBS = {
    "daemon": ("daemon", "run the daemon (what netvip.service does)"),
    "status": ("status", "show instances, VIPs and open windows [--json]"),
    "doctor": ("doctor", "judge keepalived's configuration, its scripts and this host [--json]"),
    "check": ("check", "is this node fit for its state? [INSTANCE | --hold COMMAND...]"),
    "notify": ("notify", "keepalived's notify script: TYPE NAME STATE [PRIORITY]"),
    "hold": ("hold", "be ready: somebody is at work here [--reason R] [--for T]"),
    "release": ("release", "end a hold [--reason R]"),
    "yield": ("hand_over", "hand an instance's addresses over to the peer: INSTANCE"),
    "verify": ("verify", "the coordinated check, now, step by step [INSTANCE]"),
    "failback": ("failback", "bring the addresses home, in the maintenance window [--now]"),
    "hook": ("hook", "tell the daemon what a hook would: EVENT..."),
    "adopt": ("adopt", "make keepalived.conf guarded [--apply|--revert]"),
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
            "netvip VERB --help tells more. Exit: 0 fine, 1 a finding, 2 usage, "
            "3 daemon not reachable.",
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
            usage() if not words else f"netvip: there is no verb {words[0]!r}; try netvip --help",
            file=sys.stderr,
        )
        return USAGE
    return _run(words[0], words[1:])


def _run(verb: str, arguments: list[str]) -> int:
    # importlib's own way costs its import; keepalived may run `netvip check` every second.
    module = __import__(f"netvip.commands.{VERBS[verb][0]}", fromlist=["main"])
    try:
        return int(module.main(arguments))
    except BrokenPipeError:
        return FINDING  # whoever read our output has gone
    except Exception as problem:
        from netvip.errors import DaemonUnreachable, NetvipError

        if not isinstance(problem, NetvipError):
            raise
        print(f"netvip: {problem}", file=sys.stderr)
        return UNREACHABLE if isinstance(problem, DaemonUnreachable) else FINDING


if __name__ == "__main__":
    sys.exit(main())
