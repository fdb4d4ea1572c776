"""Chest radiograph: the packaged model gives its recorded answers, and refuses whom and what it was not made for."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Any

from salus.cli.tour.slice import Slice, Stage
from salus.errors import MethodError

CLOSE = 1e-4
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def run(stage: Stage) -> str:
    """Compare with the recorded logits, then ask for an adult, a lateral view and an image that is no radiograph."""
    import numpy as np

    from salus.imaging import xray_phantom as phantom
    from salus.imaging.xray_model import load

    model = load()
    apart = float(np.abs(model.logits(model.recorded_on) - model.recorded).max())
    if apart > CLOSE:
        raise MethodError(f"the model's answers are {apart:.1e} from those recorded when it was made")
    noise = np.random.default_rng(0).integers(0, 4096, (300, 300)).astype(np.uint16)
    chest = phantom.radiograph(1)
    asked = {
        "years": ("1980-01-01", phantom.write(chest, seed="adult")),
        "view": ("2022-01-01", phantom.write(chest, seed="lateral", ViewPosition="LL")),
        "look like": ("2022-01-01", phantom.write(noise, seed="noise")),
    }
    for word, (born, file) in asked.items():
        reason = _reason(born, file)
        if word not in reason:
            raise MethodError("an image outside the model's population was not refused", where=word)
    return (
        f"{len(model.recorded)} made-up images × {len(model.members)} networks as recorded at training (within "
        f"{CLOSE:g}); an adult, a lateral view and plain noise refused with the reason"
    )


def _reason(born: str, file: bytes) -> str:
    """Why the method refuses the radiograph of somebody born then; "" when it does not."""
    from salus.findings.method import Context
    from salus.imaging.xray import METHOD
    from salus.record.chart import Chart

    person = {"resourceType": "Patient", "id": "made-up", "birthDate": born}
    (found,) = METHOD.run(Chart.of([person, _document(file)], now=NOW, blobs={"x": file}), Context())
    return found.reason


def _document(file: bytes) -> dict[str, Any]:
    from salus.fhir.blobs import BLOB_SCHEME, EXT_SHA256
    from salus.fhir.views import TAG_KIND

    digest = {"url": EXT_SHA256, "valueString": hashlib.sha256(file).hexdigest()}
    attachment = {"title": "x.dcm", "contentType": "application/dicom", "url": BLOB_SCHEME + "x", "extension": [digest]}
    return {
        "resourceType": "DocumentReference",
        "id": "x",
        "status": "current",
        "date": "2025-06-01",
        "meta": {"tag": [{"system": TAG_KIND, "code": "image/dicom"}]},
        "content": [{"attachment": attachment}],
    }


SLICE = Slice(
    name="xray",
    title="Chest radiograph",
    says="probability of pneumonia on chest films of children, calibrated on left-out films of one hospital",
    also="ages other than 1 to 5 years are refused, and most pictures that are no upright film",
    capabilities=("imaging.chest-xray",),
    run=run,
    shown=("auc", "ece"),
)
