"""Which code system a URI names: the short key of ``data/systems.toml``."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files

__all__ = ["system_of"]


@cache
def _table() -> tuple[Mapping[str, str], tuple[tuple[re.Pattern[str], str], ...]]:
    table = tomllib.loads(files("salus.terminology").joinpath("data", "systems.toml").read_text("utf-8"))
    exact = {uri.lower(): key for key, uris in table["system"].items() for uri in uris}
    return exact, tuple((re.compile(entry["match"]), entry["system"]) for entry in table["pattern"])


@lru_cache(maxsize=4096)
def system_of(uri: str) -> str:
    """The key of the code system that ``uri`` names, "" where the tables do not know it.

    A version ("|2024-09") is cut, and the module and version that SNOMED CT's URIs may carry.
    """
    bare = uri.strip().lower().partition("|")[0].rstrip("/")
    if bare.startswith(("http://snomed.info/sct/", "https://snomed.info/sct/")):
        return "snomed"
    exact, patterns = _table()
    known = exact.get(bare)
    if known:
        return known
    return next((key for pattern, key in patterns if pattern.search(bare)), "")
