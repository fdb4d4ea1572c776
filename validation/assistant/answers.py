"""Answers on the bundled example patients, and known-item retrieval in a loaded library.

The questions and what must stand in the answers were written from the example files (``examples/patients``), not from
the answers. A question passes when it gets the kind of reply and all the words expected, every citation resolves, and
every number stands in a cited place. Without consent each question is refused in the usual words.
Retrieval (``qa/known_item_ids.json`` with ``qa/medquad*.jsonl*``): the query is the question of an item, the right
answer that item.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path

from validation._report import argument_parser, report

# patient, question, kind of reply, words that must stand in it
QUESTIONS: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("maria", "What is my last potassium?", "answer", ("4.3 mmol/L", "18 May 2026")),
    ("maria", "what is my latest LDL value", "answer", ("104 mg/dL", "18 May 2026")),
    ("maria", "What was my HDL?", "answer", ("46 mg/dL",)),
    ("maria", "how high is my total cholesterol", "answer", ("182 mg/dL",)),
    ("maria", "What is my last creatinine?", "answer", ("1.32 mg/dL", "18 May 2026")),
    ("maria", "How did my creatinine change?", "answer", ("1.22 mg/dL", "20 February 2026", "1.32 mg/dL")),
    ("maria", "how much protein is in my urine?", "answer", ("246 mg/g",)),
    ("maria", "What is my HbA1c?", "answer", ("5.6 %",)),
    ("maria", "what's my weight", "answer", ("71 kg",)),
    ("maria", "Do I smoke? What is my smoking status?", "answer", ("Ex-smoker",)),
    (
        "maria",
        "Which medicines do I take?",
        "answer",
        ("clopidogrel", "aspirin", "simvastatin", "omeprazole", "amlodipine"),
    ),
    ("maria", "do I take simvastatin?", "answer", ("40 mg every evening", "30 January 2026")),
    ("maria", "Do I take warfarin?", "unknown", ()),
    ("maria", "Am I allergic to penicillin?", "answer", ("No known drug allergy", "28 January 2026")),
    ("maria", "What does my CYP2C19 gene result mean?", "answer", ("*2/*2", "clopidogrel")),
    ("maria", "Has my blood pressure risen?", "answer", ("rising",)),
    ("maria", "Why does my plan say something about ibuprofen?", "answer", ("ibuprofen", "bleeding")),
    ("maria", "What should I ask at my next visit?", "answer", ("clopidogrel", "kidneys")),
    ("maria", "When is my next appointment?", "unknown", ()),
    ("maria", "When did I get my stent?", "answer", ("29 January 2026",)),
    ("maria", "Which conditions do I have?", "answer", ("Essential hypertension", "12 April 2021", "resolved")),
    ("maria", "Do I have asthma?", "unknown", ()),
    ("maria", "Can I stop taking clopidogrel?", "answer", ("Do not stop",)),
    ("maria", "Who looked at my record?", "answer", ("demo-clinician", "was refused")),
    ("noor", "What is my last creatinine?", "answer", ("2 March 2026", "not used")),
    ("noor", "Am I allergic to penicillin?", "unknown", ()),
    ("noor", "What is my potassium?", "unknown", ()),
    ("thomas", "What is my LDL?", "answer", ("164 mg/dL", "11 May 2026")),
    ("thomas", "Do I have diabetes?", "answer", ("11 May 2026", "no history of diabetes")),
    ("thomas", "which medicines do i take", "answer", ("cetirizine", "10 mg once daily in spring")),
)
AT_1, AT_10 = 0.80, 0.95
REFUSED = "no such patient, or not released to you"


def ask_all(folder: Path, failures: list[dict[str, str]]) -> dict[str, int]:
    """Ask every question as the patient, and as the clinician before any consent."""
    from salus.app import assistant, demo
    from salus.app.session import Session
    from salus.assistant import citations
    from salus.errors import AccessError
    from salus.trust.identity import demo_identity

    counts = {"passed": 0, "sentences": 0, "resolved": 0, "refused": 0}
    examples = demo.examples()
    with demo.make_house(demo.fresh_folder(folder), *examples.values()) as house:
        for example in examples.values():
            demo.take_in(house, example)
        clinician = Session(house, demo_identity(demo.CLINICIAN))
        for number, (name, question, kind, words) in enumerate(QUESTIONS, 1):
            example = examples[name]
            try:
                assistant.ask(clinician, example.patient, question, example.at)
                failures.append({"id": f"{number} refused", "why": "answered without a basis"})
            except AccessError as error:
                counts["refused"] += error.what == REFUSED
            session = Session(house, demo_identity(demo.patient_actor(example)))
            seen = assistant.ask_seen(session, example.patient, question, example.at)
            wrong = list(citations.problems(seen.reply, seen.places))
            missing = [w for w in words if w.lower() not in seen.reply.text.lower()]
            counts["sentences"] += len(seen.reply.sentences)
            counts["resolved"] += 0 if wrong else len(seen.reply.sentences)
            if seen.reply.kind == kind and not wrong and not missing:
                counts["passed"] += 1
            else:
                why = f"{seen.reply.kind}; missing {missing}; {wrong}"
                failures.append({"id": f"{number} {name}: {question}", "why": why})
    return counts


def retrieval(data: Path, folder: Path, failures: list[dict[str, str]]) -> tuple[dict[str, float], list[Path]]:
    """Recall at 1 and 10 of known items; nothing where the folder holds none."""
    from salus.assistant import medquad

    named = sorted(data.rglob("*known_item_ids*.json"))
    files = sorted(data.rglob("medquad*.jsonl*"))
    if not named or not files:
        return {}, []
    with (gzip.open if files[0].suffix == ".gz" else open)(files[0], "rt", encoding="utf-8") as file:
        questions = {row["id"]: row["question"] for row in map(json.loads, file)}
    index = folder / "library.sqlite"
    medquad.learn(files[0], index)
    ids = [i for path in named for i in json.loads(path.read_text("utf-8"))]
    first = among = 0
    for item in ids:
        found = [p.id for p in medquad.search(index, questions[item], 10)]
        first += found[:1] == [f"medquad-{item}"]
        among += f"medquad-{item}" in found
    figures = {"known_items": len(ids), "recall_at_1": first / len(ids), "recall_at_10": among / len(ids)}
    if figures["recall_at_1"] < AT_1 or figures["recall_at_10"] < AT_10:
        failures.append({"id": "retrieval", "why": str(figures)})
    return figures, [named[0], files[0]]


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    failures: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counts = ask_all(folder / "house", failures)
        found, files = retrieval(arguments.data, folder, failures)
    n = len(QUESTIONS)
    figures = {"n": n, **counts, **found}
    return report(
        check="assistant.answers",
        n=n if files else 0,
        passed=counts["passed"],
        data=arguments.data,
        files=files,
        figures=figures,
        methods=["assistant.answers"],
        failures=failures,
        as_json=arguments.json,
        ok=not failures and counts["refused"] == n and counts["resolved"] == counts["sentences"],
    )


if __name__ == "__main__":
    sys.exit(main())
