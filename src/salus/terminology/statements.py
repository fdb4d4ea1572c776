"""Entries that name nothing: "no known medications", "no known allergies", "no information"."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files

from salus.fhir.codes import Code
from salus.terminology.systems import system_of
from salus.terminology.words import fold

__all__ = ["statement"]


@cache
def _table() -> tuple[Mapping[tuple[str, str], str], Mapping[str, str]]:
    table = tomllib.loads(files("salus.terminology").joinpath("data", "statements.toml").read_text("utf-8"))
    codes, words = {}, {}
    for name, entry in table.items():
        for text in entry["codes"]:
            system, _, code = text.partition("|")
            codes[system, code] = name
        words.update(dict.fromkeys(entry.get("words", ()), name))
    return codes, words


def statement(codes: Iterable[Code], phrases: Iterable[str]) -> str | None:
    """Which statement the codes or else the words make: "no-medicine", "no-drug-allergy", ...; None for none."""
    by_code, by_words = _table()
    for code in codes:
        found = by_code.get((system_of(code.system), code.code.strip()))
        if found:
            return found
    for phrase in phrases:
        found = by_words.get(fold(phrase).removesuffix(" (situation)").strip(" .!"))
        if found:
            return found
    return None
