"""Debian's user-mode-linux kernels: fetched with apt by suite, unpacked, and cached.

A kernel is a program that runs as an ordinary process: no KVM, no QEMU, no network interface.
"""

from __future__ import annotations

import gzip
import lzma
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.lab.rootfs import cache_directory, digest, locked
from tests.lab.shell import LabError, run

MIRROR = "http://deb.debian.org/debian"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
GUEST = Path(__file__).parent / "guest"
XSTATE = Path(__file__).parent / "xstate.c"
#: The suite that each kernel comes from.
SUITES = {"6.1": "bookworm", "6.12": "trixie", "sid": "sid"}
#: What the initramfs needs to mount the root; a name that is missing is built into the kernel.
MODULES = ("overlay",)
#: newc, the initramfs format of Documentation/driver-api/early-userspace/buffer-format.rst.
CPIO_MAGIC = b"070701"
DIRECTORIES = ("bin", "dev", "proc", "sys", "modules", "lower", "upper", "new")


@dataclass(frozen=True)
class Kernel:
    """A kernel program with its modules, the initramfs that boots it, and the library to preload
    into it."""

    name: str
    program: Path
    modules: Path
    initramfs: Path
    preload: Path

    @property
    def suite(self) -> str:
        """The suite whose libc the program needs."""
        return SUITES[self.name]


def kernel(name: str) -> Kernel:
    """The kernel of this name, fetched and unpacked if the cache does not have it."""
    if name not in SUITES:
        raise LabError(f"unknown kernel {name!r}: use one of {', '.join(SUITES)}")
    sources = [XSTATE, *sorted(GUEST.iterdir())]
    recipe = digest(*(path.read_bytes() for path in sources), MODULES, 2)
    target = cache_directory() / f"kernel-{name}-{recipe}"
    with locked(f"kernel-{name}"):
        if not target.is_dir():
            _fetch(SUITES[name], target)
    (modules,) = (target / "usr/lib/uml/modules").iterdir()
    program, preload = target / "usr/bin/linux.uml", target / "xstate.so"
    return Kernel(name, program, modules, target / "initramfs.gz", preload)


def _fetch(suite: str, target: Path) -> None:
    draft = target.with_suffix(".draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="netvip-kernel-") as scratch:
        for package in ("user-mode-linux", "busybox-static"):
            run("dpkg-deb", "--extract", _download(suite, package, Path(scratch)), draft)
    (modules,) = (draft / "usr/lib/uml/modules").iterdir()
    (busybox,) = (p for p in (draft / "bin/busybox", draft / "usr/bin/busybox") if p.is_file())
    (draft / "initramfs.gz").write_bytes(_initramfs(modules, busybox))
    run("gcc", "-O2", "-Wall", "-shared", "-fPIC", "-o", draft / "xstate.so", XSTATE, "-ldl")
    draft.rename(target)


def _download(suite: str, package: str, scratch: Path) -> Path:
    """The package of a suite, by an apt that knows this suite alone."""
    sources = scratch / "sources.list"
    sources.write_text(f"deb [signed-by={KEYRING}] {MIRROR} {suite} main\n")
    for directory in ("lists/partial", "cache/archives/partial", "into"):
        (scratch / directory).mkdir(parents=True, exist_ok=True)
    options = (
        f"-oDir::Etc::sourcelist={sources}",
        "-oDir::Etc::sourceparts=/dev/null",
        "-oDir::Etc::preferencesparts=/dev/null",
        f"-oDir::State::lists={scratch}/lists",
        f"-oDir::Cache={scratch}/cache",
        "-oAPT::Sandbox::User=root",
        "-oAcquire::Check-Valid-Until=false",
    )
    run("apt-get", "-qq", *options, "update")
    run("apt-get", "-qq", *options, "download", package, cwd=scratch / "into")
    (found,) = (scratch / "into").glob(f"{package}_*.deb")
    return found


def _initramfs(modules: Path, busybox: Path) -> bytes:
    """busybox, the init script and the modules, as a compressed cpio archive."""
    archive = bytearray()
    for name in DIRECTORIES:
        archive += _member(name, 0o040755)
    archive += _member("bin/busybox", 0o100755, busybox.read_bytes())
    archive += _member("init", 0o100755, (GUEST / "initramfs-init").read_bytes())
    order: list[str] = []
    for path in _wanted(modules):
        data = (modules / path).read_bytes()
        name = Path(path).name.partition(".ko")[0] + ".ko"
        order.append(name)
        unpacked = lzma.decompress(data) if path.endswith(".xz") else data
        archive += _member(f"modules/{name}", 0o100644, unpacked)
    archive += _member("modules/order", 0o100644, "\n".join(order).encode() + b"\n")
    archive += _member("TRAILER!!!", 0)
    return gzip.compress(bytes(archive), 1, mtime=0)


def _wanted(modules: Path) -> Iterator[str]:
    """The modules' files, each after those that it needs (modules.dep(5))."""
    lines = (modules / "modules.dep").read_text().splitlines()
    needs = {path: rest.split() for path, _, rest in (line.partition(":") for line in lines)}
    by_name = {Path(path).name.partition(".ko")[0]: path for path in needs}
    given: set[str] = set()

    def in_order(path: str) -> Iterator[str]:
        if path not in given:
            given.add(path)
            for need in reversed(needs[path]):
                yield from in_order(need)
            yield path

    for name in MODULES:
        if name in by_name:
            yield from in_order(by_name[name])


def _member(name: str, mode: int, data: bytes = b"") -> bytes:
    raw = name.encode() + b"\0"
    inode = 0 if not mode else hash(name) & 0x7FFFFFFF
    fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
    head = CPIO_MAGIC + b"".join(b"%08X" % field for field in fields) + raw
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)
