"""The errors that netvip shows to an operator: one sentence, what is wrong and what to do."""

from __future__ import annotations


class NetvipError(Exception):
    """Base of all errors whose text is meant for the operator."""


class ConfigError(NetvipError):
    """A configuration file cannot be read; the text begins with file and line."""


class DaemonUnreachable(NetvipError):
    """The daemon does not answer on its control socket."""


class Refused(NetvipError):
    """The daemon refused a request; the text says why."""


class DumpError(NetvipError):
    """keepalived's state dump cannot be read; the text says why."""


class NetworkdUnreachable(NetvipError):
    """systemd-networkd does not answer on D-Bus; the text says why."""
