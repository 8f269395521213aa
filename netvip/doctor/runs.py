"""What the scripts of a configuration run, and which commands change addresses or keepalived."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from netvip.const import CHECK_SCRIPT, NOTIFY_SCRIPT
from netvip.doctor import shell
from netvip.doctor.facts import Command, Facts, holders
from netvip.doctor.shell import Pipeline, Words
from netvip.keepalived.configuration import IP, Notify, Script

PINGS = frozenset({"ping", "ping4", "ping6", "arping", "fping"})
CONNECTS = frozenset({"curl", "wget", "nc", "ncat", "netcat", "telnet"})
#: Options whose value is a source or a name, not a destination.
FROM = frozenset({"-I", "-S", "-s", "--interface", "--bind-address", "--source"})
ASIDE = frozenset(
    {"-H", "--header", "-A", "--user-agent", "-e", "--referer", "-o", "-b", "--cookie"}
)
ASIDE |= {"-d", "--data", "-w", "--write-out", "--resolve", "--connect-to", "-u", "--user"}
LOCAL_SOCKET = frozenset({"--unix-socket", "--abstract-unix-socket", "-U"})
#: ip(8): options before the object that take a value, and what changes an address.
IP_VALUES = frozenset({"-f", "-family", "-n", "-netns", "-rc", "-rcvbuf", "-b", "-batch"})
CHANGES = ("add", "delete", "replace", "change", "flush")
STARTS_AGAIN = frozenset({"restart", "try-restart", "reload-or-restart", "condrestart"})
ENDS = STARTS_AGAIN | {"stop", "kill"}


def checks(facts: Facts) -> Iterator[tuple[Script, Command]]:
    """The operator's vrrp_scripts."""
    for script in facts.configuration.scripts.values():
        command = facts.commands.get(script.command)
        if command is not None and command.words[:1] != (CHECK_SCRIPT,):
            yield script, command


def notifies(facts: Facts) -> Iterator[tuple[Notify, Command]]:
    """The operator's notify scripts."""
    for notify in (n for holder in holders(facts.configuration) for n in holder.notifies):
        command = facts.commands.get(notify.command)
        if command is not None and command.words[:1] != (NOTIFY_SCRIPT,):
            yield notify, command


@cache
def pipelines(command: Command) -> tuple[Pipeline, ...]:
    """What the command line and the script that it names run."""
    own = shell.pipelines(command.line)
    return own if command.text is None else own + shell.pipelines(command.text, command.arguments)


def commands(command: Command) -> Iterator[Words]:
    """The commands of all its pipelines."""
    for pipeline in pipelines(command):
        yield from pipeline.commands


def vips(facts: Facts) -> set[IP]:
    """Every VIP of the configuration."""
    instances = facts.configuration.instances.values()
    return {address.ip for instance in instances for address in instance.addresses}


def named(words: Words) -> set[IP]:
    """The addresses that words name."""
    return {address for word in words for address in shell.addresses(word)}


def means_vip(words: Words, known: set[IP]) -> bool:
    """Whether they name a VIP, or a variable named so whose value is not known."""
    return bool(named(words) & known) or any(
        "vip" in w[w.index("$") :].lower() for w in _open(words)
    )


def unknown(words: Words) -> bool:
    """Whether the value of a variable is not known."""
    return bool(_open(words))


def _open(words: Words) -> list[str]:
    return [word for word in words if "$" in word.replace("$(", "")]


def targets(command: Words) -> Words:
    """The destination of a ping or a connection: the words without the values of options that
    give a source or a name."""
    return _without(command, FROM | ASIDE)


def sources(command: Words) -> Words:
    """Its source."""
    return tuple(b for a, b in pairwise(command) if a in FROM)


def _without(command: Words, options: frozenset[str]) -> Words:
    pairs = pairwise(("", *command))
    return tuple(word for before, word in pairs if before not in options)


def stays_here(command: Words) -> bool:
    """Whether it uses the loopback interface only."""
    where = targets(command)
    local = any("localhost" in word for word in where) or any(ip.is_loopback for ip in named(where))
    return local or bool(LOCAL_SOCKET & set(command))


def reads_addresses(command: Words) -> bool:
    """ip address show, ifconfig, hostname -I."""
    name = shell.program(command)
    if name == "ip":
        words = _address(command)
        return words is not None and not _changes(words)
    return name == "ifconfig" or (name == "hostname" and "-I" in command)


def changes_addresses(command: Words) -> bool:
    """ip address add, delete, replace, flush."""
    words = _address(command)
    return shell.program(command) == "ip" and words is not None and _changes(words)


def _changes(words: Words) -> bool:
    # ip accepts any unambiguous beginning of a word, and d for delete.
    return any(
        len(word) > (change != "delete") and change.startswith(word)
        for change in CHANGES
        for word in words[:1]
    )


def _address(command: Words) -> Words | None:
    """The words after `ip address`; None if the command is about another object."""
    words = list(command[1:])
    while words and words[0].startswith("-"):
        del words[: 2 if words[0] in IP_VALUES else 1]
    return tuple(words[1:]) if words and "address".startswith(words[0]) else None


def ends_keepalived(command: Words) -> bool:
    """Whether it stops or restarts keepalived."""
    words = {word.removesuffix(".service") for word in command[1:]}
    name = shell.program(command)
    if name in ("systemctl", "service"):
        return "keepalived" in words and bool(words & ENDS)
    if name in ("killall", "pkill"):
        return "keepalived" in words and not words & {"-0", "-HUP", "-1", "-USR1", "-USR2"}
    return name == "keepalived" and "/init.d/" in command[0] and bool(words & ENDS)


def restarts_keepalived(command: Words) -> bool:
    """Whether it restarts keepalived."""
    return ends_keepalived(command) and bool(STARTS_AGAIN & set(command))
