"""Live monitoring in two runs over the same readings: in order, and shuffled within the lateness with every one twice.

``python -m validation.monitoring.replay --data DIR [--json]`` derives heart-rate readings from the beats that people
annotated in ``mitdb-*/*.atr`` (median beat interval of the last 10 s, every 2.6 s, at most 10,000 in all). Each record
is one patient's device. Made, so that there is something to alert: stretches are left out, and between the eighth and
the 22nd minute the rate is raised or lowered by a fixed number, record by record. Both runs go through a whole house:
queue, store, rules, alerts. What must be is ours: the two runs agree, and nothing that was sent is lost or changed.

A case is a reading or an alert. Right: both runs hold it alike. Wrong: they do not, or a value that was sent is not
held. Not read: a record whose annotations cannot be read. The limits that the alerts go by are not tested here.
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
from salus.app.intake.intake import Intake
from salus.app.live.person import rule_of
from salus.app.live.readings import Drained, Monitor
from salus.app.session import Session
from salus.errors import InputError
from salus.fhir import json, series
from salus.formats.wfdb import read_annotations
from salus.trust.identity import Actor, Identity
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report

START = datetime(2026, 3, 1, 8, tzinfo=UTC)
NOW = START + timedelta(hours=2)
RATE = 360
MOST = 10_000
STEP, WINDOW = 2.6, 10
LATE = 119
"""Seconds by which a copy is moved: one less than the two minutes that salus says it waits."""
SEED = 20260301
SHORT = ("--most", "4000")
MUTANTS = (
    Mutant("salus/monitoring/live.py", "return self.device, self.code, self.at.isoformat(), self.seq",
           'return self.device, self.code, self.at.isoformat()[:16], ""', "readings of one minute count as one"),
    Mutant("salus/monitoring/live_rules.json", '"lateness_s": 120,', '"lateness_s": 20,',
           "late readings are not waited for"),
    Mutant("salus/monitoring/live_stream.py", "heapq.heappush(self._waiting, (event.at, event.key))",
           "self._waiting.append((event.at, event.key))", "readings are not brought into order"),
    Mutant("salus/monitoring/live_stream.py", "mark = seen - self._lateness if", "mark = seen if",
           "everything is final at once"),
)  # fmt: skip
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
    moved = [(datetime.fromisoformat(r["at"]).timestamp() + source.uniform(0, LATE), r) for r in ordered * 2]
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
                monitor.assign(device, device, setting="home", silent_after=SILENT, since=START)
            for at in range(0, len(sent), 500):
                doubles += monitor.receive([json.dumps(r) for r in sent[at : at + 500]]).duplicates
                done = monitor.drain()
                total.stored, total.late = total.stored + done.stored, total.late + done.late
            monitor.advance()
        spent = time.process_time() - start
        held: dict[str, bytes] = {}
        for device in devices:
            chart, _ = house.gate.service_chart(device, NOW)
            for _, body in chart.resources():
                singles = series.expand(body) if series.is_block(body) else [body]
                for single in singles if body["resourceType"] in ("Observation", "Flag") else ():
                    held[f"{device} {body['resourceType']}/{single['id']}"] = json.dumps(single, canonical=True)
        problems = house.verify().problems
    if problems:
        raise RuntimeError(f"the store does not verify: {problems[0]}")
    return held, total, doubles, spent


def lost(ordered: list[dict[str, Any]], held: dict[str, bytes]) -> Counter[tuple[str, float]]:
    """(device, value) of what was sent and is not held, each as often as it is missing."""
    bodies = [(name.partition(" ")[0], json.loads(body)) for name, body in held.items() if " Observation/" in name]
    there = Counter((device, float(b["valueQuantity"]["value"])) for device, b in bodies if "valueQuantity" in b)
    return Counter((str(r["device"]), float(r["value"])) for r in ordered) - there


def main() -> int:
    """Run both ways over every record found and report."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--most", type=int, default=MOST, help="readings in all")
    arguments = parser.parse_args()
    files = sorted(arguments.data.glob("mitdb-*/*.atr"))
    tally, found = Tally(), list[dict[str, Any]]()
    for number, path in enumerate(files):
        try:
            found += readings(path, SHIFTS[number % len(SHIFTS)])
        except InputError as error:
            tally.add(path.stem, Outcome.NOT_READ, str(error))
    first_ones = sorted(found, key=lambda r: (r["seq"], r["device"]))[: arguments.most]
    ordered = sorted(first_ones, key=lambda r: (r["at"], r["device"]))
    devices = sorted({str(r["device"]) for r in ordered})
    figures: dict[str, Any] = {}
    exact = False
    if ordered:
        with tempfile.TemporaryDirectory() as folder:
            one, first, _, spent = run(Path(folder) / "ordered", ordered, devices)
            other, second, doubles, _ = run(Path(folder) / "shuffled", shuffled_twice(ordered), devices)
        names = sorted(one.keys() | other.keys())
        for name in names:
            alike = one.get(name) == other.get(name)
            tally.add(name, Outcome.RIGHT if alike else Outcome.WRONG, "held otherwise after the shuffled run")
        missing = lost(ordered, one)
        for (device, value), times in missing.items():
            tally.add(f"{device} {value:g}", Outcome.WRONG, f"sent and not held, {times} times")
        alerts = [name for name in names if " Flag/" in name]
        figures = {
            "readings": len(ordered),
            "stored": [first.stored, second.stored],
            "duplicates_dropped": doubles,
            "late": [first.late, second.late],
            "lost": missing.total(),
            "alerts": len(alerts),
            "alerts_by_rule": dict(Counter(rule_of(json.loads(one.get(name, b"{}"))) for name in alerts)),
            "devices": len(devices),
            "readings_per_cpu_s": len(ordered) / spent if spent else None,
        }
        exact = first.stored == second.stored == len(ordered) and doubles == len(ordered) and second.late == 0
        exact = exact and bool(alerts)
    return report(
        check="monitoring.replay",
        tally=tally,
        data=arguments.data,
        covers="the order in which readings come, and copies of them, change neither what is stored nor what is "
        "alerted, "
        "and none is lost; whether the alerts are the right ones is not measured",
        truth=Truth.OWN,
        split=Split.UNSEEN,
        figures={"n": tally.n, "passed": tally.passed, **figures},
        methods=["monitoring.live"],
        files=files,
        as_json=arguments.json,
        ok=tally.passed == tally.n and exact,
    )


if __name__ == "__main__":
    sys.exit(main())
