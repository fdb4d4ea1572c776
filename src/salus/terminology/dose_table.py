"""The words of dose instructions (dose_words.toml), read once."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files
from typing import Any


@cache
def table() -> Mapping[str, Any]:
    """The table of words."""
    return tomllib.loads(files("salus.terminology").joinpath("dose_words.toml").read_text("utf-8"))


@cache
def numbers() -> dict[tuple[str, ...], Fraction]:
    """Numbers in words, by their words."""
    return {tuple(form.split()): Fraction(n) for n, forms in table()["number"].items() for form in forms}


@cache
def units() -> dict[str, str]:
    """The unit that each word for one stands for."""
    return {word: unit for unit, words in table()["unit"].items() for word in words}


@dataclass(frozen=True, slots=True)
class Form:
    """A form of the table: for each place the words that may stand there and whether it may be empty."""

    elements: tuple[tuple[frozenset[str], bool], ...]
    entry: Mapping[str, Any]


@cache
def forms() -> dict[str, list[Form]]:
    """Every form under each word that it can begin with."""
    found: dict[str, list[Form]] = {}
    for entry in table()["pattern"]:
        for text in entry["forms"]:
            elements = tuple(_element(word) for word in text.split())
            form = Form(elements, entry)
            for index, (words, optional) in enumerate(elements):
                for word in words:
                    found.setdefault(word, []).append(form)
                if not optional:
                    break
                assert index < len(elements) - 1, "a form must not be optional as a whole"
    return found


def _element(word: str) -> tuple[frozenset[str], bool]:
    optional = word.endswith("?")
    alternatives = word.rstrip("?")
    names: set[str] = set()
    for name in alternatives.split("|"):
        names |= set(table()["class"][name[1:]].split("|")) if name.startswith("@") else {name}
    return frozenset(names), optional


@cache
def stop_words() -> frozenset[str]:
    """Words after which an instruction says something that a daily amount cannot hold."""
    refuse = table()["refuse"]
    return frozenset((*refuse["words"], *refuse["meant_otherwise"]))


@cache
def of_kind(*kinds: str) -> frozenset[str]:
    """The single words that alone are a form of one of these kinds."""
    found: set[str] = set()
    for entry in table()["pattern"]:
        if entry["kind"] in kinds:
            found |= {text.split()[-1] for text in entry["forms"] if all("?" in word for word in text.split()[:-1])}
    return frozenset(found)


@cache
def of_class(*names: str) -> frozenset[str]:
    """The words of these classes."""
    return frozenset(word for name in names for word in table()["class"][name].split("|"))


@cache
def vocabulary() -> frozenset[str]:
    """Every word that the table knows."""
    words = {word for forms in forms().values() for form in forms for names, _ in form.elements for word in names}
    words |= {word for form in numbers() for word in form} | set(units()) | stop_words()
    return frozenset(words | set(table()["range"]["words"]))
