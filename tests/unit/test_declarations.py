"""What the configuration declares is read again where something that it depends on has changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from netvip.keepalived.declared import Declaration, Declarations

CONF = """include parts/*.conf
vrrp_instance VI_1 {
    interface ens160
    virtual_ipaddress {
        10.77.0.10/24
    }
}
"""
LONG_AGO = 1_600_000_000


def age(*paths: Path) -> None:
    for path in paths:
        os.utime(path, (LONG_AGO, LONG_AGO))


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    (tmp_path / "parts").mkdir()
    part = tmp_path / "parts/a.conf"
    part.write_text("global_defs {\n    vrrp_garp_master_refresh 60\n}\n")
    conf = tmp_path / "keepalived.conf"
    conf.write_text(CONF)
    age(conf, part, part.parent)
    return conf


def read(declarations: Declarations, conf: Path, node: str = "a") -> Declaration:
    return declarations.read(conf, node, (2, 2, 7))


def test_what_has_not_changed_is_not_read_again(conf: Path) -> None:
    declarations = Declarations()
    first = read(declarations, conf)
    assert list(first.instances) == ["VI_1"]
    assert read(declarations, conf) is first
    assert read(declarations, conf, "b") is not first


CHANGES: list[Callable[[Path], object]] = [
    lambda conf: conf.write_text(CONF + "\n"),
    lambda conf: (conf.parent / "parts/a.conf").write_text(""),
    lambda conf: (conf.parent / "parts/a.conf").unlink(),
    lambda conf: (conf.parent / "parts/b.conf").write_text(""),
    lambda conf: conf.rename(conf.parent / "old") and conf.write_text(CONF),
]


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_is_noticed(conf: Path, change: Callable[[Path], object]) -> None:
    declarations = Declarations()
    first = read(declarations, conf)
    change(conf)
    assert read(declarations, conf) is not first


def test_a_file_that_was_written_just_now_may_be_written_again(conf: Path) -> None:
    declarations = Declarations()
    conf.write_text(CONF.replace("VI_1", "VI_2"))
    before = conf.stat()
    assert list(read(declarations, conf).instances) == ["VI_2"]
    with conf.open("r+") as file:
        file.write(CONF.replace("VI_1", "VI_3"))
    os.utime(conf, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert list(read(declarations, conf).instances) == ["VI_3"]


def test_what_could_not_be_read_is_tried_again(conf: Path) -> None:
    declarations = Declarations()
    conf.write_text("include keepalived.conf\n")
    age(conf)
    assert read(declarations, conf).problem
    conf.write_text(CONF)
    age(conf)
    assert not read(declarations, conf).problem


@pytest.mark.parametrize("block", ["static_routes", "static_rules"])
def test_static_routes_and_rules_are_found_in_included_files_too(conf: Path, block: str) -> None:
    assert not read(Declarations(), conf).statics
    words = "10.9.0.0/16 dev ens160" if block == "static_routes" else "from 10.9.0.1 table 100"
    (conf.parent / "parts/b.conf").write_text(f"{block} {{\n    {words}\n}}\n")
    assert read(Declarations(), conf).statics
