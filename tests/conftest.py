"""Shared fixtures: a fresh house in a temporary folder, with an operator, a clinician and a patient."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from salus.app.config import at_folder
from salus.app.house import House
from salus.errors import StoreError
from salus.fhir import json
from salus.trust.identity import Actor, Identity

# How long an example takes says something of the machine and what else it does, not of salus: what may take so long
# and no longer is measured in CPU time by tests of its own.
settings.register_profile("salus", deadline=None)
settings.load_profile("salus")

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Ward:
    """A house with people in it."""

    house: House
    operator: Identity
    clinician: Identity
    patient: Identity
    folder: Path
    time: datetime = AT

    def write(self, name: str, value: Any) -> Path:
        """A JSON file to be taken in."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(json.dumps(value))
        return path


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    people = {name: Identity.generate(name) for name in ("operator", "dr-lee", "pat")}
    made: list[Ward] = []
    house = House.create(at_folder(tmp_path / "house"), alone=True, clock=lambda: made[0].time if made else AT)
    made.append(Ward(house, people["operator"], people["dr-lee"], people["pat"], tmp_path / "in"))
    house.add_actor(Actor("operator", "operator", people["operator"].public_key), by="operator")
    house.add_actor(Actor("dr-lee", "practitioner", people["dr-lee"].public_key), by="operator")
    house.add_actor(Actor("pat", "patient", people["pat"].public_key, patient="p1"), by="operator")
    yield made[0]
    house.close()


def person(id: str = "p1", **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": id,
        "identifier": [{"system": "urn:test:mrn", "value": f"MRN-{id}"}],
        "gender": "female",
        "birthDate": "1968-03-14",
        "name": [{"family": "Example", "given": ["Ada"]}],
        **more,
    }


def creatinine(value: str, date: str, id: str, patient: str = "p1") -> dict[str, Any]:
    from decimal import Decimal

    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "2160-0"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": date,
        "valueQuantity": {
            "value": Decimal(value),
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
    }


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in resources]}


@pytest.fixture(autouse=True, scope="session")
def _engine() -> Iterator[None]:
    """With SALUS_TEST_POSTGRES (an address) every store that a test makes in this process lies in PostgreSQL."""
    url = os.environ.get("SALUS_TEST_POSTGRES")
    if not url:
        yield
        return
    from salus.record import postgres, store

    def connected(path: Path, _: str, *, create: bool) -> Any:
        name = f"t_{hashlib.sha256(str(path).encode()).hexdigest()[:20]}"
        if create:
            path.touch()
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
        elif not path.is_file():
            raise StoreError("there is no store", where=str(path), remedy="make one with: salus init")
        return postgres.connect(f"{url}?options=-csearch_path%3D{name}", create=create)

    import psycopg

    before, store._connected = store._connected, connected
    yield
    store._connected = before
