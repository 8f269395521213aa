"""Root file systems of the nodes: one per Debian suite, built once, kept outside the tree.

"backports" is bookworm with the systemd of its backports, 254: next to the 255 of Ubuntu 24.04.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.lab.shell import run

PACKAGES = """
    systemd systemd-sysv udev dbus iproute2 keepalived networkd-dispatcher python3
    python3-pyroute2 python3-dbus-next iputils-ping procps apt netbase nftables
""".split()  # noqa: SIM905

#: Units of no use in a node, or that would wait for hardware it does not have.
MASKED = """
    systemd-networkd-wait-online.service systemd-resolved.service systemd-timesyncd.service
    apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer
    e2scrub_reap.service fstrim.timer console-getty.service getty.target
    systemd-binfmt.service systemd-firstboot.service systemd-hwdb-update.service
""".split()  # noqa: SIM905

#: Fetched with the rest but not installed: for the tests whose nodes install them.
ASIDE = ("netplan.io", "needrestart", "unattended-upgrades")

#: Only network devices are the node's own: the rest of the machine is left alone.
UDEV_TRIGGER = """[Service]
ExecStart=
ExecStart=-udevadm trigger --subsystem-match=net --action=add
"""

#: A release under a name of the lab's.
BASES = {"backports": "bookworm"}
#: systemd alone comes from the backports (apt_preferences(5)).
ADD_BACKPORTS = """cat >"$1/etc/apt/sources.list.d/lab.list" <<END
deb http://deb.debian.org/debian bookworm-backports main
END
cat >"$1/etc/apt/preferences.d/lab" <<END
Package: src:systemd
Pin: release n=bookworm-backports
Pin-Priority: 990
END
"""
#: A node's upgrades are of no release.
PREFER_NOTHING = '--customize-hook=rm "$1/etc/apt/preferences.d/lab"'

FETCH_ASIDE = (
    'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get -qq --yes --no-install-recommends '
    f"--download-only install {' '.join(ASIDE)}"
)


def cache_directory() -> Path:
    """Where root file systems are kept between runs (NETVIP_LAB_CACHE overrides)."""
    return Path(os.environ.get("NETVIP_LAB_CACHE", "/var/cache/netvip-lab"))


def rootfs(suite: str) -> Path:
    """The suite's root file system, built first if it is not there yet (about 20 s)."""
    more = (ADD_BACKPORTS, PREFER_NOTHING) if suite in BASES else ()
    recipe = digest(PACKAGES, ASIDE, MASKED, UDEV_TRIGGER, 2, *more)
    target = cache_directory() / f"{suite}-{recipe}"
    with locked(suite):
        if not target.is_dir():
            _build(suite, target)
    return target


def digest(*recipe: object) -> str:
    """A short name for what something in the cache is made from: another recipe, another name."""
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:10]


@contextmanager
def locked(suite: str) -> Iterator[None]:
    """Nobody else builds for this suite meanwhile."""
    cache_directory().mkdir(parents=True, exist_ok=True)
    with open(cache_directory() / f"{suite}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(suite: str, target: Path) -> None:
    draft = target.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    run(
        "mmdebstrap",
        "--quiet",
        "--variant=minbase",
        f"--include={','.join(PACKAGES)}",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        "--skip=cleanup/apt/lists",  # a node installs the .deb with apt, without network
        # Every package stays in apt's archive: a node reinstalls them without network, and an
        # upgrade made of them is exactly one of what is installed, whatever the mirror has by then.
        "--skip=essential/unlink",
        "--skip=cleanup/apt/cache",
        f"--customize-hook={FETCH_ASIDE}",
        *([f"--setup-hook={ADD_BACKPORTS}", PREFER_NOTHING] if suite in BASES else []),
        BASES.get(suite, suite),
        draft,
    )
    _prepare(draft)
    draft.rename(target)


def _prepare(root: Path) -> None:
    system = root / "etc/systemd/system"
    for unit in MASKED:
        link = system / unit
        link.unlink(missing_ok=True)
        link.symlink_to("/dev/null")
    run("chroot", root, "systemctl", "--quiet", "enable", "systemd-networkd.service")
    trigger = system / "systemd-udev-trigger.service.d"
    trigger.mkdir(exist_ok=True)
    (trigger / "lab.conf").write_text(UDEV_TRIGGER)
    (root / "etc/resolv.conf").unlink(missing_ok=True)
