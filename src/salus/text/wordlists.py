"""Closed word lists, from ``data/words.toml`` and ``data/answers_en.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources


@cache
def words(name: str) -> frozenset[str]:
    """The words of one list. Raises KeyError for a list that is not in the file."""
    table = tomllib.loads(resources.files("salus.text").joinpath("data", "words.toml").read_text("utf-8"))
    return frozenset(table[name].split())


@cache
def answer_words(name: str) -> frozenset[str]:
    """The words of one list of ``data/answers_en.toml``. Raises KeyError for a list that is not in the file."""
    table = tomllib.loads(resources.files("salus.text").joinpath("data", "answers_en.toml").read_text("utf-8"))
    return frozenset(table[name].split())


@cache
def answer_openings() -> frozenset[str]:
    """The first words of the answers in ``data/answers_en.toml``."""
    table = tomllib.loads(resources.files("salus.text").joinpath("data", "answers_en.toml").read_text("utf-8"))
    firsts = (phrase.split()[0].rstrip("?").split("|") for row in table["answer"] for phrase in row["phrases"])
    return frozenset(word for first in firsts for word in first if word.isalpha() or "'" in word)
