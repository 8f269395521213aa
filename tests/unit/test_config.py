"""netvip.conf: defaults, drop-ins, and what an operator is told about a mistake."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip import config
from netvip.config import Config
from netvip.errors import ConfigError


def written(place: Path, content: str | bytes, name: str = "netvip.conf") -> Path:
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(place: Path) -> Config:
    return config.load(config.files(place / "netvip.conf"))


def test_without_a_file_every_key_has_its_default(tmp_path: Path) -> None:
    assert load(tmp_path) == Config(True, Path("/etc/keepalived/keepalived.conf"))


def test_an_empty_file_and_an_empty_section_change_nothing(tmp_path: Path) -> None:
    written(tmp_path, "# a comment\n; another\n\n[sources]\n")
    assert load(tmp_path) == Config()


def test_every_key_can_be_set(tmp_path: Path) -> None:
    text = "[sources]\nDBus = no\n[keepalived]\nconfig = /srv/100%/k.conf\n"
    written(tmp_path, f"{text}[maintenance]\napt = yield\n")
    assert load(tmp_path) == Config(False, Path("/srv/100%/k.conf"), "yield")


def test_drop_ins_override_in_the_order_of_their_names(tmp_path: Path) -> None:
    written(tmp_path, "[sources]\ndbus = no\n[keepalived]\nconfig = /main\n")
    written(tmp_path, "[keepalived]\nconfig = /second\n", "netvip.conf.d/20.conf")
    written(tmp_path, "[keepalived]\nconfig = /first\n", "netvip.conf.d/10.conf")
    written(tmp_path, "[sources]\ndbus = yes\n", "netvip.conf.d/30.conf.disabled")
    assert load(tmp_path) == Config(False, Path("/second"))


def test_drop_ins_need_no_main_file(tmp_path: Path) -> None:
    written(tmp_path, "[sources]\ndbus = off\n", "netvip.conf.d/a.conf")
    assert load(tmp_path) == Config(dbus=False)


@pytest.mark.parametrize(
    ("text", "line", "sentence"),
    [
        ("\n[surces]\ndbus = no\n", 2, "unknown section [surces]; known sections:"),
        ("[sources]\n\ndbuss = no\n", 3, "unknown key dbuss in [sources]; known keys: dbus"),
        ("\n[surces] # x\n", 2, "unknown section [surces]; known sections:"),
        ("[sources]\ndbus = maybe\n", 2, "[sources] dbus must be yes or no"),
        ("[maintenance]\n\napt = no\n", 3, "[maintenance] apt must be one of hold, yield, ignore"),
        ("[sources]\ndbus =\n", 2, "[sources] dbus must be yes or no"),
        ("[sources]\ndbus\n", 2, "not of the form key = value"),
        ("dbus = no\n", 1, "outside any section"),
        ("[sources]\ndbus = no\ndbus = no\n", 3, "given twice"),
        ("[sources]\n[sources]\n", 2, "given twice"),
    ],
)
def test_a_mistake_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, sentence: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError) as told:
        load(tmp_path)
    assert str(told.value).startswith(f"{path}:{line}: ")
    assert sentence in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "line"),
    [("[sources]\ndbus = no\n[source]\nx = 1\n", 3), ("[sources]\ndbus = no\ndb = 1\n", 3)],
    ids=["section", "key"],
)
def test_a_mistake_that_another_line_begins_with_is_told_with_its_own_line(
    tmp_path: Path, text: str, line: int
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=f"^{path}:{line}: "):
        load(tmp_path)


def test_a_default_section_is_unknown_like_any_other(tmp_path: Path) -> None:
    path = written(tmp_path, "[DEFAULT]\ndbus = no\n")
    with pytest.raises(ConfigError, match=f"^{path}:1: unknown section"):
        load(tmp_path)


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, b"[sources]\n\xff\xfe\x00")
    with pytest.raises(ConfigError, match=f"^{path}: the file is not UTF-8 text"):
        load(tmp_path)


def test_a_directory_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "netvip.conf").mkdir()
    with pytest.raises(ConfigError, match="cannot read the file: Is a directory"):
        load(tmp_path)


GARBAGE = st.binary(max_size=60) | st.lists(
    st.sampled_from(["[sources]", "[", "]", "dbus", "=", "\n", " ", ":", "yes", "\r", "\0", "é"])
).map(lambda words: "".join(words).encode())


@given(GARBAGE)
def test_garbage_raises_nothing_but_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "garbage.conf"
    path.write_bytes(content)
    try:
        config.load([path])
    except ConfigError as told:
        assert str(told).startswith(f"{path}:")
