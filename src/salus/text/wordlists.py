"""Closed word lists, from ``data/words.toml``."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources


@cache
def words(name: str) -> frozenset[str]:
    """The words of one list. Raises KeyError for a list that is not in the file."""
    table = tomllib.loads(resources.files("salus.text").joinpath("data", "words.toml").read_text("utf-8"))
    return frozenset(table[name].split())
