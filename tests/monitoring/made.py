"""Made signals and charts for the tests of this department."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"


def ecg(
    beats: Sequence[float], seconds: float, fs: float = 250.0, *, noise: float = 0.01, seed: int = 1
) -> NDArray[np.float64]:
    """A two-lead ECG in mV (n, 2): P, QRS and T as Gaussians at the given times (s), wander and white noise."""
    rng = np.random.default_rng(seed)
    at = np.arange(int(seconds * fs)) / fs
    lead = 0.1 * np.sin(2 * np.pi * 0.25 * at)
    for beat in beats:
        for shift, height, width in ((-0.16, 0.12, 0.025), (-0.03, -0.12, 0.01), (0.0, 1.1, 0.011), (0.25, 0.3, 0.05)):
            lead += height * np.exp(-0.5 * ((at - beat - shift) / width) ** 2)
    return np.column_stack([lead + noise * rng.normal(size=len(at)), 0.6 * lead + noise * rng.normal(size=len(at))])


def regular(rate: float, seconds: float) -> list[float]:
    """Beat times of a regular rhythm, half an interval from either end."""
    step = 60 / rate
    return [step / 2 + n * step for n in range(int(seconds / step))]


def patient(birth: str | None = "1966-05-01", **fields: Any) -> dict[str, Any]:
    """A Patient resource."""
    body: dict[str, Any] = {"resourceType": "Patient", "id": "p1", "gender": "female", **fields}
    return body | ({"birthDate": birth} if birth else {})


def observation(number: int, code: str, at: datetime, system: str = LOINC, **fields: Any) -> dict[str, Any]:
    """A final Observation of one code."""
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"system": system, "code": code}]},
        "effectiveDateTime": at.isoformat(),
        **fields,
    }


def quantity(value: float | int, unit: str) -> dict[str, Any]:
    """A valueQuantity element."""
    from decimal import Decimal

    return {"value": Decimal(str(value)), "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}


def pressure(
    number: int, at: datetime, systolic: float, diastolic: float, setting: str | None = "home"
) -> dict[str, Any]:
    """A blood-pressure panel, measured at home unless told otherwise."""
    components = [
        {"code": {"coding": [{"system": LOINC, "code": code}]}, "valueQuantity": quantity(value, "mm[Hg]")}
        for code, value in (("8480-6", systolic), ("8462-4", diastolic))
    ]
    tags = {"meta": {"tag": [{"system": "urn:salus:setting", "code": setting}]}} if setting else {}
    return observation(number, "85354-9", at, component=components, **tags)


def home_series(days: int, systolic: Sequence[float] | float = 140, last: datetime = NOW) -> list[dict[str, Any]]:
    """Two measurements every morning and evening on ``days`` days ending the day before ``last``."""
    found = []
    for day in range(days):
        base = systolic if isinstance(systolic, int | float) else systolic[day]
        for hour, minute, shift in ((7, 0, 2), (7, 2, 0), (20, 0, -2), (20, 2, -1)):
            at = (last - timedelta(days=days - day)).replace(hour=hour, minute=minute)
            found.append(pressure(len(found), at, base + shift, 85 + shift))
    return found
