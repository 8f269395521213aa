"""The words and comments of keepalived.conf, as keepalived reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netvip.keepalived.lexer import code, words

SIGNS = st.lists(
    st.sampled_from(["{", "}", '"', "!", "#", "\\", "$", "\n", "\r", " ", "\t", "\v", "\x85", "a"])
    | st.text(min_size=1, max_size=1)
).map("".join)


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
