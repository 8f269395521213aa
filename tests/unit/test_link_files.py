"""networkd's files for links: which of them have changed since networkd read them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from netvip.sources.link_files import LinkFiles

MEMBER = 5


class Host:
    """networkd's directories of a host."""

    def __init__(self, root: Path) -> None:
        self.etc, self.run, self.links = root / "etc", root / "run", root / "links"
        for directory in (self.etc, self.run, self.links):
            directory.mkdir()
        self.file = self.etc / "20-ports.network"
        self.file.write_text("[Network]\nBond=bond0\n")
        self.name(self.file)
        self.files = LinkFiles(self.links, (self.etc, self.run))

    def name(self, file: Path) -> None:
        """networkd notes the file of the link."""
        self.note(f"ADMIN_STATE=configured\nNETWORK_FILE={file}\nDNS=\n")

    def note(self, text: str) -> None:
        (self.links / str(MEMBER)).write_text(text)

    def write_drop_in(self) -> None:
        drop_ins = self.run / f"{self.file.name}.d"
        drop_ins.mkdir(exist_ok=True)
        (drop_ins / "mtu.conf").write_text("[Link]\nMTUBytes=9000\n")

    def touch(self) -> None:
        os.utime(self.file, ns=(0, self.file.stat().st_mtime_ns + 1))

    def write_another(self) -> None:
        """As editors and netplan do it: another file under the same name, of the same time."""
        before = self.file.stat()
        self.file.rename(self.etc / "old")
        self.file.write_text("[Network]\nBond=bond1\n")
        os.utime(self.file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


CHANGES: list[Callable[[Host], object]] = [
    Host.touch,
    Host.write_another,
    Host.write_drop_in,
    lambda host: host.file.unlink(),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_noticed_until_networkd_reads_its_files_again(
    host: Host, change: Callable[[Host], object]
) -> None:
    host.files.remember(MEMBER)
    assert host.files.changed() == frozenset()
    change(host)
    host.files.remember(MEMBER)  # networkd has not read them since
    assert host.files.changed() == {MEMBER}
    host.files.read_again()
    assert host.files.changed() == frozenset()


def test_a_drop_in_that_is_gone_is_a_change(host: Host) -> None:
    host.write_drop_in()
    host.files.remember(MEMBER)
    (host.run / "20-ports.network.d/mtu.conf").unlink()
    assert host.files.changed() == {MEMBER}


def test_of_a_networkd_that_has_just_started_nothing_is_known(host: Host) -> None:
    host.files.remember(MEMBER)
    host.touch()
    host.files.forget()
    assert host.files.changed() == frozenset()


def test_another_file_of_the_link_is_no_change_of_a_file(host: Host) -> None:
    host.files.remember(MEMBER)
    other = host.etc / "10-first.network"
    other.write_text("[Network]\n")
    host.name(other)
    assert host.files.changed() == frozenset()
    host.files.remember(MEMBER)
    other.write_text("[Network]\nDHCP=yes\n")
    assert host.files.changed() == {MEMBER}


@pytest.mark.parametrize("notes", ["", "ADMIN_STATE=pending\n", "NETWORK_FILE=\n"])
def test_a_link_without_a_file_is_unknown(host: Host, notes: str) -> None:
    host.note(notes)
    host.files.remember(MEMBER)
    host.name(host.file)
    host.touch()
    assert host.files.changed() == frozenset()
    host.files.remember(MEMBER)
    host.note(notes)
    host.touch()
    assert host.files.changed() == frozenset()


def test_notes_that_cannot_be_read_are_unknown(host: Host) -> None:
    host.files.remember(7)
    (host.links / "8").write_bytes(b"NETWORK_FILE=/\xff\n")
    host.files.remember(8)
    assert host.files.changed() == frozenset()
