"""Where the files of a running keepalived are: below the host's root directory, or, in a container,
below its own; and where it writes its dump.

Another mount namespace is reached through /proc/PID/root, which takes CAP_SYS_PTRACE (proc(5)).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from netvip.errors import DumpError
from netvip.keepalived.process import is_contained, option
from netvip.linux.rooted import HOST, below

#: keepalived's default, where it was built from source as many images are.
BUILT = Path("/usr/local/etc/keepalived/keepalived.conf")

TEMPORARY = Path("/tmp")


@dataclass(frozen=True, slots=True)
class Place:
    """configuration and directory are names as keepalived itself has them."""

    configuration: Path
    #: Below what its configuration is, and below what its dump: with PrivateTmp= it has a /tmp of
    #: its own, and nothing else.
    root: Path = HOST
    dump_root: Path = HOST
    #: Whether it has a PID namespace of its own.
    is_contained: bool = False
    #: Where it writes its dump.
    directory: Path = TEMPORARY

    @property
    def main_file(self) -> Path:
        """The configuration, as this process reaches it. Raises OSError."""
        return below(self.root, self.configuration)

    @property
    def dump(self) -> Path:
        """The dump, as this process reaches it. Raises OSError."""
        return below(self.dump_root, self.directory) / "keepalived.json"

    def name(self, path: Path) -> Path:
        """The name that keepalived itself has for a file, which this process reaches by `path`."""
        return path if self.root == HOST else Path("/", path.relative_to(self.root))


def place(pid: int, configuration: Path) -> Place:
    """The place of the keepalived with this process number; `configuration` is the file that
    netvip.conf names. Raises DumpError where it cannot be reached."""
    own = Path(f"/proc/{pid}/root")
    try:
        if is_contained(pid):
            return Place(_named(pid, own, configuration), own, own, True, _temporary(pid))
        dump_root = HOST if _shares_tmp(own) else own
    except PermissionError:
        if is_contained(pid):
            raise DumpError(
                f"keepalived (process {pid}) runs in a container, and netvip may not read its "
                "files: give netvip.service CAP_SYS_PTRACE; see netvip(8), Containers"
            ) from None
        dump_root = HOST  # as far as can be told
    except OSError as problem:  # it is ending, or a link leads in a circle
        raise DumpError(f"cannot reach the files of keepalived: {problem}") from problem
    return Place(configuration, HOST, dump_root, False, _temporary(pid))


def _shares_tmp(own: Path) -> bool:
    try:
        return (own / "tmp").samefile("/tmp")
    except FileNotFoundError:
        return True  # there is none


def _named(pid: int, root: Path, configuration: Path) -> Path:
    """The file of its option -f, or its default. Raises OSError."""
    default = configuration if below(root, configuration).exists() else BUILT
    word = option(pid, "-f", "--use-file")
    return default if word is None else Path("/", word)


def _temporary(pid: int) -> Path:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return TEMPORARY
    set_to = next((word[7:] for word in variables if word.startswith(b"TMPDIR=")), b"")
    return Path("/", set_to.decode(errors="surrogateescape")) if set_to else TEMPORARY
