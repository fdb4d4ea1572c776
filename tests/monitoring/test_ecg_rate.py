"""The heart-rate method on WFDB recordings in a chart."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest

from salus.fhir import json
from salus.findings.method import Context, Method
from salus.findings.model import Finding
from salus.formats.wfdb import write_record
from salus.monitoring.method_ecg_rate import ECG_RATE
from salus.record.chart import Chart

from .made import NOW, ecg, patient, regular


def recording(
    files: dict[str, bytes], number: int = 1, kind: str = "ecg/wfdb"
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """A DocumentReference with its blobs."""
    blobs = {f"{number}-{name}": data for name, data in files.items()}
    content = [
        {
            "attachment": {
                "title": name,
                "contentType": "application/octet-stream",
                "size": len(data),
                "url": f"urn:salus:blob:{number}-{name}",
                "extension": [{"url": "urn:salus:sha256", "valueString": hashlib.sha256(data).hexdigest()}],
            }
        }
        for name, data in files.items()
    ]
    body = {
        "resourceType": "DocumentReference",
        "id": f"d{number}",
        "status": "current",
        "meta": {"tag": [{"system": "urn:salus:kind", "code": kind}]},
        "date": (NOW - timedelta(days=1)).isoformat(),
        "content": content,
    }
    return body, blobs


def made(signal: np.ndarray, start: datetime | None = None, **changes: Any) -> dict[str, bytes]:
    leads = signal.shape[1]
    options: dict[str, Any] = {"units": ["mV"] * leads, "gain": [1000] * leads, "channels": ["I", "II"][:leads]}
    return write_record("watch", signal, 250, start=start, **(options | changes))


def run(files: dict[str, bytes], kind: str = "ecg/wfdb") -> Finding:
    body, blobs = recording(files, kind=kind)
    chart = Chart.of([patient(), body], now=NOW, blobs=blobs)
    (found,) = ECG_RATE.run(chart, Context())
    return found


def test_it_is_a_method() -> None:
    assert isinstance(ECG_RATE, Method)


@pytest.mark.parametrize("leads", [1, 2])
def test_rate_strip_and_evidence(leads: int) -> None:
    start = NOW - timedelta(hours=3)
    found = run(made(ecg(regular(72, 30), 30)[:, :leads], start))
    assert found.status == "ok"
    assert str(found.value) == "72.0 /min"
    assert found.interval is not None
    assert found.interval.low < 72 < found.interval.high
    assert found.interval.level is None
    assert found.effective == ("2026-03-01T09:00:00Z", "2026-03-01T09:00:30Z")
    assert found.target == "DocumentReference/d1"
    assert found.details["beats"] == 36
    assert found.details["good_seconds"] == 30
    (strip,) = found.media
    body = json.loads(strip.data)
    assert (strip.kind, body["fs"], body["unit"], len(body["samples"])) == ("strip", 250, "mV", 2500)
    assert body["channel"] == ("II" if leads == 2 else "I")
    beats = [body["samples"][n] for n in body["beats"]]
    assert len(beats) == 12
    assert min(beats) > 0.5
    whole, shown = found.evidence
    assert whole.part == "watch.dat"
    assert whole.locator == {"sample_start": 0, "sample_end": 7500, "channel": body["channel"]}
    assert shown.locator["sample_start"] == body["start"]
    assert whole.digest == hashlib.sha256(made(ecg(regular(72, 30), 30)[:, :leads], start)["watch.dat"]).hexdigest()


def test_only_the_good_part_counts() -> None:
    signal = ecg(regular(72, 60), 60)
    signal[7500:] += np.random.default_rng(1).normal(0, 1.0, signal[7500:].shape)
    found = run(made(signal))
    assert found.status == "ok"
    assert 20 <= found.details["good_seconds"] <= 40
    assert found.details["rejected_windows"]["noise"] >= 2
    assert abs(found.value.value - 72) < 2  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("signal", "words"),
    [
        (np.random.default_rng(1).normal(0, 0.3, (7500, 1)), "noise 3"),
        (np.zeros((7500, 1)), "flat 3"),
        (np.full((7500, 1), np.nan), "gap 3"),
        (np.zeros((500, 1)), "too short"),
    ],
)
def test_what_cannot_be_trusted_is_not_assessable(signal: np.ndarray, words: str) -> None:
    found = run(made(signal))
    assert found.status == "not-assessable"
    assert words in found.reason
    assert "30 seconds" in found.needs[0]
    assert found.value is None


def broken(change: str) -> dict[str, bytes]:
    files = made(ecg(regular(72, 30), 30))
    if change == "signal missing":
        del files["watch.dat"]
    elif change == "signal truncated":
        files["watch.dat"] = files["watch.dat"][:1000]
    elif change == "signal empty":
        files["watch.dat"] = b""
    elif change == "header missing":
        del files["watch.hea"]
    elif change == "header empty":
        files["watch.hea"] = b""
    elif change == "damaged":
        files["watch.dat"] = b"\x7f" + files["watch.dat"][1:]
    return files


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("signal missing", "missing"),
        ("signal truncated", "truncated"),
        ("signal empty", "truncated"),
        ("header missing", "no single header"),
        ("header empty", "header is empty"),
        ("damaged", "checksum"),
    ],
)
def test_broken_recordings_are_not_assessable(change: str, words: str) -> None:
    found = run(broken(change))
    assert found.status == "not-assessable"
    assert words in found.reason


def test_other_signals_and_uncalibrated_ones_are_not_ecg() -> None:
    signal = ecg(regular(72, 30), 30)
    assert "calibrated in volts" in run(made(signal, units=["mmHg", "mmHg"])).reason
    assert "calibrated in volts" in run(made(signal, channels=["RESP", "PLETH"])).reason
    microvolts = run(made(signal * 1000, units=["uV", "uV"], gain=[1, 1]))
    assert str(microvolts.value) == "72.0 /min"


def test_unknown_formats_are_refused() -> None:
    assert "'scp'" in run(made(ecg(regular(72, 30), 30)), kind="ecg/scp").reason


def test_every_recording_has_its_own_finding() -> None:
    one, blobs_one = recording(made(ecg(regular(60, 30), 30)), 1)
    two, blobs_two = recording(made(ecg(regular(90, 30), 30)), 2)
    chart = Chart.of([patient(), one, two], now=NOW, blobs=blobs_one | blobs_two)
    found = list(ECG_RATE.run(chart, Context()))
    assert {f.target: str(f.value) for f in found} == {
        "DocumentReference/d1": "60.0 /min",
        "DocumentReference/d2": "90.0 /min",
    }
    assert len({f.id for f in found}) == 2
