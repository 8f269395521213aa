"""The files that systemd-networkd reads: a .network file or networkd.conf with its drop-ins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Where systemd looks for files, the first before the others (systemd.network(5)).
ROOTS = ("/etc", "/run", "/usr/local/lib", "/usr/lib")
#: Values of a boolean (systemd.syntax(7)).
TRUE, FALSE = (
    frozenset({"1", "yes", "y", "true", "t", "on"}),
    frozenset({"0", "no", "n", "false", "f", "off"}),
)


@dataclass(frozen=True, slots=True)
class Line:
    """An assignment of a file."""

    section: str
    key: str
    value: str
    path: Path
    number: int
    #: Which section of the file it stands in: each [Route] is one of its own.
    block: int = 0

    @property
    def where(self) -> str:
        """file:line."""
        return f"{self.path}:{self.number}"


@dataclass(frozen=True, slots=True)
class Settings:
    """All assignments of a file and its drop-ins, in the order in which systemd reads them."""

    path: Path
    lines: tuple[Line, ...] = ()
    #: The files that were read.
    files: tuple[Path, ...] = ()

    def last(self, section: str, key: str) -> Line | None:
        """The assignment that counts; None where there is none, or an empty one ends the others."""
        found = [line for line in self.lines if (line.section, line.key) == (section, key)]
        return found[-1] if found and found[-1].value else None

    def all(self, section: str, key: str) -> list[Line]:
        """The assignments of a list: an empty one clears those before it."""
        found: list[Line] = []
        for line in self.lines:
            if (line.section, line.key) == (section, key):
                found = [*found, line] if line.value else []
        return found

    def is_true(self, section: str, key: str, default: bool) -> bool:
        """A boolean; the default where it is none: systemd passes over what it cannot read."""
        line = self.last(section, key)
        word = line.value.lower() if line else ""
        return True if word in TRUE else False if word in FALSE else default


def network_file(path: Path, roots: Sequence[str] = ROOTS) -> Settings:
    """A .network file with its drop-ins; a file that cannot be read is passed over."""
    return _read(path, _drop_ins(f"systemd/network/{path.name}.d", roots))


def networkd_conf(roots: Sequence[str] = ROOTS) -> Settings:
    """networkd.conf with its drop-ins (networkd.conf(5))."""
    candidates = [Path(root, "systemd/networkd.conf") for root in roots]
    main = next((path for path in candidates if path.is_file()), candidates[0])
    return _read(main, _drop_ins("systemd/networkd.conf.d", roots))


def network_files(roots: Sequence[str] = ROOTS) -> list[Path]:
    """All .network files by name, in the order in which networkd tries them; a file hides those of
    its name in later directories, and an empty one or a link to /dev/null only hides."""
    found: dict[str, Path] = {}
    for root in roots:
        for path in _listed(Path(root, "systemd/network"), "*.network"):
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def _drop_ins(directory: str, roots: Sequence[str]) -> list[Path]:
    found: dict[str, Path] = {}
    for root in roots:
        for path in _listed(Path(root, directory), "*.conf"):
            found.setdefault(path.name, path)
    return [found[name] for name in sorted(found)]


def _listed(directory: Path, pattern: str) -> list[Path]:
    try:
        return sorted(directory.glob(pattern))
    except OSError:
        return []  # not readable by this user


def _read(main: Path, drop_ins: Sequence[Path]) -> Settings:
    lines: list[Line] = []
    for path in (main, *drop_ins):
        lines += parse(path, _text(path))
    return Settings(main, tuple(lines), (main, *drop_ins))


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""  # it is gone, or this user may not read it


def parse(path: Path, text: str) -> Iterator[Line]:
    """The assignments of a text (systemd.syntax(7)). A backslash joins a line with the next one."""
    section, joined, begun, block = "", "", 0, 0
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if line[:1] in ("#", ";") or not (line or joined):
            continue  # a comment in the midst of a joined line is passed over as well
        begun = begun or number
        if line.endswith("\\"):
            joined += line[:-1].rstrip() + " "
            continue
        line, at = joined + line, begun
        joined, begun = "", 0
        if line.startswith("[") and line.endswith("]"):
            section, block = line[1:-1], block + 1
        elif "=" in line:
            key, _, value = line.partition("=")
            yield Line(section, key.strip(), value.strip(), path, at, block)
