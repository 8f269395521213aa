"""systemd-networkd's files: how they are read, and whether they have changed since."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netvip.core.model import Tri
from netvip.networkd import files
from netvip.networkd.changes import changed
from netvip.networkd.state import ManagedLink

FILE = """# the lab's
[Match]
Name=ens160

[Network]
KeepConfiguration=static
Address=10.77.0.1/24
Address = 10.77.0.2/24

[Route]
Gateway=10.77.0.100
"""


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def roots(tmp_path: Path) -> list[str]:
    write(tmp_path / "etc/systemd/network/10-lan.network", FILE)
    return [str(tmp_path / "etc"), str(tmp_path / "run")]


def main_file(roots: list[str]) -> Path:
    return Path(roots[0], "systemd/network/10-lan.network")


def test_an_assignment_has_its_place(roots: list[str]) -> None:
    settings = files.network_file(main_file(roots), roots)
    line = settings.last("Network", "KeepConfiguration")
    assert line is not None and line.value == "static"
    assert line.where == f"{main_file(roots)}:6"
    assert settings.last("Network", "KeepConfigurations") is None
    assert settings.last("Match", "KeepConfiguration") is None


def test_a_drop_in_comes_after_the_file_and_the_first_directory_hides_others(
    roots: list[str],
) -> None:
    name = "systemd/network/10-lan.network.d"
    first = write(Path(roots[0], name, "b.conf"), "[Network]\nKeepConfiguration=yes\n")
    write(Path(roots[1], name, "b.conf"), "[Network]\nKeepConfiguration=dhcp\n")
    other = write(Path(roots[1], name, "a.conf"), "[Network]\nKeepConfiguration=no\n")
    settings = files.network_file(main_file(roots), roots)
    assert settings.files == (main_file(roots), other, first)
    line = settings.last("Network", "KeepConfiguration")
    assert line is not None and line.value == "yes" and line.path == first


def test_an_empty_assignment_ends_those_before_it(roots: list[str]) -> None:
    settings = files.network_file(main_file(roots), roots)
    found = [line.value for line in settings.all("Network", "Address")]
    assert found == ["10.77.0.1/24", "10.77.0.2/24"]
    name = "systemd/network/10-lan.network.d/x.conf"
    write(Path(roots[0], name), "[Network]\nAddress=\nAddress=10.77.0.3/24\nKeepConfiguration=\n")
    settings = files.network_file(main_file(roots), roots)
    assert [line.value for line in settings.all("Network", "Address")] == ["10.77.0.3/24"]
    assert settings.last("Network", "KeepConfiguration") is None


def test_a_backslash_joins_lines_and_a_comment_among_them_is_passed_over() -> None:
    text = "[Network]\nAddress=10.0.0.1/24 \\\n# a comment\n  more\nDHCP=no\n"
    found = list(files.parse(Path("f"), text))
    assert [(line.key, line.value, line.number) for line in found] == [
        ("Address", "10.0.0.1/24 more", 2),
        ("DHCP", "no", 5),
    ]


def test_each_section_is_one_of_its_own() -> None:
    found = list(files.parse(Path("f"), "[Route]\nTable=1\n[Route]\nTable=2\nGateway=x\n"))
    assert [line.block for line in found] == [1, 2, 2]


def test_booleans_as_systemd_reads_them(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    write(etc / "systemd/networkd.conf", "[Network]\nManageForeignRoutes=off\nSpeedMeter=maybe\n")
    conf = files.networkd_conf([str(etc)])
    assert conf.is_true("Network", "ManageForeignRoutes", True) is False
    assert conf.is_true("Network", "SpeedMeter", True) is True
    assert conf.is_true("Network", "ManageForeignNextHops", True) is True


def test_a_file_hides_those_of_its_name(roots: list[str]) -> None:
    write(Path(roots[1], "systemd/network/10-lan.network"), "[Match]\nName=*\n")
    later = write(Path(roots[1], "systemd/network/20-other.network"), "[Match]\nName=*\n")
    assert files.network_files(roots) == [main_file(roots), later]


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    settings = files.network_file(tmp_path / "missing.network", [str(tmp_path)])
    assert settings.lines == ()


# --- changes ------------------------------------------------------------------------------------

LINK = ManagedLink(2, "ens160", True, "10-lan.network")


class Clock:
    """Sets when files were written; a file's own change time is always now."""

    def __init__(self, tmp_path: Path, roots: list[str]) -> None:
        self.roots = roots
        self.started = tmp_path / "started"
        self.links = tmp_path / "links"

    def at(self, path: Path, seconds: float) -> None:
        write(path, "") if not path.exists() else None
        now = main_file(self.roots).stat().st_ctime + seconds
        os.utime(path, (now, now))

    def changed(self, link: ManagedLink = LINK) -> Tri:
        settings = files.network_file(main_file(self.roots), self.roots)
        return changed(link, settings, self.started, self.links, self.roots)


@pytest.fixture
def clock(tmp_path: Path, roots: list[str]) -> Clock:
    return Clock(tmp_path, roots)


def test_a_file_older_than_networkd_is_unchanged(clock: Clock) -> None:
    clock.at(clock.started, +10)
    clock.at(clock.links / "2", +20)
    assert clock.changed() is Tri.NO


def test_a_file_newer_than_networkd_s_notes_has_changed(clock: Clock) -> None:
    clock.at(clock.started, +10)
    clock.at(clock.links / "2", +20)
    clock.at(main_file(clock.roots), +30)
    assert clock.changed() is Tri.YES


def test_in_between_it_is_not_known(clock: Clock) -> None:
    clock.at(clock.started, +10)
    clock.at(main_file(clock.roots), +15)
    clock.at(clock.links / "2", +20)
    assert clock.changed() is Tri.UNKNOWN


def test_a_new_drop_in_and_a_missing_file_are_changes(clock: Clock) -> None:
    clock.at(clock.started, +10)
    clock.at(clock.links / "2", +20)
    reported = ManagedLink(2, "ens160", True, "10-lan.network", drop_ins=())
    assert clock.changed(reported) is Tri.NO
    drop_in = write(Path(f"{main_file(clock.roots)}.d", "x.conf"), "")
    os.utime(drop_in, (0, 0))
    assert clock.changed(reported) is Tri.YES
    main_file(clock.roots).unlink()
    assert clock.changed() is Tri.YES


def test_without_networkd_s_start_it_is_not_known(clock: Clock) -> None:
    assert clock.changed() is Tri.UNKNOWN
