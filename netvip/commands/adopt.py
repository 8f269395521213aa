"""netvip adopt: show, apply or revert the guarded keepalived configuration."""

from __future__ import annotations

import argparse
import asyncio
import pwd
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address
from itertools import product
from pathlib import Path
from types import FrameType, MappingProxyType

from netvip import config
from netvip.const import RUN, STATE_DIRECTORY
from netvip.core.coverage import too_many, why_not_on
from netvip.core.mirror import Mirror
from netvip.core.model import AF_INET, AF_INET6
from netvip.errors import ConfigError, DaemonUnreachable, DumpError, NetvipError
from netvip.keepalived import adoption, adoption_lines, files, script_files, unadoption
from netvip.keepalived.backup import Backup, Saved
from netvip.keepalived.configuration import Configuration
from netvip.keepalived.current import Current, current
from netvip.keepalived.edits import diff, insert
from netvip.keepalived.files import AdoptError
from netvip.keepalived.reader import read
from netvip.keepalived.reverted import Reverted, reverted
from netvip.keepalived.scripts import default_user

BACKUP = Path(STATE_DIRECTORY) / "adopt"
#: Makes the directories for the last results of wrapped checks; read by systemd-tmpfiles at boot.
TMPFILES = Path("/etc/tmpfiles.d/netvip-checks.conf")
LIMIT = 30.0
#: Seconds until keepalived has reloaded and the daemon has read its state.
CONFIRM_LIMIT = 10.0
#: What ends a command: the terminal, a closed connection, systemd.
ENDING = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)
PLACE = re.compile(r"^\([^()\n]*Line \d+\) ?", re.MULTILINE)


#: What -t reports where scripts run without enable_script_security.
NO_SECURITY = "SECURITY VIOLATION - "


def main(arguments: list[str]) -> int:
    """Print the diff; with --apply or --revert, change the files and reload keepalived; with
    --check, only exit with 0 if every instance is adopted; with --print, show the lines."""
    parser = argparse.ArgumentParser(prog="netvip adopt", description=__doc__)
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--apply", action="store_true", help="change the files and reload keepalived"
    )
    either.add_argument(
        "--revert", action="store_true", help="restore the files as they were before"
    )
    either.add_argument(
        "--check", action="store_true", help="exit with 0 if nothing is left to adopt, else with 1"
    )
    either.add_argument(
        "--print",
        action="store_true",
        dest="show",
        help="print the lines of an adopted configuration, for the template that makes it",
    )
    parser.add_argument(
        "--instance",
        action="append",
        default=[],
        metavar="NAME",
        help="with --print, the lines of this VRRP instance",
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        metavar="[INSTANCE=]ADDR",
        help="the source address of adverts, if the interface has no static address",
    )
    parser.add_argument(
        "--wrap-checks",
        action="store_true",
        help="make your own vrrp_scripts keep their last result during a window",
    )
    options = parser.parse_args(arguments)
    sources = _sources(options.source)
    if options.revert:
        return _revert()
    if options.check:
        return _check(sources, options.wrap_checks)
    if options.show:
        return _print(sources, options.instance)
    return _adopt(options.apply, sources, options.wrap_checks)


#: The source addresses that the operator names, by instance.
Sources = Mapping[str, IPv4Address | IPv6Address]


def _sources(words: list[str]) -> dict[str, IPv4Address | IPv6Address]:
    found = {}
    for word in words:
        name, _, text = word.rpartition("=")
        try:
            found[name] = ip_address(text)
        except ValueError:
            raise AdoptError(
                f"invalid address {text!r} in --source {word}: use an IP address"
            ) from None
    return found


def _found(sources: Sources) -> tuple[Current, Configuration, adoption.Host]:
    """The keepalived, what its files say, and what the host tells."""
    now = _running()
    configuration = _read(now)
    if not configuration.instances:
        raise AdoptError(
            f"no vrrp_instance in {now.place.main_file}: keepalived runs no VRRP; "
            "netvip doctor tells why"
        )
    return now, configuration, _host(configuration, sources, now)


def _read(now: Current, given: Mapping[Path, str] = MappingProxyType({})) -> Configuration:
    """Its configuration, with these texts in the place of the files'."""
    version, root = now.build.version, now.place.root
    return read(now.place.main_file, node=now.node, version=version, root=root, given=given)


def _check(sources: Sources, wrap_checks: bool) -> int:
    _, configuration, host = _found(sources)
    edits = adoption.insertions(configuration, host, wrap_checks)
    return 1 if edits or adoption.unprotectable_ones(configuration, host) else 0


def _print(sources: Sources, names: Sequence[str]) -> int:
    now = _running()
    adopted = _read(now)
    if unknown := sorted(set(names) - adopted.instances.keys()):
        raise AdoptError(f"no vrrp_instance {', '.join(unknown)} in {now.place.main_file}")
    bare = _read(now, unadoption.bare(adopted))
    host = _host(adopted, sources, now)
    for line in adoption_lines.lines(bare, host, names):
        print(line)
    return 1 if _report_left(bare, host) else 0


def _adopt(apply: bool, sources: Sources, wrap_checks: bool) -> int:
    now, configuration, host = _found(sources)
    _report_astray(configuration)
    edits = adoption.insertions(configuration, host, wrap_checks)
    left = _report_left(configuration, host)
    if not edits:
        print(f"nothing to do: every {'other ' if left else ''}instance is guarded")
        return 1 if left else 0
    _report_consequences(configuration, host)
    # Bytes that are not UTF-8 are shown escaped; the files keep them.
    shown = diff(now.place.name, configuration.texts, edits)
    print(shown.encode(errors="surrogateescape").decode(errors="replace"), end="")
    if not apply:
        print("\nnothing was changed; netvip adopt --apply makes this change")
        return 1
    if now.place.is_contained:
        raise AdoptError(
            "keepalived runs in a container: make this change where its configuration comes from "
            "(a volume, an image, a template), and reload keepalived; see netvip(8), Containers"
        )
    changed = insert(configuration.texts, edits)
    before: dict[Path, bytes | None] = {
        path: files.encoded(configuration.texts[path]) for path in changed
    }
    after = {path: files.encoded(text) for path, text in changed.items()}
    if wrap_checks:
        _with_tmpfiles(before, after, adoption.wrapped_users(configuration, host))
    _apply(now, before, after)
    print("applied; netvip adopt --revert restores the files")
    return 1 if left else 0


def _host(
    configuration: Configuration,
    sources: Mapping[str, IPv4Address | IPv6Address],
    now: Current,
) -> adoption.Host:
    user = default_user(configuration, _has_user)
    host = adoption.Host(
        now.build.version,
        own_addresses(),
        sources,
        now.node,
        user or "root",
        _unprotectable(),
        too_many,
        no_default_user=user is None,
    )
    if now.place.is_contained:
        return host  # its scripts and users are not this host's
    commands = [line.command for line in adoption.foreign_scripts(configuration)]
    secure = configuration.globals("enable_script_security") is not None
    missing, disabled = script_files.missing(commands), script_files.disabled(commands, secure)
    return replace(host, missing=missing, disabled=disabled)


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _report_astray(configuration: Configuration) -> None:
    """Say where keepalived does not follow the file: what stands behind is not adopted."""
    astray = next((c for c in configuration.complaints if c.leads_astray), None)
    if astray is not None:
        words = "keepalived does not follow the file from here on; netvip doctor tells why"
        print(f"{astray.where}: {words}", file=sys.stderr)


def _report_consequences(configuration: Configuration, host: adoption.Host) -> None:
    """Say what enable_script_security, where it is new, changes for the operator's scripts."""
    if not adoption.secures(configuration, host):
        return
    for line in adoption.foreign_scripts(configuration):
        words = (
            f"{line.program} does not exist; once it does, keepalived runs it only if no user but"
        )
        print(f"{line.statement.where}: {words} root may change it", file=sys.stderr)


def _report_left(configuration: Configuration, host: adoption.Host) -> bool:
    """Say which instances stay as they are, and why; whether there are any."""
    found = adoption.unprotectable_ones(configuration, host)
    for name, why in found.items():
        where = configuration.instances[name].statement.where
        words = f"netvip cannot protect {name} and leaves it as it is: {why}"
        print(f"{where}: {words}", file=sys.stderr)
    return bool(found)


def _with_tmpfiles(
    before: dict[Path, bytes | None], after: dict[Path, bytes], users: set[str]
) -> None:
    lines = [f"d {RUN}/checks/{user} 0700 {user} - -\n" for user in sorted(users - {"root"})]
    if lines:
        before[TMPFILES] = TMPFILES.read_bytes() if TMPFILES.exists() else None
        after[TMPFILES] = "".join(
            ["# Where wrapped checks keep their verdicts.\n", *lines]
        ).encode()


# --- what the host tells --------------------------------------------------------------------------


def _running() -> Current:
    """The keepalived of this host. Raises DumpError, and AdoptError where its version is not known:
    what is to be added depends on it."""
    now = asyncio.run(current(config.load().keepalived_conf))
    if not now.build.version:
        raise AdoptError("cannot read the version from keepalived -v; is keepalived installed?")
    return now


def own_addresses() -> dict[tuple[str, int], IPv4Address | IPv6Address]:
    """The address that adverts of each interface leave from now: IPv4 the first that is no
    secondary, IPv6 the link-local one (RFC 5798 5.1.2.1)."""
    from netvip.sources.netlink import snapshot

    kernel = snapshot()
    names = {link.ifindex: link.name for link in kernel.links}
    found: dict[tuple[str, int], IPv4Address | IPv6Address] = {}
    for address in kernel.addresses:
        local = address.ip.is_link_local if address.ip.version == 6 else not address.flags & 1
        if local and not address.dynamic:
            found.setdefault((names[address.ifindex], address.ip.version), address.ip)
    return found


def _unprotectable() -> dict[tuple[str, int], str]:
    """By interface and IP version, why netvip cannot protect VIPs there."""
    from netvip.sources.netlink import snapshot

    mirror = Mirror()
    mirror.load(snapshot())
    names = [link.name for link in mirror.links.values()]
    families = {4: AF_INET, 6: AF_INET6}
    places = product(names, families)
    whys = {(n, v): why_not_on(n, families[v], mirror) for n, v in places}
    return {place: why for place, why in whys.items() if why}


# --- applying -------------------------------------------------------------------------------------


def _apply(now: Current, before: Mapping[Path, bytes | None], after: Mapping[Path, bytes]) -> None:
    """Write the files and have keepalived run them. Whatever happens meanwhile, a signal included,
    all is as it was before, or a backup is left that `netvip adopt --revert` takes."""
    backup = Backup(BACKUP)
    earlier, is_reloading = backup.load(), False
    with _signals_raise() as interrupted:
        try:
            complaints = _complaints(now)
            backup.save(_with(earlier, before, after))
            files.write(after)
            _make_directories()
            _validate(now, complaints)
            is_reloading = True
            if _reload():
                _confirm()
        except BaseException as problem:
            interrupted.append(problem)
            _undo(backup, earlier, before)
            if is_reloading:
                _reload_what_it_had()
            if not isinstance(problem, NetvipError | OSError):
                raise
            what = "all files were restored" if is_reloading else "nothing was changed"
            raise AdoptError(f"{what}: {problem}") from problem


def _undo(
    backup: Backup, earlier: Mapping[Path, Saved], before: Mapping[Path, bytes | None]
) -> None:
    left = []
    for path, content in before.items():
        try:
            files.write({path: content})
        except (NetvipError, OSError) as problem:
            left.append(f"{path}: {getattr(problem, 'strerror', '') or problem}")
    if left:  # the backup stays
        told = "not every file could be restored; mend this, and run netvip adopt --revert"
        raise AdoptError(f"{told}: {'; '.join(left)}")
    if earlier:
        backup.save(earlier)
    else:
        backup.remove()


def _reload_what_it_had() -> None:
    try:
        _reload()
    except AdoptError:
        pass  # it did not take what is put back now, and runs what it ran before


@contextmanager
def _signals_raise() -> Iterator[list[BaseException]]:
    """A signal that asks this process to end does so by an exception, so that all is undone. Where
    there was one, in the list, further signals are of no effect: they would interrupt the undoing.
    """
    interrupted: list[BaseException] = []

    def end(number: int, _: FrameType | None) -> None:
        if not interrupted:
            interrupted.append(AdoptError(f"interrupted by {signal.Signals(number).name}"))
            raise interrupted[0]

    earlier = {number: signal.signal(number, end) for number in ENDING}
    try:
        yield interrupted
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _with(
    earlier: Mapping[Path, Saved],
    before: Mapping[Path, bytes | None],
    after: Mapping[Path, bytes],
) -> dict[Path, Saved]:
    """The backup with this adoption added. If a file was edited after an earlier adoption, the
    backup keeps that edit: what the operator wrote is never lost."""
    saved = dict(earlier)
    for path, now in before.items():
        known = earlier.get(path)
        original = known.before if known is not None and known.after == now else now
        saved[path] = Saved(original, after[path])
    return saved


def _revert() -> int:
    backup = Backup(BACKUP)
    saved = backup.load()
    if not saved:
        raise AdoptError("nothing to revert: no adoption is in effect")
    try:
        found = reverted(saved, _read_as_it_runs)
    except ConfigError as problem:
        raise AdoptError(f"{problem}; then run netvip adopt --revert again") from problem
    _report_edited(found)
    try:
        files.write(found.contents)
        if not found.left:  # else another revert can follow, when these are mended
            backup.remove()
    except OSError as problem:
        raise AdoptError(f"{problem.filename}: {problem.strerror}; are you root?") from problem
    try:
        _reload()
    except AdoptError as problem:
        raise AdoptError(f"the files were restored, but {problem}") from problem
    print(f"reverted: {', '.join(map(str, saved))}")
    return 1 if found.left else 0


def _read_as_it_runs(given: Mapping[Path, str]) -> Configuration:
    """The configuration, for a revert; keepalived may be gone."""
    try:
        now = _running()
    except (AdoptError, DumpError):
        return read(config.load().keepalived_conf, given=given)
    return _read(now, given)


def _report_edited(found: Reverted) -> None:
    for path in found.edited:
        words = "edited since the adoption: netvip's lines are taken out, the rest stays as it is"
        print(f"{path}: {words}", file=sys.stderr)
    for where in found.left:
        words = "this of netvip's stays; take it out by hand, then run netvip adopt --revert again"
        print(f"{where}: {words}", file=sys.stderr)


def _make_directories() -> None:
    """What keepalived will need at once, tmpfiles.d would make at the next boot. States that were
    kept for an earlier adoption are of no use to this one."""
    for name in ("netvip", "netvip-checks"):
        for directory in ("/usr/lib/tmpfiles.d", "/etc/tmpfiles.d"):
            if (path := Path(directory) / f"{name}.conf").exists():
                _run("systemd-tmpfiles", "--create", str(path))
    for state in Path(RUN).glob("state/*"):
        state.unlink(missing_ok=True)


def _complaints(now: Current) -> list[str]:
    """What keepalived -t reports, without the places; empty if it reports nothing."""
    if now.build.version < adoption.TRACKS:
        return []  # it cannot check a configuration
    done = _run("keepalived", "-t", "-f", str(now.place.main_file))
    said = (done.stderr + done.stdout).strip() or f"exit status {done.returncode}"
    return PLACE.sub("", said).splitlines() if done.returncode else []


def _validate(now: Current, before: list[str]) -> None:
    """Refuse if keepalived -t reports something that it did not report before."""
    new = [line for line in _complaints(now) if line not in before]
    # keepalived runs it all the same, and the operator decides about the switch.
    new = [line for line in new if not line.startswith(NO_SECURITY)]
    if new:
        raise AdoptError(f"keepalived -t rejects the new configuration: {'; '.join(new)}")


def _reload() -> bool:
    """Reload keepalived; whether it runs."""
    if _run("systemctl", "is-active", "--quiet", "keepalived.service").returncode:
        print("keepalived is not running; the change takes effect when it starts")
        return False
    done = _run("systemctl", "reload", "keepalived.service")
    if done.returncode:
        raise AdoptError(f"cannot reload keepalived: {done.stderr.strip()}")
    return True


def _confirm() -> None:
    """Wait until keepalived's dump reports that every instance is guarded."""
    deadline = time.monotonic() + CONFIRM_LIMIT
    while (unguarded := _unguarded()) and time.monotonic() < deadline:
        time.sleep(0.2)  # keepalived says nothing when it has reloaded
    if unguarded:
        raise AdoptError(f"keepalived does not run the new configuration: {unguarded}")


def _unguarded() -> str:
    from netvip.control import client

    try:
        instances = client.status()["instances"]
        modes = {instance["name"]: instance["mode"] for instance in instances}
    except DaemonUnreachable:
        try:
            modes = _ask_keepalived()
        except DumpError as problem:
            return str(problem)
    left = [name for name, mode in modes.items() if mode != "guarded"]
    return f"{', '.join(left)} not guarded" if left else "" if modes else "it reports no instance"


def _ask_keepalived() -> dict[str, str]:
    from netvip.keepalived.ask import ask_once

    specs = asyncio.run(ask_once(config.load().keepalived_conf))
    return {spec.name: "guarded" if spec.guarded else "assisted" for spec in specs}


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except FileNotFoundError as problem:
        raise AdoptError(f"{command[0]} is not installed") from problem
    except PermissionError as problem:
        raise AdoptError(f"no permission to run {command[0]}; are you root?") from problem
    except subprocess.TimeoutExpired as problem:
        raise AdoptError(f"{command[0]} did not end within {LIMIT:.0f} s") from problem
