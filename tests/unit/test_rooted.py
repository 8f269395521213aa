"""Names below another root directory: as from there, and never out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from netvip.linux.rooted import HOST, below


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root directory beside a secret."""
    (tmp_path / "secret").write_text("x")
    root = tmp_path / "root"
    (root / "etc/keepalived").mkdir(parents=True)
    (root / "etc/keepalived/keepalived.conf").write_text("y")
    return root


@pytest.mark.parametrize(
    ("link", "target", "name", "expected"),
    [
        ("etc/a", "keepalived", "/etc/a/keepalived.conf", "etc/keepalived/keepalived.conf"),
        ("etc/b", "/etc/keepalived", "/etc/b/keepalived.conf", "etc/keepalived/keepalived.conf"),
        ("etc/c", "../../../secret", "/etc/c", "secret"),
        ("etc/d", "/../../secret", "/etc/d", "secret"),
        ("etc/e", "/secret", "/etc/e", "secret"),
        ("f", "etc", "/f/../etc/keepalived", "etc/keepalived"),
    ],
)
def test_links_are_followed_as_from_there(
    root: Path, link: str, target: str, name: str, expected: str
) -> None:
    (root / link).symlink_to(target)
    assert below(root, Path(name)) == root / expected


def test_without_links_a_name_stays(root: Path) -> None:
    assert below(root, Path("/etc/none/x")) == root / "etc/none/x"
    assert below(root, Path("/../../secret")) == root / "secret"
    assert below(HOST, Path("/etc/../x")) == Path("/etc/../x")


def test_links_in_a_circle_are_an_error(root: Path) -> None:
    os.symlink("two", root / "one")
    os.symlink("one", root / "two")
    with pytest.raises(OSError, match="Too many levels"):
        below(root, Path("/one"))
