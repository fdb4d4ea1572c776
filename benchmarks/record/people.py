"""What a decision, a read and a page of a search cost as the patients of a store become more.

``python -m benchmarks.record.people [--patients N …] [--each N] [--json]``. Processor milliseconds (median) in stores
of so many patients with as many resources each, half of whom release their record; each in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys

KINDS = ("id", "patient_code", "code")
WITHIN = 1.2
"""How much more the largest store may cost than the smallest."""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patients", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--each", type=int, default=100)
    parser.add_argument("--times", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    found: dict[int, dict[str, float]] = {}
    for patients in given.patients:
        command = [sys.executable, "-m", "benchmarks.record.search", "--json", "--patients", str(patients)]
        command += ["--each", str(given.each), "--times", str(given.times)]
        told = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        found[patients] = {kind: told[kind]["p50"] for kind in KINDS}
        sys.stderr.write(f"{patients:,} patients: {found[patients]}\n")
    first, last = found[given.patients[0]], found[given.patients[-1]]
    ratios = {kind: round(last[kind] / first[kind], 2) for kind in KINDS}
    missed = [kind for kind, ratio in ratios.items() if ratio > WITHIN]
    result = {"benchmark": "record.people", "each": given.each, "p50_ms": found, "ratios": ratios, "missed": missed}
    sys.stdout.write(json.dumps(result, indent=None if given.json else 2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
