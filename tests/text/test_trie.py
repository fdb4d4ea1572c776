"""Phrases laid down when their first word is met: the same answers as when all were laid down at once."""

from __future__ import annotations

import re
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.text.phrases import expand, openings
from salus.text.trie import TokenTrie

Phrase = tuple[str, ...]
words = st.sampled_from(["a", "b", "c", "#", "a's"])
phrases = st.lists(st.lists(words, min_size=1, max_size=4).map(tuple), max_size=12)
texts = st.lists(st.sampled_from(["a", "b", "c", "7", "42", "a's", "x"]), max_size=12)
patterns = st.lists(st.sampled_from(["a", "b|c", "a?", "#", "b|c?", "five|a"]), min_size=1, max_size=4).map(" ".join)


def deferred(entries: list[tuple[Phrase, int]]) -> TokenTrie[int]:
    trie: TokenTrie[int] = TokenTrie()
    for entry in entries:
        trie.defer(entry[0][0], partial(_only, entry))
    return trie


def _only(entry: tuple[Phrase, int], word: str) -> list[tuple[Phrase, int]]:
    assert entry[0][0] == word
    return [entry]


@given(phrases, texts)
def test_phrases_filed_by_first_word_are_found_as_if_laid_down_at_once(found: list[Phrase], text: list[str]) -> None:
    entries = [(phrase, number % 3) for number, phrase in enumerate(found)]
    assert list(deferred(entries).matches(text)) == list(TokenTrie(entries).matches(text))


def test_phrases_are_asked_for_when_their_first_word_is_met_and_once() -> None:
    asked: list[str] = []
    trie: TokenTrie[int] = TokenTrie()

    def some(word: str) -> list[tuple[Phrase, int]]:
        asked.append(word)
        return [((word, "failure"), 1)]

    trie.defer("heart", some)
    assert list(trie.matches(["no", "failure"])) == []
    assert asked == []
    assert list(trie.matches(["heart", "failure", "failure"])) == [(0, 2, [1])]
    assert list(trie.matches(["heart", "failure"])) == [(0, 2, [1])]
    assert asked == ["heart"]


def test_what_is_laid_down_is_not_filed_behind_it() -> None:
    trie: TokenTrie[int] = TokenTrie([(("stroke",), 1)])
    with pytest.raises(ValueError, match="laid down already"):
        trie.defer("stroke", lambda word: [((word,), 2)])


@pytest.mark.parametrize("phrase", [(), ("",), ("a", "")])
def test_an_empty_phrase_is_refused(phrase: Phrase) -> None:
    with pytest.raises(ValueError, match="empty phrase"):
        TokenTrie([(phrase, 1)])


@given(patterns)
def test_the_openings_of_a_pattern_are_the_first_words_of_its_sequences(pattern: str) -> None:
    sequences = list(expand(pattern))
    if () in sequences:
        with pytest.raises(ValueError, match=re.escape(repr(pattern))):
            openings(pattern)
    else:
        found = openings(pattern)
        assert sorted(found) == sorted({sequence[0] for sequence in sequences})
        for word in found:
            begun = list(expand(pattern, first=word.__eq__))
            assert set(begun) == {sequence for sequence in sequences if sequence[0] == word}
