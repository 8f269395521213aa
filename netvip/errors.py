"""What netvip raises for a reader: one sentence that says what is wrong and what to do."""

from __future__ import annotations


class NetvipError(Exception):
    """Base of all errors whose text is meant for the operator."""


class ConfigError(NetvipError):
    """A configuration file cannot be read; the text begins with file and line."""


class DaemonUnreachable(NetvipError):
    """The daemon does not answer on its control socket."""


class Refused(NetvipError):
    """The daemon heard, and will not; the text says why."""


class DumpError(NetvipError):
    """keepalived's state dump could not be had; the text says why."""
