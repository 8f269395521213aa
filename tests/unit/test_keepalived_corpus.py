"""The reader on the corpus, and on what would exhaust it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.errors import ConfigError
from netvip.keepalived.reader import read
from tests.unit.keepalived_corpus import CORPUS, summary, write
from tests.unit.keepalived_tokens import Kind, tokens


def test_the_corpus_is_large_enough() -> None:
    assert len(CORPUS) >= 40


@pytest.mark.parametrize("name", CORPUS)
def test_a_configuration_says_what_it_says(tmp_path: Path, name: str) -> None:
    text, expected = CORPUS[name]
    assert summary(read(write(tmp_path, text), node="nodea")) == expected


@given(st.sampled_from(sorted(CORPUS)), st.sampled_from([" ", "\t", "  "]), st.booleans())
def test_blanks_and_comments_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, name: str, blank: str, comment: bool
) -> None:
    text, expected = CORPUS[name]
    if "\\" in text or "===" in text:
        return  # a backslash ends the line, and a file's name is not layout
    spaced = "".join(
        blank if token.kind is Kind.SPACE else token.text for token in tokens(text)
    ).replace("\n", " ! told\n" if comment else "\n")
    place = tmp_path_factory.mktemp("spaced")
    if "$" not in text and "~" not in text:
        assert summary(read(write(place, spaced), node="nodea")) == expected


@pytest.mark.parametrize(
    "text",
    [
        "$A=${A}${A}\n$A\n",
        "$A=${B}x\n$B=${A}x\n$A\n",
        "~SEQ(A,1,300) ~SEQ(B,1,300) ~SEQ(C,1,300) x\n",
        "~SEQ(A,1,99999999999) x\n",
        "~SEQ(A,0,0,5) x\n",
        "~SEQ(A,x) x\n",
        "~LST({A},{1,2}) x\n",
        "~LST(A) x\n",
        "$A=" + "x" * 1000 + "\n" + "~SEQ(N,1,60000) $A\n",
        "$M=x \\\n$M\n$M\n",
    ],
)
def test_what_unfolds_without_end_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"keepalived\.conf:\d: .*(shorten|correct) it"):
        read(path)


def test_what_a_definition_made_is_not_verbatim(tmp_path: Path) -> None:
    path = tmp_path / "keepalived.conf"
    path.write_text("$A=x y\na b\n$A c\n@nodea d e\n")
    statements = read(path, node="nodea").statements
    assert [(s.texts(), s.line, s.verbatim) for s in statements] == [
        (("a", "b"), 2, True),
        (("x", "y", "c"), 3, False),
        (("d", "e"), 4, True),
    ]
    text = path.read_text()
    assert [text[w.start : w.end] for w in statements[2].words] == ["d", "e"]
