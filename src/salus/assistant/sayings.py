"""Ways of speaking by which a sentence tells of another time, of nobody, of a story, or means something else.

They stand in ``tables/redflags/sayings.toml``; what they mean for a sign stands in :mod:`salus.assistant.context`.
"""

from __future__ import annotations

import re
import tomllib
from importlib.resources import files


def _read() -> dict[str, re.Pattern[str]]:
    text = files("salus.assistant").joinpath("tables", "redflags", "sayings.toml").read_text("utf-8")
    compiled = {}
    for name, entry in tomllib.loads(text).items():
        starts, ends = entry.get("starts", " "), entry.get("ends", " ")
        compiled[name] = re.compile(f"{starts}(?:{'|'.join(entry['any'])}){ends}")
    return compiled


_SAYINGS = _read()
YEARS = _SAYINGS["years"]
PRESENT = _SAYINGS["present"]
FAR = _SAYINGS["far"]
SUPPOSED = _SAYINGS["supposed"]
IMAGINED = _SAYINGS["imagined"]
WOULD = _SAYINGS["would"]
NOT_IMAGINED = _SAYINGS["not-imagined"]
ASKS_IN_GENERAL = _SAYINGS["asks-in-general"]
SOMEBODY = _SAYINGS["somebody"]
ABOUT = _SAYINGS["about"]
UNREAL = _SAYINGS["unreal"]
LEAFLET = _SAYINGS["leaflet"]
RIGHT_NOW = _SAYINGS["right-now"]
WELL = _SAYINGS["well"]
WELL_AFTER = _SAYINGS["well-after"]
ASKS_BEFORE = _SAYINGS["asks-before"]
TROUBLE = _SAYINGS["trouble"]
IDIOMS = _SAYINGS["idioms"]
ASKS_TO_ACT = _SAYINGS["asks-to-act"]
NOT_NOW = _SAYINGS["not-now"]
BEREAVED = _SAYINGS["bereaved"]
HERE = _SAYINGS["here"]
RECOVERED = _SAYINGS["recovered"]
WAS = _SAYINGS["was"]
