"""Live monitoring in two runs over the same readings: in order, and shuffled within the lateness with every one twice.

``python -m validation.monitoring.replay --data DIR [--json]`` derives heart-rate readings from the beats that people
annotated in ``mitdb-*/*.atr`` (median beat interval of the last 10 s, every 2.6 s, at most 10,000 in all). Each record
is one patient's device. Made, so that there is something to alert: stretches are left out, and between the eighth and
the 22nd minute the rate is raised or lowered by a fixed number, record by record. Both runs go through a whole house:
queue, store, rules, alerts. A case is a reading or an alert; it passes when both runs hold it alike.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.intake import Intake
from salus.app.live_person import rule_of
from salus.app.live_readings import Drained, Monitor
from salus.app.session import Session
from salus.fhir import json
from salus.formats.wfdb import read_annotations
from salus.monitoring.live import table
from salus.trust.identity import Actor, Identity
from validation._report import argument_parser, report

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
NOW = START + timedelta(hours=2)
RATE = 360
MOST = 10_000
STEP, WINDOW = 2.6, 10
SEED = 20260301
SHIFTS = (0, 60, -40)
BEATS = frozenset("NLRBAaJSVrFejnE/fQ")
SILENT = timedelta(seconds=90)


def readings(path: Path, shift: int) -> Iterator[dict[str, Any]]:
    """Heart rates of one record; two minutes of every fifteen are left out, ``shift`` is the made change of rate."""
    annotations = read_annotations(path.read_bytes())
    times = [
        int(sample) / RATE
        for sample, symbol in zip(annotations.sample, annotations.symbol, strict=True)
        if symbol in BEATS
    ]
    for number in range(int((times[-1] - WINDOW) / STEP) if times else 0):
        at = WINDOW + number * STEP
        inside = [t for t in times if at - WINDOW <= t < at]
        if len(inside) < 3 or 780 <= at % 900 < 900:
            continue
        interval = median(b - a for a, b in pairwise(inside))
        yield {
            "device": f"monitor-{path.stem}",
            "code": "heart-rate",
            "at": (START + timedelta(seconds=at)).isoformat(),
            "seq": number,
            "value": max(20, round(60 / interval) + (shift if 480 <= at < 1320 else 0)),
            "unit": "/min",
        }


def shuffled_twice(ordered: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every reading twice, each copy moved by less than the allowed lateness."""
    source = random.Random(SEED)
    late = table().lateness.total_seconds() - 1
    moved = [(datetime.fromisoformat(r["at"]).timestamp() + source.uniform(0, late), r) for r in ordered * 2]
    return [r for _, r in sorted(moved, key=lambda pair: pair[0])]


def run(folder: Path, sent: list[dict[str, Any]], devices: list[str]) -> tuple[dict[str, bytes], Drained, int, float]:
    """What a fresh house holds after ``sent``: readings and alerts by reference; the counts; doubles; CPU seconds."""
    operator = Identity.generate("operator")
    with House.create(at_folder(folder), alone=True, clock=lambda: NOW) as house:
        house.add_actor(Actor("operator", "operator", operator.public_key), by="operator")
        session = Session(house, operator)
        total, doubles, start = Drained(), 0, time.process_time()
        with Monitor(session) as monitor:
            for device in devices:
                patient = {"resourceType": "Patient", "id": device, "birthDate": "1950-01-01", "gender": "unknown"}
                (folder / f"{device}.json").write_bytes(json.dumps(patient))
                Intake(session).run([folder / f"{device}.json"])
                monitor.assign(device, device, setting="home", silent_after=SILENT)
            for at in range(0, len(sent), 500):
                doubles += monitor.receive([json.dumps(r) for r in sent[at : at + 500]]).duplicates
                done = monitor.drain()
                total.stored, total.late = total.stored + done.stored, total.late + done.late
            monitor.advance()
        spent = time.process_time() - start
        held: dict[str, bytes] = {}
        for device in devices:
            chart, _ = house.gate.service_chart(device, NOW)
            for source, body in chart.resources():
                if body["resourceType"] in ("Observation", "Flag"):
                    held[f"{device} {source.ref}"] = json.dumps(body, canonical=True)
        problems = house.verify().problems
    if problems:
        raise RuntimeError(f"the store does not verify: {problems[0]}")
    return held, total, doubles, spent


def main() -> int:
    """Run both ways over every record found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("mitdb-*/*.atr"))
    found = [r for n, path in enumerate(files) for r in readings(path, SHIFTS[n % len(SHIFTS)])]
    ordered = sorted(sorted(found, key=lambda r: (r["seq"], r["device"]))[:MOST], key=lambda r: (r["at"], r["device"]))
    devices = sorted({str(r["device"]) for r in ordered})
    if not ordered:
        return report(check="monitoring.replay", n=0, passed=0, data=arguments.data, as_json=arguments.json)
    with tempfile.TemporaryDirectory() as folder:
        one, first, _, spent = run(Path(folder) / "ordered", ordered, devices)
        other, second, doubles, _ = run(Path(folder) / "shuffled", shuffled_twice(ordered), devices)
    names = sorted(one.keys() | other.keys())
    wrong = [name for name in names if one.get(name) != other.get(name)]
    alerts = [name for name in names if " Flag/" in name]
    figures = {
        "n": len(names),
        "passed": len(names) - len(wrong),
        "readings": len(ordered),
        "stored": [first.stored, second.stored],
        "duplicates_dropped": doubles,
        "late": [first.late, second.late],
        "alerts": len(alerts),
        "alerts_by_rule": dict(Counter(rule_of(json.loads(one.get(name, b"{}"))) for name in alerts)),
        "devices": len(devices),
        "readings_per_cpu_s": len(ordered) / spent if spent else None,
    }
    exact = first.stored == second.stored == len(ordered) and doubles == len(ordered) and second.late == 0
    return report(
        check="monitoring.replay",
        n=len(names),
        passed=len(names) - len(wrong),
        figures=figures,
        methods=["monitoring.live"],
        data=arguments.data,
        files=files,
        failures=[{"id": name, "why": "held otherwise after the shuffled run"} for name in wrong],
        as_json=arguments.json,
        ok=not wrong and exact and bool(alerts),
    )


if __name__ == "__main__":
    sys.exit(main())
