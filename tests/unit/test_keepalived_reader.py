"""keepalived.conf as keepalived reads it: comments, quotes, braces, includes."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.core.model import Tri
from netvip.errors import ConfigError
from netvip.keepalived import includes
from netvip.keepalived.declared import Declared, declaration
from netvip.keepalived.reader import read
from tests.unit.helpers import run

Shape = list[tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.conf"


def shape(path: Path) -> Shape:
    return [(s.texts(), s.blocks) for s in read(path).statements]


def place(path: Path) -> str:
    return re.escape(str(path))


INSTANCE = ("vrrp_instance", "VI_1")
PLAIN: Shape = [
    (INSTANCE, ()),
    (("interface", "eth0"), (INSTANCE,)),
    (("virtual_ipaddress",), (INSTANCE,)),
    (("10.77.0.10/24", "dev", "eth0"), (INSTANCE, ("virtual_ipaddress",))),
]


@pytest.mark.parametrize(
    "text",
    [
        "vrrp_instance VI_1 {\n interface eth0\n virtual_ipaddress {\n"
        "  10.77.0.10/24 dev eth0\n }\n}\n",
        "vrrp_instance VI_1\n{\n\n interface eth0\n virtual_ipaddress\n {\n"
        "  10.77.0.10/24 dev eth0\n }\n}\n",
        "vrrp_instance VI_1{\ninterface\teth0\nvirtual_ipaddress {10.77.0.10/24 dev eth0}}",
        "! first\n# { second\nvrrp_instance VI_1 { # brace {\n interface eth0!uplink }\n"
        " virtual_ipaddress { ! }\n  10.77.0.10/24 dev eth0 # }\n }\n}",
        'vrrp_instance "VI_1" {\n interface "eth0"\n virtual_ipaddress {\n'
        "  10.77.0.10/24 dev eth0\n }\n}\n",
        "vrrp_instance VI_1 {\r\n interface eth0\r\n virtual_ipaddress {\r\n"
        "  10.77.0.10/24 dev eth0\r\n }\r\n}\r\n",
    ],
    ids=["same line", "own line", "dense", "comments", "quotes", "crlf"],
)
def test_formatting_makes_no_difference(conf: Path, text: str) -> None:
    conf.write_bytes(text.encode())
    assert shape(conf) == PLAIN


def test_quotes_keep_comment_signs_braces_and_blanks_together(conf: Path) -> None:
    conf.write_text('notify_master "/bin/x {a} #b !c \\" d" root\n')
    ((words, blocks),) = shape(conf)
    assert (words[1], words[2], blocks) == ('/bin/x {a} #b !c " d', "root", ())


def test_a_statement_knows_its_file_line_and_words(conf: Path) -> None:
    text = "! é\n\nvrrp_instance VI_1 {\n  interface eth0\n}\n"
    conf.write_text(text)
    statement = read(conf).statements[1]
    assert (statement.path, statement.line, statement.keyword) == (conf, 4, "interface")
    assert [text[word.start : word.end] for word in statement.words] == ["interface", "eth0"]


@pytest.mark.parametrize("separator", ["\x0c", "\x85", "\u2028"])
def test_only_a_newline_ends_a_comment(conf: Path, separator: str) -> None:
    conf.write_bytes(f"vrrp_instance VI_1 {{\n # a{separator}}}\n interface eth0\n}}\n".encode())
    assert [s.line for s in read(conf).statements] == [1, 3]


def test_instances_have_their_own_statements(conf: Path) -> None:
    conf.write_text(
        "global_defs {\n router_id x\n}\nvrrp_instance A {\n interface eth0\n}\n"
        "vrrp_instance B {\n track_interface {\n  eth1\n }\n}\n"
    )
    instances = read(conf).instances
    assert {name: [s.keyword for s in i.statements] for name, i in instances.items()} == {
        "A": ["vrrp_instance", "interface"],
        "B": ["vrrp_instance", "track_interface", "eth1"],
    }


# --- includes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "include",
    [
        "include sub/a.conf",
        "include sub/*.conf",
        "include {here}/sub/a.conf",
    ]
    + [f"include{kind} sub/a.conf" for kind in "rmwba"],
)
def test_an_include_stands_for_the_files_text(conf: Path, include: str) -> None:
    (conf.parent / "sub").mkdir()
    (conf.parent / "sub/a.conf").write_text("include vips.inc\n")
    (conf.parent / "sub/vips.inc").write_text("10.77.0.10/24 dev eth0\n")
    conf.write_text(
        "vrrp_instance VI_1 {\n interface eth0\n virtual_ipaddress {\n"
        + include.format(here=conf.parent)
        + "\n }\n}\n"
    )
    assert shape(conf) == PLAIN
    assert [path.name for path in read(conf).texts] == ["keepalived.conf", "a.conf", "vips.inc"]


def test_a_block_may_be_opened_by_the_line_before_an_include(conf: Path) -> None:
    (conf.parent / "a.conf").write_text("{\n router_id x\n}\n")
    conf.write_text("global_defs\ninclude a.conf\n")
    assert shape(conf)[1] == (("router_id", "x"), (("global_defs",),))


def test_a_pattern_includes_in_the_order_of_names(conf: Path) -> None:
    for name in ("b", "a", "c"):
        (conf.parent / f"{name}.inc").write_text(f"{name}\n")
    conf.write_text("include *.inc\ninclude none/*.inc\n")
    assert [words for words, _ in shape(conf)] == [("a",), ("b",), ("c",)]


def test_a_directory_with_a_wildcard_in_its_name_holds_includes(tmp_path: Path) -> None:
    (tmp_path / "k[1]").mkdir()
    (tmp_path / "k[1]/a.inc").write_text("router_id x\n")
    (tmp_path / "k[1]/k.conf").write_text("include a.inc\n")
    assert [words for words, _ in shape(tmp_path / "k[1]/k.conf")] == [("router_id", "x")]


@pytest.mark.parametrize("again", ["keepalived.conf", "*.conf", "./keepalived.conf"])
def test_an_include_loop_is_an_error(conf: Path, again: str) -> None:
    conf.write_text(f"\ninclude {again}\n")
    with pytest.raises(ConfigError, match=f"^{place(conf)}:2: .* includes itself"):
        read(conf)


def test_an_include_loop_through_another_name_ends(conf: Path) -> None:
    (conf.parent / "sub").mkdir()
    conf.write_text("include sub/../keepalived.conf\n")
    with pytest.raises(ConfigError, match="includes itself"):
        read(conf)


def test_a_file_may_be_included_twice(conf: Path) -> None:
    (conf.parent / "common.inc").write_text(" interface eth0\n")
    conf.write_text("vrrp_instance A {\ninclude common.inc\n}\nvrrp_instance B {\ninclude *.inc\n}")
    instances = read(conf).instances
    assert {name: len(i.statements) for name, i in instances.items()} == {"A": 2, "B": 2}


# --- mistakes -----------------------------------------------------------------------------------


def test_a_missing_file_is_named(conf: Path) -> None:
    with pytest.raises(ConfigError, match=f"^{place(conf)}: .*No such file"):
        read(conf)


def test_a_huge_file_is_refused_unread(conf: Path) -> None:
    with conf.open("wb") as file:
        file.truncate(includes.LARGEST_FILE + 1)
    with pytest.raises(ConfigError, match="too large"):
        read(conf)


def test_an_included_pipe_does_not_block(conf: Path) -> None:
    os.mkfifo(conf.with_name("pipe"))
    conf.write_text("include pipe\n")
    read_it = (
        "import sys; from pathlib import Path; from netvip.keepalived.declared import *;"
        "declaration(Path(sys.argv[1]), None, ())"
    )
    assert run("timeout", "2", sys.executable, "-c", read_it, str(conf)).returncode == 0


@pytest.mark.parametrize("name", ["a\0b", "a*\0/b", "[z-a", "a" * 1000, "~", "$X", "*" * 50])
def test_an_impossible_name_of_an_include_is_at_most_a_config_error(conf: Path, name: str) -> None:
    conf.write_text(f"include {name}\n")
    try:
        assert read(conf).statements == ()
    except ConfigError as told:
        assert str(told).startswith(f"{conf}:1: ")


RUBBISH = st.binary(max_size=200) | st.lists(
    st.sampled_from(["{", "}", '"', "!", "#", "\n", " ", "vrrp_instance", "include", "x", "\\"])
    | st.characters(max_codepoint=0x2029)
).map(lambda words: "".join(words).encode("utf-8", errors="replace"))


@given(RUBBISH)
def test_rubbish_raises_nothing_but_a_config_error(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "rubbish.conf"
    path.write_bytes(content)
    try:
        configuration = read(path)
    except ConfigError as told:
        assert str(path) in str(told)
        return
    assert configuration.texts[path].encode("utf-8", errors="surrogateescape") == content
    for statement in configuration.statements:
        for word in statement.words:
            written = configuration.texts[path][word.start : word.end]
            # Quotes, escapes and the blanks before a backslash at the end are not the word's.
            odd = set(written) & set("\"'\\")
            assert not statement.verbatim or odd or written == word.text


# --- sources ------------------------------------------------------------------------------------


def test_configured_sources_tells_which_instances_name_one(conf: Path) -> None:
    conf.write_text(
        "vrrp_instance A {\n mcast_src_ip 10.77.0.1\n}\n"
        "vrrp_instance B {\n unicast_src_ip 10.77.0.1\n}\n"
        "vrrp_instance C {\n interface eth0 # mcast_src_ip 10.77.0.1\n}\n"
    )
    assert sources(conf) == {"A": Tri.YES, "B": Tri.YES, "C": Tri.NO}


def sources(conf: Path, node: str | None = None) -> dict[str, Tri]:
    found = declaration(conf, node, ()).instances
    return {name: declared.source for name, declared in found.items()}


def test_a_source_for_one_node_alone_counts_there_alone(conf: Path) -> None:
    conf.write_text("vrrp_instance A {\n@node1 unicast_src_ip 10.77.0.1\n}\n")
    assert sources(conf)["A"] is Tri.UNKNOWN
    assert sources(conf, "node1")["A"] is Tri.YES
    assert sources(conf, "node2")["A"] is Tri.NO


def test_without_a_readable_configuration_nothing_is_known_but_why(conf: Path) -> None:
    assert sources(conf) == {}
    conf.write_text("include keepalived.conf\n")
    assert sources(conf) == {} and "includes itself" in declaration(conf, None, ()).problem


def test_our_own_track_file_and_notify_are_known_by_their_paths(conf: Path) -> None:
    conf.write_text(
        "track_file ours {\n file /run/netvip/track/A\n weight 0\n}\n"
        "vrrp_instance A {\n track_file {\n ours\n }\n}\n"
        "vrrp_instance B {\n track_file {\n ours\n }\n"
        ' notify "/etc/netvip/keepalived-notify B" x\n}\n'
    )
    assert declaration(conf, None, ()).instances == {
        "A": Declared(Tri.NO, Tri.YES, Tri.NO, refreshes=Tri.NO),
        "B": Declared(Tri.NO, Tri.NO, Tri.YES, refreshes=Tri.NO, other_trackers=True),
    }


# --- below another root directory ---------------------------------------------------------------


def test_a_container_s_includes_begin_at_its_own_root(tmp_path: Path) -> None:
    """An absolute name, a pattern, and a link that would lead out of the container."""
    root, outside = tmp_path / "root", tmp_path / "outside.conf"
    parts = root / "etc/keepalived/parts"
    parts.mkdir(parents=True)
    outside.write_text("vrrp_instance OUTSIDE {\n}\n")
    (parts / "a.conf").write_text("vrrp_instance A {\n}\n")
    (parts / "b.conf").symlink_to(outside)
    (parts / "c.conf").symlink_to("/etc/keepalived/c")
    (root / "etc/keepalived/c").write_text("vrrp_instance C {\n}\n")
    main = root / "etc/keepalived/keepalived.conf"
    main.write_text("include /etc/keepalived/parts/*.conf\n")
    configuration = read(main, root=root)
    assert list(configuration.instances) == ["A", "C"]
    assert set(configuration.texts) == {main, parts / "a.conf", root / "etc/keepalived/c"}
    assert list(configuration.directories) == [parts]
