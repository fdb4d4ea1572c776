"""Answers on the bundled example patients, and known-item retrieval in a loaded library.

The questions and what must stand in the answers were written from the example files (``examples/patients``), not from
the answers; people, questions and expected words are ours. A case is a question:

- right: it gets the kind of reply and all the words expected, every citation resolves, and every number stands in a
  cited place; refused rightly: "unknown" is expected, and the reply says so;
- wrong: another kind of reply with words, words missing, or a citation that does not resolve;
- refused though answerable: an answer is expected, and the reply is "unknown".

Without consent each question is refused in the usual words. Retrieval (``qa/known_item_ids.json`` with
``qa/medquad*.jsonl*``): the query is the question of an item, the right answer that item; it stands in the figures.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from salus.app import demo
from salus.app.assistant import conversation as assistant
from salus.app.session import Session
from salus.assistant import citations, medquad
from salus.errors import AccessError
from salus.trust.identity import demo_identity
from validation._report import Mutant, Outcome, Split, Tally, Truth, argument_parser, report, wilson
from validation.person._plans import examples

SHORT = ("--items", "100")
MEASURES, ANSWER = "salus/assistant/measures.py", "salus/assistant/answer.py"
MUTANTS = (
    Mutant(ANSWER, '"past": "over"', '"past": "active"', "what is over is called active"),
    Mutant(MEASURES, "        newest = view.chart.latest(concept)\n",
           "        newest = next(iter(view.chart.observations(concept)), None)\n",
           "the first value is called the latest"),
    Mutant(MEASURES, "if len(values) > 1:", "if len(values) > 99:", "no change is ever told"),
    Mutant(ANSWER, 'dose = f", {medicine.dose}" if medicine.dose else ""', 'dose = ""', "doses are left out"),
)  # fmt: skip
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
    (
        "maria",
        "Which conditions do I have?",
        "answer",
        ("Essential hypertension", "12 April 2021", "28 January 2026), over"),
    ),
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


def judge(seen: Any, kind: str, words: tuple[str, ...]) -> tuple[Outcome, str]:
    """How a question ends, and why."""
    broken = list(citations.problems(seen.reply, seen.places))
    missing = [w for w in words if w.lower() not in seen.reply.text.lower()]
    why = f"{seen.reply.kind}; missing {missing}; {broken}"
    if broken:
        return Outcome.WRONG, why
    if seen.reply.kind != kind:
        return (Outcome.REFUSED_THOUGH_ANSWERABLE if seen.reply.kind == "unknown" else Outcome.WRONG), why
    if missing:
        return Outcome.WRONG, why
    return (Outcome.REFUSED_RIGHTLY if kind == "unknown" else Outcome.RIGHT), ""


def ask_all(folder: Path, tally: Tally) -> dict[str, int]:
    """Ask every question as the patient, and as the clinician before any consent."""
    counts = {"sentences": 0, "resolved": 0, "refused": 0}
    people = examples()
    with demo.make_house(demo.fresh_folder(folder), *people.values()) as house:
        for example in people.values():
            demo.take_in(house, example)
        clinician = Session(house, demo_identity(demo.CLINICIAN))
        for number, (name, question, kind, words) in enumerate(QUESTIONS, 1):
            example = people[name]
            try:
                assistant.ask(clinician, example.patient, question, example.at)
            except AccessError as error:
                counts["refused"] += error.what == REFUSED
            session = Session(house, demo_identity(demo.patient_actor(example)))
            seen = assistant.ask_seen(session, example.patient, question, example.at)
            counts["sentences"] += len(seen.reply.sentences)
            counts["resolved"] += 0 if list(citations.problems(seen.reply, seen.places)) else len(seen.reply.sentences)
            tally.add(f"{number} {name}: {question}", *judge(seen, kind, words))
    return counts


def retrieval(data: Path, folder: Path, most: int) -> tuple[dict[str, float], list[Path]]:
    """Recall at 1 and 10 of known items; nothing where the folder holds none."""
    named = sorted(data.rglob("*known_item_ids*.json"))
    files = sorted(data.rglob("medquad*.jsonl*"))
    if not named or not files:
        return {}, []
    with (gzip.open if files[0].suffix == ".gz" else open)(files[0], "rt", encoding="utf-8") as file:
        questions = {row["id"]: row["question"] for row in map(json.loads, file)}
    index = folder / "library.sqlite"
    medquad.learn(files[0], index)
    ids = [i for path in named for i in json.loads(path.read_text("utf-8"))][:most]
    first = among = 0
    for item in ids:
        found = [p.id for p in medquad.search(index, questions[item], 10)]
        first += found[:1] == [f"medquad-{item}"]
        among += f"medquad-{item}" in found
    return {"known_items": len(ids), "recall_at_1": first / len(ids), "recall_at_10": among / len(ids)}, [
        *named,
        files[0],
    ]


def main() -> int:
    """Print the report; 0 when every question passes, nothing is told without consent, and known items are found."""
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--items", type=int, default=10**6, help="known items to look for")
    arguments = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        counts = ask_all(folder / "house", tally)
        found, files = retrieval(arguments.data, folder, arguments.items)
    n = len(QUESTIONS)
    items = int(found.get("known_items", 0))
    reached = not found or (found["recall_at_1"] >= AT_1 and found["recall_at_10"] >= AT_10)
    intervals = {k: wilson(round(found[k] * items), items) for k in ("recall_at_1", "recall_at_10") if k in found}
    return report(
        check="assistant.answers",
        tally=tally if files else Tally(),
        data=arguments.data,
        covers="on three invented patients and our own questions answers hold what the record says, cite it, and say "
        "where "
        "it says nothing; other questions may be understood wrongly. Of the library, a question that stands in it is "
        "found",
        truth=Truth.OWN,
        split=Split.DEVELOPED,
        files=files,
        figures={"n": n, "passed": tally.passed, **counts, **found},
        intervals=intervals,
        methods=["assistant.answers"],
        as_json=arguments.json,
        ok=reached and tally.passed == tally.n and counts["refused"] == n and counts["resolved"] == counts["sentences"],
    )


if __name__ == "__main__":
    sys.exit(main())
