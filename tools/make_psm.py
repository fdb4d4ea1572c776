"""Make ``src/salus/surgery/tables/psm.json``: ``python tools/make_psm.py FACTS OUT``.

FACTS is ``psm_dh.json``, facts from SurRoL (MIT): angles as text ("pi/2", "-91deg"), lengths in metres. OUT holds them
in radians and metres.
"""

import argparse
import json
from math import pi, radians
from pathlib import Path

LICENCE = "facts; SurRoL is under the MIT License"


def number(text: str | float) -> float:
    """Radians or metres of "-pi/2", "53deg", "0.24 m" or a number."""
    if not isinstance(text, str):
        return float(text)
    if text.endswith("deg"):
        return radians(float(text.removesuffix("deg")))
    if "pi" in text:
        sign, divisor = (-1 if text.startswith("-") else 1), text.partition("/")[2] or "1"
        return sign * pi / float(divisor)
    return float(text.removesuffix("m"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("facts", type=Path, help="psm_dh.json")
    parser.add_argument("out", type=Path, help="psm.json")
    arguments = parser.parse_args()
    facts = json.loads(arguments.facts.read_bytes())
    table = {key: facts[key] for key in ("robot", "convention", "source")} | {"licence": LICENCE}
    for name in ("a_m", "alpha_rad", "d_m", "theta_offset_rad", "joint_lower", "joint_upper"):
        table[name] = [number(value) for value in facts[name]]
    table |= {"joint_types": facts["joint_types"], "tip_rotation": facts["tip_rotation"]}
    arguments.out.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
