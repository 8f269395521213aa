"""Tokens of keepalived.conf: lossless, with quotes, comments and braces as keepalived has them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.keepalived.lexer import Kind, code, tokens, words

SIGNS = st.lists(
    st.sampled_from(["{", "}", '"', "!", "#", "\\", "$", "\n", "\r", " ", "\t", "\v", "\x85", "a"])
    | st.text(min_size=1, max_size=1)
).map("".join)


@given(SIGNS | st.text())
def test_the_tokens_joined_are_the_text(text: str) -> None:
    found = list(tokens(text))
    assert "".join(token.text for token in found) == text
    assert [token.start for token in found] == [
        sum(len(token.text) for token in found[:number]) for number in range(len(found))
    ]
    assert all(token.text and token.end == token.start + len(token.text) for token in found)


@given(st.binary())
def test_any_bytes_come_back(content: bytes) -> None:
    text = content.decode("utf-8", errors="surrogateescape")
    joined = "".join(token.text for token in tokens(text))
    assert joined.encode("utf-8", errors="surrogateescape") == content


def kinds(text: str) -> list[tuple[str, str]]:
    return [(t.kind.value, t.text) for t in tokens(text) if t.kind is not Kind.SPACE]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a{b}", [("word", "a"), ("open", "{"), ("word", "b"), ("close", "}")]),
        ("${A}b ${", [("word", "${A}b"), ("word", "$"), ("open", "{")]),
        ('a"{ b}"c', [("word", "a"), ("quoted", '"{ b}"'), ("word", "c")]),
        ('"a\nb', [("quoted", '"a'), ("newline", "\n"), ("word", "b")]),
        ("a!b\nc", [("word", "a"), ("comment", "!b"), ("newline", "\n"), ("word", "c")]),
        ('"#" # "', [("quoted", '"#"'), ("comment", '# "')]),
        ("a\\#b", [("word", "a\\#b")]),
        ("$A=b \\\r\n", [("word", "$A=b"), ("continuation", "\\"), ("newline", "\n")]),
        ("a # b \\\n", [("word", "a"), ("comment", "# b \\"), ("newline", "\n")]),
        ("a\u2028b\x85\u00a0c", [("word", "a\u2028b\x85\u00a0c")]),
    ],
)
def test_the_kinds_of_tokens(text: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(text) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('a"b c"d', ["a", "b c", "d"]),
        ('a "" b', ["a", "", "b"]),
        ('a "b c', ["a"]),
        ("a 'b c'", ["a", "'b", "c'"]),
        ('a "b\\"c"', ["a", "b\\", "c"]),
        ("script 'b c'\"d\"", ["script", "b cd"]),
        ('notify "b\\"c" \\x41\\102\\n\\c[', ["notify", 'b"c', "AB\n\x1b"]),
        ("script 'b", ["script"]),
        (" script 'b c'", ["script", "'b", "c'"]),
    ],
)
def test_words_are_keepalived_s(line: str, expected: list[str]) -> None:
    assert [word for word, _, _ in words(line)] == expected


@given(SIGNS.filter(lambda text: "\n" not in text))
def test_a_word_stands_where_it_says(line: str) -> None:
    for word, start, end in words(line):
        assert word == line[start:end] or line[start] == '"'


def test_the_code_of_a_line_ends_where_its_comment_begins() -> None:
    assert (code("a # b").end, code('"#" x').end) == (2, 5)
    assert code("a\\!b # c").escapes == (1,)
    assert (code("a # b\\").continuation, code("a\\").end) == (5, 1)
