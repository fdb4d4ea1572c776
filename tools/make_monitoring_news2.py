"""Make ``src/salus/monitoring/news2.json`` from the reference table of NEWS2.

Usage: python tools/make_monitoring_news2.py ../shared/data/monitoring/facts/news2.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "salus" / "monitoring" / "news2.json"

# (name here, name in the table, label, unit, step of the chart, plausible low and high). The plausible range is ours:
# it only catches values in a wrong unit or from a failed sensor.
NUMBERS = (
    ("respiratory-rate", "respiratory_rate_per_min", "respiratory rate", "/min", "1", 0, 120),
    ("systolic-bp", "systolic_bp_mmHg", "systolic blood pressure", "mm[Hg]", "1", 20, 350),
    ("heart-rate", "pulse_per_min", "pulse", "/min", "1", 0, 350),
    ("body-temperature", "temperature_C", "temperature", "Cel", "0.1", 20, 46),
)
SATURATION = ("spo2_scale1_percent", "spo2_scale2_percent_on_air", "spo2_scale2_percent_on_oxygen")


def bands(rows: list[list[float | None]]) -> list[list[str | int | None]]:
    """Upper bounds as text, so that they are read as exact decimals."""
    return [[None if bound is None else str(bound), int(points or 0)] for bound, points in rows]


def main() -> None:
    """Write the table."""
    facts = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    table = {
        "source": "Royal College of Physicians. National Early Warning Score (NEWS) 2: Standardising the assessment "
        "of acute-illness severity in the NHS. Updated report of a working party. London: RCP, 2017. Chart 1 and "
        "thresholds.",
        "licence": "RCP: no copyright restriction on the use of this material; the Royal College of Physicians, as "
        "copyright holder, is acknowledged.",
        "format": "bands are [inclusive upper bound, points], lowest first; null is no bound",
        "numbers": {
            name: {
                "label": label,
                "unit": unit,
                "step": step,
                "plausible": [low, high],
                "bands": bands(facts[key]),
            }
            for name, key, label, unit, step, low, high in NUMBERS
        },
        "oxygen-saturation": {
            "label": "oxygen saturation",
            "unit": "%",
            "step": "1",
            "plausible": [0, 100],
            "scale-1": bands(facts[SATURATION[0]]),
            "scale-2-air": bands(facts[SATURATION[1]]),
            "scale-2-oxygen": bands(facts[SATURATION[2]]),
        },
        "oxygen": {"label": "air or oxygen", "points": facts["supplemental_oxygen"]},
        "acvpu": {"label": "consciousness (ACVPU)", "points": facts["consciousness_ACVPU"]},
        "response": facts["response"],
    }
    TARGET.write_text(json.dumps(table, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
