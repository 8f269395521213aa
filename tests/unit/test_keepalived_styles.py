"""The reader on odd ways to write an instance, and on what would lead it astray or exhaust it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.core.model import Tri
from netvip.errors import ConfigError
from netvip.keepalived.reader import read
from tests.unit.keepalived_styles import EXPECTED, STYLES, body, filled, summary, write
from tests.unit.keepalived_tokens import Kind, tokens

IDENTITIES = dict(zip(STYLES, range(10, 10 + len(STYLES)), strict=True))
#: keepalived takes these for what they are: another blank or comment makes another configuration.
FRAGILE = ("\\", "\r", "\0", "~", "$", "#" + "x" * 99)


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "keepalived.conf"


def one(text: str, conf: Path, version: tuple[int, ...] = ()) -> str:
    """The only instance of a configuration."""
    conf.write_bytes(text.replace("NAME", "I").replace("ID", "51").encode())
    (instance,) = read(conf, version=version).instances.values()
    return summary(instance)


def test_all_styles_together_are_what_keepalived_reports(tmp_path: Path) -> None:
    found = read(write(tmp_path), node="nodea").instances.values()
    assert [summary(instance) for instance in found] == list(EXPECTED.values())


@pytest.mark.parametrize("name", STYLES)
def test_a_style_alone_is_the_same(conf: Path, name: str) -> None:
    conf.write_bytes(filled(name, IDENTITIES[name]).encode())
    (instance,) = read(conf, node="nodea").instances.values()
    assert summary(instance) == EXPECTED[name]


@given(
    st.sampled_from([n for n, t in STYLES.items() if not any(sign in t for sign in FRAGILE)]),
    st.sampled_from([" ", "\t", " \t  "]),
    st.sampled_from(["\n", "\r\n", "\n\n", ' # { " !\n', "\t! }\n"]),
)
def test_blanks_and_comments_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, name: str, blank: str, newline: str
) -> None:
    other = {Kind.SPACE: blank, Kind.NEWLINE: newline, Kind.COMMENT: ""}
    if '"rest #' in STYLES[name]:
        return  # its quote is open: what follows on the line is no comment
    text = "".join(other.get(t.kind, t.text) for t in tokens(filled(name, IDENTITIES[name])))
    path = tmp_path_factory.getbasetemp() / "spaced.conf"
    path.write_bytes(text.encode())
    (instance,) = read(path, node="nodea").instances.values()
    assert summary(instance) == EXPECTED[name]


SIGNS = r"""
{ } " ' ! # \ $ ${A} $A $A= $B= ~SEQ(A,1,3) ~SEQ(A, ~LST({A,B},{1,2},{3}) ) , @ @^ @nodea include
includea * keepalived.conf vrrp_instance virtual_ipaddress 10.77.0.10/24 fd77::1 priority 1 dev
advert_int use_vmac weight vrrp_script script interval track_script notify virtual_router_id
"""
TEXTS = st.lists(
    st.sampled_from([*SIGNS.split(), "\n", "\n", " ", " ", "\t", "\r", "\0"]) | st.text(max_size=3),
    max_size=80,
).map("".join)


@given(TEXTS, st.sampled_from([None, "nodea"]), st.sampled_from([(), (1, 3, 9), (2, 0, 10)]))
def test_whatever_is_written_is_read_or_refused_in_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    text: str,
    node: str | None,
    version: tuple[int, ...],
) -> None:
    path = tmp_path_factory.getbasetemp() / "signs/keepalived.conf"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode("utf-8", errors="surrogatepass"))
    try:
        found = read(path, node=node, version=version)
    except ConfigError as told:
        assert str(told).startswith(str(path)) and "\n" not in str(told).strip()
        return
    written = found.texts[path]
    for statement in found.statements:
        assert all(0 <= w.start < w.end <= len(written) for w in statement.words)


# --- nodes, versions ------------------------------------------------------------------------------


def test_where_the_node_is_not_known_its_lines_are_there_and_uncertain(conf: Path) -> None:
    conf.write_text(
        "vrrp_instance I {\n@one mcast_src_ip 10.0.0.1\n priority 7\n@two priority 8\n}\n"
    )
    instance = read(conf).instances["I"]
    assert [(s.keyword, s.applies) for s in instance.statements[1:]] == [
        ("mcast_src_ip", Tri.UNKNOWN),
        ("priority", Tri.YES),
        ("priority", Tri.UNKNOWN),
    ]
    assert (instance.source, instance.priority) == (Tri.UNKNOWN, 7)


def test_where_the_node_is_not_known_blocks_are_those_of_the_first(conf: Path) -> None:
    conf.write_text("@one vrrp_instance A {\n@two vrrp_instance B {\n interface ens160\n}\n")
    assert list(read(conf).instances) == ["A"]
    assert list(read(conf, node="two").instances) == ["B"]


def test_what_an_uncertain_definition_made_is_uncertain(conf: Path) -> None:
    conf.write_text("@one $A=1\n@two $A=2\nx $A\ny\n")
    assert [s.applies for s in read(conf).statements] == [Tri.UNKNOWN, Tri.YES]
    assert read(conf, node="one").statements[0].texts() == ("x", "1")


def test_a_conditional_include_counts_on_its_node(conf: Path) -> None:
    (conf.parent / "a.inc").write_text("x\n")
    conf.write_text("@one include a.inc\n")
    assert [len(read(conf, node=n).statements) for n in ("one", "two")] == [1, 0]
    assert read(conf).statements[0].applies is Tri.UNKNOWN


@pytest.mark.parametrize(
    ("version", "text", "words"),
    [
        ((1, 3, 9), "a{\n", [("a{",)]),
        ((1, 3, 9), "$A=1\nx $A\n", [("$A=1",), ("x", "$A")]),
        ((2, 0, 8), "~SEQ(i,1,2) x\n", [("~SEQ(i,1,2)", "x")]),
        ((1, 3, 6), "@other x\n", [("@other", "x")]),
        ((2, 0, 10), "a\\#b\n", [("a#b",)]),
        ((2, 3, 3), "a\\#b\n", [("a",)]),
    ],
)
def test_older_versions_read_otherwise(
    conf: Path, version: tuple[int, ...], text: str, words: list[tuple[str, ...]]
) -> None:
    conf.write_text(text)
    assert [s.texts() for s in read(conf, node="n", version=version).statements] == words


def test_a_vip_that_is_there_twice_counts_once_since_2_3(conf: Path) -> None:
    text = body("10.77.0.10/24\n10.77.0.10 dev ens192 no_track")
    assert one(text, conf) == "I ens160 100 10.77.0.10/24@ens160"
    assert one(text, conf, version=(2, 2, 7)).endswith("@ens160 10.77.0.10/32@ens192*")


# --- scripts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ('script "/bin/c x"', "/bin/c x"),
        ("script '/bin/c x'", "/bin/c x"),
        ("script /bin/c x", "/bin/c"),
        ('script /bin/"c x"', "/bin/c x"),
        ("script \"/bin/sh -c 'exit 0'\"", "/bin/sh -c 'exit 0'"),
        ('script "/bin/c \\"x y\\""', '/bin/c "x y"'),
        ('script "/bin/c # ! {y}"', "/bin/c # ! {y}"),
        ("script /bin/a\n script /bin/b", "/bin/b"),
    ],
)
def test_a_command_is_quoted_either_way(conf: Path, line: str, command: str) -> None:
    conf.write_text(f"vrrp_script s {{\n {line}\n}}\nvrrp_script s {{\n script no\n}}\n")
    assert read(conf).scripts["s"].command == command


def test_the_values_of_a_script_are_keepalived_s(conf: Path) -> None:
    conf.write_text(
        "vrrp_script s {\n interval 0.5\n timeout x\n weight 300\n rise 0\n fall 3\n user a b\n}\n"
    )
    script = read(conf).scripts["s"]
    assert (script.interval, script.timeout, script.weight) == (0.5, 1.0, 0)
    assert (script.rise, script.fall, script.user) == (1, 3, "a")
    assert read(conf, version=(2, 2, 7)).scripts["s"].interval == 1.0


# --- includes -------------------------------------------------------------------------------------


def test_executable_files_and_what_a_wildcard_finds_besides_files_are_passed_over(
    conf: Path,
) -> None:
    for name in ("a", "b"):
        (conf.parent / f"{name}.inc").write_text(f"{name}\n")
    (conf.parent / "a.inc").chmod(0o755)
    (conf.parent / "c.inc").mkdir()
    os.mkfifo(conf.parent / "d.inc")
    (conf.parent / "e.inc").symlink_to("nowhere")
    conf.write_text("include *.inc\ninclude a.inc\ninclude e.inc\n")
    assert [s.texts() for s in read(conf).statements] == [("b",)]


def test_names_are_in_the_order_of_bytes_and_hidden_files_stay_out(conf: Path) -> None:
    for name in ("B", "a", "_", ".h", "10", "9", "é"):
        (conf.parent / f"{name}.inc").write_text(f"{name}\n")
    conf.write_text("include *.inc\n")
    assert [s.keyword for s in read(conf).statements] == ["10", "9", "B", "_", "a", "é"]


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("{b,a}.inc", ["b", "a"]),
        ("[^a].inc", ["b"]),
        ("[!a].inc", []),  # a comment begins there
        ("\\a.inc", ["a"]),
        ('"a.inc"', []),  # the quotes are the name's
        ("a.inc b.inc", []),
        ("a.inc # told", ["a"]),
        ("$N.inc", []),
        ("${N}.inc", ["a"]),
    ],
)
def test_an_include_is_named_as_keepalived_takes_it(
    conf: Path, pattern: str, words: list[str]
) -> None:
    for name in ("a", "b"):
        (conf.parent / f"{name}.inc").write_text(f"{name}\n")
    conf.write_text(f"$N=a\ninclude {pattern}\n")
    assert [s.keyword for s in read(conf).statements] == words


@pytest.mark.parametrize("kind", "rb")
def test_a_missing_file_is_passed_over_by_an_include(conf: Path, kind: str) -> None:
    conf.write_text(f"include none\ninclude{kind} none\n")
    assert read(conf).statements == ()


@pytest.mark.parametrize("kind", "amw")
def test_a_missing_file_stops_keepalived_at_a_strict_include(conf: Path, kind: str) -> None:
    conf.write_text(f"\ninclude{kind} none\n")
    with pytest.raises(ConfigError, match=r"keepalived\.conf:2: no file is named none"):
        read(conf)


def test_includes_too_deep_and_loops_by_another_name_end(conf: Path) -> None:
    for number in range(20):
        (conf.parent / f"{number}.inc").write_text(f"include {number + 1}.inc\n")
    conf.write_text("include 0.inc\n")
    with pytest.raises(ConfigError, match="too deep"):
        read(conf)
    (conf.parent / "link").symlink_to("keepalived.conf")
    conf.write_text("include link\n")
    with pytest.raises(ConfigError, match="includes itself"):
        read(conf)


# --- what would exhaust it ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x\n" * 700_000,
        "$A=" + "y " * 500 + "\n" + "~SEQ(i,1,60000) $A\n",
        "{\n" * 1000,
        '"' * 1_000_000,
        "$" * 1_000_000,
        "\\" * 1_000_001,
        "a {} " * 100_000,
        "~LST(" + "{" * 100_000 + "\n",
        "include " + "{a,b}" * 200 + "\n",
        "script '" + "\\'" * 400_000 + "\n",
        "#" * 4_000_000,
        "#\n" * 2_000_000,
        "\n" * 4_000_000,
        '"\n' * 2_000_000,
        "$A=$B\n$B=$A\n$A\n",
        "${NONE}\n",
    ],
    ids=range(16),
)
def test_it_ends_soon_whatever_the_file(conf: Path, text: str) -> None:
    conf.write_text(text)
    begun = time.process_time()
    try:
        read(conf)
    except ConfigError as told:
        assert str(told).startswith(f"{conf}:")
    assert time.process_time() - begun < 30  # CPU time; a runaway takes for ever


def test_files_that_include_each_other_twice_end(conf: Path) -> None:
    for number in range(15):
        again = f"include {number + 1}.inc\n" * 8
        (conf.parent / f"{number}.inc").write_text(again)
    (conf.parent / "15.inc").write_text("x\n")
    conf.write_text("include 0.inc\n")
    with pytest.raises(ConfigError, match="too many lines"):
        read(conf)
