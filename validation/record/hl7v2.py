"""HL7 v2 messages through the listener's own receiver, and what they map to against reference Bundles.

``python -m validation.record.hl7v2 --data DIR [--json]`` reads ``hl7v2/*.ndjson.gz``: name, message, expected
(a Bundle).
A message passes when nothing is raised and it is acknowledged AA exactly if it is stored, else AE or AR with a reason.
For ADT and ORU the types of resources and how many of each are compared with the reference besides. Each message comes
into a fresh house: the samples share one sender and one control id.
"""

from __future__ import annotations

import gzip
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.live import Receiver
from salus.app.session import Session
from salus.errors import SalusError
from salus.formats import hl7v2
from salus.intake import hl7v2_map
from salus.trust.identity import Actor, Identity
from validation._report import argument_parser, report

COMPARED = ("ADT", "ORU")
SHARE = 0.70


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


def counts_differ(message: bytes, expected: dict[str, Any]) -> dict[str, tuple[int, int]]:
    """Types of which we give another number than the reference: ours and its."""
    try:
        ours = Counter(str(r["resourceType"]) for r in hl7v2_map.run(hl7v2.parse(message)).resources)
    except SalusError as error:
        return {f"not mapped: {error.what}": (0, 0)}
    theirs = Counter(str(e["resource"]["resourceType"]) for e in expected["entry"])
    return {kind: (ours[kind], theirs[kind]) for kind in ours | theirs if ours[kind] != theirs[kind]}


def main() -> int:
    """Answer every message found and report."""
    arguments = argument_parser(__doc__ or "").parse_args()
    files = sorted(arguments.data.glob("hl7v2/*.ndjson.gz"))
    n = passed = compared = matched = exceptions = 0
    cpu = 0.0
    codes: Counter[str] = Counter()
    failures: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for line in (line for path in files for line in gzip.decompress(path.read_bytes()).splitlines()):
            case = json.loads(line)
            message = case["message"].encode("utf-8")
            n += 1
            try:
                code, reason, stored, spent = answered(Path(folder) / str(n), message)
            except Exception as error:  # noqa: BLE001 - the check is that there is none
                exceptions += 1
                failures.append({"id": case["name"], "why": repr(error)})
                continue
            cpu += spent
            codes[code] += 1
            ok = (code == "AA" and stored == 1) or (code in ("AE", "AR") and bool(reason) and stored == 0)
            passed += ok
            if not ok:
                failures.append({"id": case["name"], "why": f"{code} with {stored} stored: {reason}"})
            if case["message"].split("|")[8][:3] in COMPARED:
                compared += 1
                differ = counts_differ(message, case["expected"])
                matched += not differ
                if differ:
                    failures.append({"id": case["name"], "why": f"counts differ (ours, reference): {differ}"})
    share = matched / compared if compared else 0.0
    figures = {
        "n": n,
        "passed": passed,
        "exceptions": exceptions,
        "adt_oru": compared,
        "matched_adt_oru": matched,
        "matched_adt_oru_share": share,
        "acknowledgements": dict(codes),
        "messages_per_cpu_s": n / cpu if cpu else None,
    }
    return report(
        check="record.hl7v2",
        n=n,
        passed=passed,
        figures=figures,
        methods=["record.hl7v2"],
        data=arguments.data,
        files=files,
        failures=failures,
        as_json=arguments.json,
        ok=exceptions == 0 and passed == n and share >= SHARE,
    )


if __name__ == "__main__":
    sys.exit(main())
