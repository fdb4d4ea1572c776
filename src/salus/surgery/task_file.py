"""The question for a path as a TOML file: target, fiducials, and what to keep away from."""

from __future__ import annotations

import tomllib
from typing import Any, Final

from salus.errors import InputError
from salus.surgery.trajectory import Task

NUMBERS: Final = {
    "fle_mm": "fle",
    "instrument_radius_mm": "instrument_radius",
    "k": "k",
    "longest_mm": "longest",
    "steepest_deg": "steepest",
    "label_error_mm": "label_error",
    "entry_spacing_mm": "entry_spacing",
}
"""Keys of the file with one number each, and the fields they fill."""
_REMEDY: Final = "see docs/surgery.md for the form"


def read_task(text: str) -> Task:
    """The task in ``text``. Raises :class:`InputError` naming the key that is missing, unknown or not what it should
    be.

    ``target_lps_mm``, ``fiducials_lps_mm``, ``fle_mm`` and at least one ``[keep_away.N]`` with ``margin_mm`` are
    needed.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError("not a TOML file", remedy=_REMEDY) from error
    known = {"target_lps_mm", "fiducials_lps_mm", "keep_away", *NUMBERS}
    if unknown := sorted(set(tables) - known):
        raise InputError("an unknown key", unknown[0], _REMEDY)
    if missing := sorted({"target_lps_mm", "fiducials_lps_mm", "fle_mm", "keep_away"} - set(tables)):
        raise InputError("missing", missing[0], _REMEDY)
    fiducials = tables["fiducials_lps_mm"]
    if not isinstance(fiducials, list):
        raise InputError("not a list of points", "fiducials_lps_mm", _REMEDY)
    margins, names = _keep_away(tables["keep_away"])
    return Task(
        target=_point(tables["target_lps_mm"], "target_lps_mm"),
        fiducials=tuple(_point(p, f"fiducials_lps_mm[{k}]") for k, p in enumerate(fiducials)),
        keep_away=margins,
        names=names,
        **{field: _number(tables[key], key) for key, field in NUMBERS.items() if key in tables},
    )


def _keep_away(tables: Any) -> tuple[dict[int, float], dict[int, str]]:
    if not isinstance(tables, dict):
        raise InputError("not a table", "keep_away", _REMEDY)
    margins, names = {}, {}
    for key, table in tables.items():
        where = f"keep_away.{key}"
        if not (key.isascii() and key.isdigit() and len(key) < 10 and isinstance(table, dict) and "margin_mm" in table):
            raise InputError("not a label with its margin_mm", where, _REMEDY)
        margins[int(key)] = _number(table["margin_mm"], f"{where}.margin_mm")
        if "name" in table:
            if not isinstance(table["name"], str):
                raise InputError("not a name", f"{where}.name", _REMEDY)
            names[int(key)] = table["name"][:100]
    return margins, names


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError("not a number", where, _REMEDY)
    return float(value)


def _point(value: Any, where: str) -> tuple[float, float, float]:
    if not isinstance(value, list) or len(value) != 3:
        raise InputError("not a point", where, "give [x, y, z] in LPS mm")
    x, y, z = (_number(v, where) for v in value)
    return x, y, z
