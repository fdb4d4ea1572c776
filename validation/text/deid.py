"""Identifiers in text: how many of the marked ones a scrubbed text still holds.

The record stands for itself: names, addresses and places that are marked in a sentence are given as the dictionary, as
a record holds its own patient's; everything else has to be found by its pattern. ``patterns_only`` gives nothing.
Marks that Safe Harbor lets stand (ages below 90, years, nationalities, titles, organisations) are not counted.
"""

from __future__ import annotations

import json
import sys
from collections import Counter

from validation._report import argument_parser, report

FROM_RECORD = {"PERSON": "names", "STREET_ADDRESS": "places", "GPE": "places", "ZIP_CODE": "places"}
BY_PATTERN = (
    "CREDIT_CARD",
    "PHONE_NUMBER",
    "EMAIL_ADDRESS",
    "IBAN_CODE",
    "US_SSN",
    "DOMAIN_NAME",
    "US_DRIVER_LICENSE",
    "IP_ADDRESS",
)
NEEDED = 0.95


def main() -> int:
    arguments = argument_parser(__doc__ or "").parse_args()
    from salus.trust.scrub import Dictionary, scrub, split_name

    files = sorted(arguments.data.glob("deid/*synth*.jsonl"))
    n: Counter[str] = Counter()
    kept: Counter[str] = Counter()
    bare: Counter[str] = Counter()
    failures = []
    for path in files:
        for number, line in enumerate(path.read_text("utf-8").splitlines()):
            row = json.loads(line)
            marked = [s for s in row["spans"] if s["entity_type"] in (*FROM_RECORD, *BY_PATTERN)]
            words: dict[str, set[str]] = {"names": set(), "places": set()}
            for span in marked:
                group = FROM_RECORD.get(span["entity_type"])
                if group:
                    words[group].update(
                        split_name(span["entity_value"]) if group == "names" else [span["entity_value"]]
                    )
            known = Dictionary(frozenset(words["names"]), frozenset(words["places"]))
            told, alone = scrub(row["full_text"], known).text, scrub(row["full_text"], Dictionary()).text
            for span in marked:
                kind = span["entity_type"]
                n[kind] += 1
                bare[kind] += span["entity_value"] in alone
                if span["entity_value"] in told:
                    kept[kind] += 1
                    failures.append({"id": f"{path.name}:{number + 1}", "why": f"{kind} still stands"})
    total, passed = sum(n.values()), sum(n.values()) - sum(kept.values())
    figures = {"recall_with_record": passed / total if total else 0.0}
    figures["recall_patterns_only"] = (total - sum(bare.values())) / total if total else 0.0
    figures |= {f"recall_{k.lower()}": 1 - kept[k] / n[k] for k in sorted(n)}
    return report(
        check="text.deid",
        n=total,
        passed=passed,
        data=arguments.data,
        files=files,
        figures=figures,
        methods=["trust.deidentification"],
        failures=failures,
        as_json=arguments.json,
        ok=bool(total) and passed / total >= NEEDED,
    )


if __name__ == "__main__":
    sys.exit(main())
