"""HL7 v2 messages through the listener's own receiver, and what they map to against reference Bundles.

``python -m validation.record.hl7v2 --data DIR [--json]`` reads ``hl7v2/*.ndjson.gz``: name, message, expected
(a Bundle). Each message comes into a fresh house: the samples share one sender and one control id. A case is a message:

- right: acknowledged AA and stored; types of resources and how many of each are the reference's; and so are birth date,
  sex, family name and every observation with a number (code and number);
- wrong: stored, but mapped otherwise; or acknowledged AA and not stored, or refused and stored; or an exception;
- refused though answerable: AE or AR with a reason, nothing stored. The reference has a Bundle for every message, so a
  refusal never counts as passed, also where salus means to refuse (other types than ADT and ORU, merges of records,
  messages for training);
- not read: a line without a message or without an expected Bundle.

The check holds when nothing is raised or lost, no clinical value is mapped otherwise, and of ADT and ORU (also the
refused ones, mapped directly) at least 70 % have the reference's resources by number and half are right.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.live.receiver import Receiver
from salus.app.session import Session
from salus.errors import SalusError
from salus.formats import hl7v2
from salus.intake import hl7v2_map
from salus.trust.identity import Actor, Identity
from validation._report import Mutant, Outcome, Tally, Truth, argument_parser, report, split_of, wilson

COMPARED = ("ADT", "ORU")
SHARE, RIGHT = 0.70, 0.50
"""Least shares of ADT and ORU: with the reference's resources when mapped, and right from frame to store."""
DEVELOPED = ("603351fc263ca1c8",)
"""Files that the rules of the mapping were made on."""
MAP = "salus/intake/hl7v2_map.toml"
MUTANTS = (
    Mutant(MAP, '"5 name[5] XPN", "9 name[9] XPN", "7 birthDate day",', '"5 name[5] XPN", "9 name[9] XPN",',
           "patients lose their birth date"),
    Mutant(MAP, '  "8.1 gender code map=AdministrativeSex", "11 address[11] XAD"', '  "11 address[11] XAD"',
           "patients lose their sex"),
    Mutant("salus/intake/hl7v2_values.py", 'return ("valueQuantity", {"value": found}) if found',
           'return ("valueQuantity", {"value": found * 10}) if found', "numbers are ten times too high"),
    Mutant("salus/app/live/receiver.py", 'Answer("AR", str(error), "type")', 'Answer("AA")',
           "what is refused is acknowledged"),
    Mutant("salus/intake/hl7v2.py", 'message.header.text(11) in ("D", "T")', 'message.header.text(11) != "T"',
           "messages for production are refused"),
    Mutant("salus/intake/hl7v2_map.py", "_LEVELS = ((4, \"si\"), ", "_LEVELS = (", "facilities are lost"),
)  # fmt: skip


def answered(folder: Path, message: bytes) -> tuple[str, str, int, float]:
    """The acknowledgement's code and reason, how many messages the house then holds, and the CPU seconds."""
    identity = Identity.generate("operator")
    with House.create(at_folder(folder)) as house:
        house.add_actor(Actor("operator", "operator", identity.public_key), by="operator")
        receiver = Receiver(Session(house, identity))
        start = time.process_time()
        answer = hl7v2.parse(receiver(message))
        spent = time.process_time() - start
        count = "SELECT count(*) FROM resource WHERE type = 'MessageHeader' AND deleted = 0"
        (stored,) = house.store.connection.execute(count).fetchone()
    status = answer.first("MSA")
    return status.text(1), status.text(3), stored, spent


def mapped(message: bytes) -> tuple[dict[str, Any], ...] | str:
    """The resources that a message gives without being stored, or why there are none."""
    try:
        return hl7v2_map.run(hl7v2.parse(message)).resources
    except SalusError as error:
        return error.what


def counts_differ(ours: Iterable[dict[str, Any]], theirs: Iterable[dict[str, Any]]) -> dict[str, tuple[int, int]]:
    """Types of which we give another number than the reference: ours and its."""
    mine, other = (Counter(str(r["resourceType"]) for r in resources) for resources in (ours, theirs))
    return {kind: (mine[kind], other[kind]) for kind in mine | other if mine[kind] != other[kind]}


def clinical(resources: Iterable[dict[str, Any]]) -> Counter[tuple[str, ...]]:
    """What must not be mapped wrongly: who it is, and every observation with a number."""
    found: Counter[tuple[str, ...]] = Counter()
    for resource in resources:
        if resource["resourceType"] == "Patient":
            found.update((key, str(resource[key])) for key in ("birthDate", "gender") if key in resource)
            names = [str(name["family"]).lower() for name in resource.get("name", [])[:1] if "family" in name]
            found.update(("family", name) for name in names)
        number = resource.get("valueQuantity", {}).get("value") if resource["resourceType"] == "Observation" else None
        if number is not None:
            codes = sorted(str(c["code"]) for c in resource.get("code", {}).get("coding", []) if "code" in c)
            found["observation", " ".join(codes), f"{float(number):g}"] += 1
    return found


@dataclass
class Score:
    """What was counted beside the outcomes."""

    tally: Tally = field(default_factory=Tally)
    codes: Counter[str] = field(default_factory=Counter)
    by_type: Counter[str] = field(default_factory=Counter)
    compared: int = 0
    matched: int = 0
    clinical_compared: int = 0
    clinical_wrong: int = 0
    exceptions: int = 0
    lost: int = 0
    cpu: float = 0.0


def mapping_differs(message: bytes, theirs: list[dict[str, Any]], score: Score) -> str:
    """How the mapping of an ADT or ORU message differs from the reference; "" where it does not."""
    score.compared += 1
    ours = mapped(message)
    if isinstance(ours, str):
        return f"not mapped: {ours}"
    counts = counts_differ(ours, theirs)
    score.matched += not counts
    values: Counter[tuple[str, ...]] = Counter()
    if any(r["resourceType"] == "Patient" for r in theirs):  # where the reference leaves the patient out, it has none
        score.clinical_compared += 1
        mine, other = clinical(ours), clinical(theirs)
        values = (mine - other) + (other - mine)
        score.clinical_wrong += bool(values)
    said = [f"counts differ (ours, reference): {counts}" if counts else ""]
    said.append(f"clinical values differ: {sorted({key[0] for key in values})}" if values else "")
    return "; ".join(filter(None, said))


def judge(case: dict[str, Any], folder: Path, score: Score) -> tuple[Outcome, str]:
    """How a message ends, and why."""
    message, kind = case["message"].encode("utf-8"), case["message"].split("|")[8][:3]
    theirs = [e["resource"] for e in case["expected"]["entry"]]
    differs = mapping_differs(message, theirs, score) if kind in COMPARED else ""
    try:
        code, reason, stored, spent = answered(folder, message)
    except Exception as error:  # noqa: BLE001 - the check is that there is none
        score.exceptions += 1
        return Outcome.WRONG, repr(error)
    score.cpu += spent
    score.codes[code] += 1
    if stored != (code == "AA") or (code != "AA" and not reason):
        score.lost += 1
        return Outcome.WRONG, f"{code} with {stored} stored: {reason}"
    if code != "AA":
        return Outcome.REFUSED_THOUGH_ANSWERABLE, f"{code}: {reason}"
    if kind not in COMPARED:
        return Outcome.WRONG, "stored, and its mapping is not compared"
    return (Outcome.WRONG, differs) if differs else (Outcome.RIGHT, "")


def main() -> int:
    """Answer every message found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("hl7v2/*.ndjson.gz"))
    score = Score()
    lines = [line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        for number, line in enumerate(lines):
            case = json.loads(line)
            if not case.get("message") or not (case.get("expected") or {}).get("entry"):
                score.tally.add(str(case.get("name")), Outcome.NOT_READ, "no message, or no expected Bundle")
                continue
            outcome, why = judge(case, Path(folder) / str(number), score)
            score.tally.add(case["name"], outcome, why)
            score.by_type[f"{case['message'].split('|')[8][:3]}/{outcome}"] += 1
    n, right, stored = score.tally.n, score.tally.counts[Outcome.RIGHT], score.codes["AA"]
    share = score.matched / score.compared if score.compared else 0.0
    return report(
        check="record.hl7v2",
        tally=score.tally,
        data=arguments.data,
        covers="of HL7 v2 messages ADT and ORU^R01 alone are taken in; what is stored has nearly always the resources, "
        "person and numbers that another converter gives; everything else is refused with a reason and kept aside",
        truth=Truth.OUTSIDE,
        split=split_of(files, DEVELOPED),
        figures={
            "n": n,
            "passed": score.tally.passed,
            "stored": stored,
            "stored_share": stored / n if n else None,
            "right_of_stored": right / stored if stored else None,
            "exceptions": score.exceptions,
            "lost": score.lost,
            "adt_oru": score.compared,
            "matched_adt_oru": score.matched,
            "matched_adt_oru_share": share,
            "clinical_compared": score.clinical_compared,
            "clinical_wrong": score.clinical_wrong,
            "by_type": dict(sorted(score.by_type.items())),
            "acknowledgements": dict(score.codes),
            "messages_per_cpu_s": sum(score.codes.values()) / score.cpu if score.cpu else None,
        },
        intervals={"stored_share": wilson(stored, n), "right_of_stored": wilson(right, stored)},
        methods=["record.hl7v2"],
        files=files,
        as_json=arguments.json,
        ok=not (score.exceptions or score.lost or score.clinical_wrong)
        and share >= SHARE
        and right >= RIGHT * score.compared,
    )


if __name__ == "__main__":
    sys.exit(main())
