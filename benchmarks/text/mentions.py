"""How fast notes are read: characters and notes a CPU second, p50 and p95 a note, peak memory.

    python -m benchmarks.text.mentions [--json]

The note is our own and is repeated; a first one warms the tables and is timed apart. Where negspacy is installed it is
timed on the same sentences with the same spans (negation only).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import sys
import time

from salus.text.document import Document
from salus.text.mentions import Mention, mentions

NOTE = """HISTORY OF PRESENT ILLNESS
58-year-old woman with a history of NSTEMI in 2024 treated with a drug-eluting stent to the LAD, on clopidogrel 75 mg
daily and aspirin 81 mg. No history of stroke or TIA. She denies bleeding, melena, chest pain or shortness of breath.
Omeprazole was stopped in March because of the interaction; she continues pantoprazole 40 mg.

PAST MEDICAL HISTORY
1. Hypertension
2. Type 2 diabetes, diet controlled
3. Chronic kidney disease

FAMILY HISTORY
Mother with stroke in her 60s. Father died of an MI at age 48.

ALLERGIES
Penicillin (rash)

MEDICATIONS
Plavix 75 mg daily
Simvastatin 40 mg at night
Lisinopril 10 mg daily

PLAN
If LDL remains above 70, start ezetimibe. Return if chest pain recurs. Bleeding risk was discussed.
"""
ROUNDS = 500


def _timed(rounds: int) -> tuple[list[float], list[Mention]]:
    times, found = [], []
    for number in range(rounds):
        begun = time.process_time()
        found = mentions(Document(f"n{number}", NOTE), note_year=2025)
        times.append(time.process_time() - begun)
    return times, found


def _negspacy(found: list[Mention]) -> float | None:
    """Mentions a CPU second of negspacy on the same sentences, None where it is not installed."""
    if not all(importlib.util.find_spec(name) for name in ("spacy", "negspacy")):
        return None
    import spacy
    from negspacy.negation import Negex  # noqa: F401 - registers the component

    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    ruler = pipeline.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "X", "pattern": NOTE[m.span.start : m.span.end]} for m in found])
    pipeline.add_pipe("negex", config={"ent_types": ["X"]})
    pipeline(NOTE)
    begun = time.process_time()
    for _ in range(20):
        pipeline(NOTE)
    return 20 * len(found) / (time.process_time() - begun)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    arguments = parser.parse_args()
    begun = time.process_time()
    _, found = _timed(1)
    first = time.process_time() - begun
    times, found = _timed(ROUNDS)
    total = sum(times)
    result = {
        "benchmark": "text.mentions",
        "rounds": ROUNDS,
        "first_note_s": first,
        "notes_per_cpu_s": ROUNDS / total,
        "characters_per_cpu_s": ROUNDS * len(NOTE) / total,
        "mentions_per_cpu_s": ROUNDS * len(found) / total,
        "p50_ms": 1000 * statistics.median(times),
        "p95_ms": 1000 * sorted(times)[int(0.95 * ROUNDS)],
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "peers": {"negspacy_mentions_per_cpu_s": _negspacy(found)},
    }
    print(json.dumps(result, indent=None if arguments.json else 2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
