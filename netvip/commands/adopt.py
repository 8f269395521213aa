"""netvip adopt: show, apply or revert the guarded keepalived configuration."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from netvip import config
from netvip.const import STATE_DIRECTORY
from netvip.errors import NetvipError
from netvip.keepalived import adopt
from netvip.keepalived.config import read

BACKUP = Path(STATE_DIRECTORY) / "adopt.json"
LIMIT = 30.0

#: By file name, its text before the adoption and after it.
Saved = dict[str, dict[str, str]]


class AdoptError(NetvipError):
    """The configuration was not changed, or was put back; the text says why."""


def main(arguments: list[str]) -> int:
    """Print the diff; with --apply or --revert, change the files and reload keepalived."""
    parser = argparse.ArgumentParser(prog="netvip adopt", description=__doc__)
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--apply", action="store_true", help="make the change, reload keepalived")
    either.add_argument("--revert", action="store_true", help="give back every byte")
    options = parser.parse_args(arguments)
    return _revert() if options.revert else _adopt(options.apply)


def _adopt(apply: bool) -> int:
    main_file = config.load().keepalived_conf
    configuration = read(main_file)
    changed = adopt.adopted(configuration, own_addresses())
    if not changed:
        print("every instance is guarded already")
        return 0
    # Bytes that are no UTF-8 are shown as such; what is written keeps them.
    shown = adopt.diff(configuration.texts, changed)
    print(shown.encode(errors="surrogateescape").decode(errors="replace"), end="")
    if not apply:
        print("\nnothing was changed; netvip adopt --apply makes this change")
        return 1
    _apply(main_file, {path: configuration.texts[path] for path in changed}, changed)
    print("applied; netvip adopt --revert takes it back")
    return 0


def _apply(main_file: Path, before: Mapping[Path, str], after: Mapping[Path, str]) -> None:
    earlier = _load_backup() if BACKUP.exists() else {}
    try:
        _save_backup(_with(earlier, before, after))
        _write(after)
        _validate(main_file)
    except (AdoptError, OSError) as problem:
        _undo(before, earlier)
        raise AdoptError(f"nothing was changed: {problem}") from problem
    _reload()


def _with(earlier: Saved, before: Mapping[Path, str], after: Mapping[Path, str]) -> Saved:
    """The backup with this adoption in it. A file that was edited since an earlier adoption goes
    back to that edit: what the operator wrote is never lost."""
    saved = dict(earlier)
    for path, text in before.items():
        known = earlier.get(str(path), {"before": text, "after": text})
        original = known["before"] if known["after"] == text else text
        saved[str(path)] = {"before": original, "after": after[path]}
    return saved


def _undo(before: Mapping[Path, str], earlier: Saved) -> None:
    _write({path: text for path, text in before.items() if _decoded(path) != text})
    if earlier:
        _save_backup(earlier)
    elif BACKUP.is_file():
        BACKUP.unlink()


def _save_backup(saved: Saved) -> None:
    BACKUP.parent.mkdir(parents=True, exist_ok=True)
    _replace(BACKUP, json.dumps(saved), 0o600)


def _load_backup() -> Saved:
    try:
        saved = json.loads(BACKUP.read_text())
        return {
            name: {key: texts[key] for key in ("before", "after")} for name, texts in saved.items()
        }
    except FileNotFoundError:
        raise AdoptError("nothing was adopted here, so there is nothing to revert") from None
    except OSError as problem:
        raise AdoptError(f"{BACKUP} cannot be read: {problem.strerror}; are you root?") from problem
    except (ValueError, AttributeError, KeyError, TypeError) as problem:
        raise AdoptError(f"{BACKUP} is damaged ({problem!r}); restore it") from problem


def _revert() -> int:
    saved = _load_backup()
    for name, texts in saved.items():
        if _decoded(Path(name)) != texts["after"]:
            raise AdoptError(
                f"{name} was edited since the adoption; undo that edit first, or take "
                f"no_track and the source address out by hand and remove {BACKUP}"
            )
    try:
        _write({Path(name): texts["before"] for name, texts in saved.items()})
        BACKUP.unlink()
    except OSError as problem:
        raise AdoptError(f"{problem.filename}: {problem.strerror}; are you root?") from problem
    _reload()
    print(f"reverted: {', '.join(saved)}")
    return 0


def _decoded(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", errors="surrogateescape")
    except OSError as problem:
        raise AdoptError(f"{path} cannot be read: {problem.strerror}") from problem


def _write(texts: Mapping[Path, str]) -> None:
    for path, text in texts.items():
        _replace(path, text, path.stat().st_mode & 0o7777)


def _replace(path: Path, text: str, mode: int) -> None:
    target = path.resolve()  # a symbolic link stays one
    draft = target.with_name(f".{target.name}.netvip")
    draft.unlink(missing_ok=True)
    with open(draft, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        file.write(text.encode("utf-8", errors="surrogateescape"))
        if target.exists():
            owner = target.stat()
            os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
        os.fchmod(file.fileno(), mode)  # only now: it may hold keepalived's auth_pass
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, target)


def _validate(main_file: Path) -> None:
    done = _run("keepalived", "-t", "-f", str(main_file))
    if done.returncode:
        raise AdoptError(f"keepalived -t refuses it: {(done.stderr or done.stdout).strip()}")


def _reload() -> None:
    if _run("systemctl", "is-active", "--quiet", "keepalived.service").returncode:
        print("keepalived is not running: the change takes effect when it starts")
        return
    done = _run("systemctl", "reload", "keepalived.service")
    if done.returncode:
        raise AdoptError(f"keepalived could not be reloaded: {done.stderr.strip()}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except FileNotFoundError as problem:
        raise AdoptError(f"{command[0]} is not installed") from problem
    except subprocess.TimeoutExpired as problem:
        raise AdoptError(f"{command[0]} did not end within {LIMIT:.0f} s") from problem


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
