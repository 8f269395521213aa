"""Something to upgrade to: what a root file system has installed, again, under a higher version.

A suite's repository stands beside its root file system, built once from the very packages that are
installed there. Upgrading to it replaces every file and runs every maintainer script as the next
security update will.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path

from tests.lab.node import Node
from tests.lab.rootfs import digest, locked, rootfs
from tests.lab.shell import run

#: All that is installed of these sources is raised together: they depend on each other exactly.
SOURCES = ("systemd", "keepalived", "networkd-dispatcher", "dbus", "glibc")
SUFFIX = "+netvip1"
ARCHIVE = "var/cache/apt/archives"
#: Where a node has its copy, and the list that tells its apt so.
PLACE = "/srv/upgrades"
LIST = "/etc/apt/sources.list.d/upgrades.list"


def repository(suite: str) -> Path:
    """The suite's repository, built first if it is not there yet (about 2 s)."""
    root = rootfs(suite)
    target = root.with_name(f"{root.name}-higher-{digest(SOURCES, SUFFIX, 1)}")
    with locked(suite):
        if not target.is_dir():
            _build(root, target)
    return target


def offer(node: Node) -> None:
    """Have the node's apt know the higher versions, beside all that it knew before."""
    shutil.copytree(repository(node.suite), node.root / PLACE.lstrip("/"), dirs_exist_ok=True)
    node.write(LIST, f"deb [trusted=yes] file:{PLACE} ./\n")
    only = (f"Dir::Etc::SourceList={LIST}", "Dir::Etc::SourceParts=-", "APT::Get::List-Cleanup=no")
    node.run("apt-get", "-qq", "update", *(word for option in only for word in ("-o", option)))


def installed(admin: Path, *sources: str) -> dict[str, str]:
    """The packages of these sources in a dpkg database, each with its version."""
    shown = "${source:Package} ${Package} ${Version}\n"
    lines = run("dpkg-query", f"--admindir={admin}", "-W", "-f", shown).splitlines()
    found = (line.split() for line in lines)
    return {name: version for source, name, version in found if source in sources}


def repack(deb: Path, directory: Path, raised: Collection[str]) -> Path:
    """Make the package again with SUFFIX on its version, and on the versions raised with it."""
    with tempfile.TemporaryDirectory(dir=directory) as scratch:
        run("dpkg-deb", "--raw-extract", deb, scratch)
        control = Path(scratch, "DEBIAN/control")
        control.write_text(raise_versions(control.read_text(), raised))
        target = directory / f"{deb.stem.split('_')[0]}{SUFFIX}.deb"
        # Uncompressed: it is read once, from a disk, by a test that waits for it.
        run("dpkg-deb", "-Znone", "--build", scratch, target)
    return target


def raise_versions(control: str, raised: Collection[str]) -> str:
    """A control file with SUFFIX on its version and on exact dependencies on raised versions."""

    def exact(found: re.Match[str]) -> str:
        version = found[1]
        return f"(= {version}{SUFFIX})" if version in raised else found[0]

    control = re.sub(r"\(= ([^)]+)\)", exact, control)
    return re.sub(r"^(Version: .*)$", rf"\1{SUFFIX}", control, flags=re.MULTILINE)


def _build(root: Path, target: Path) -> None:
    draft = target.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    packages = installed(root / "var/lib/dpkg", *SOURCES)
    for name, version in packages.items():
        repack(_original(root, name, version), draft, packages.values())
    index = run("dpkg-scanpackages", "--multiversion", ".", cwd=draft)
    (draft / "Packages").write_text(index)
    draft.rename(target)


def _original(root: Path, name: str, version: str) -> Path:
    escaped = version.replace(":", "%3a")
    return next((root / ARCHIVE).glob(f"{name}_{escaped}_*.deb"))
