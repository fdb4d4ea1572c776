"""The demonstration: one bundled example patient from files to plan, with everything that decided on the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from salus.app.config import at_folder
from salus.app.house import House
from salus.app.intake.intake import Intake, Taken
from salus.app.session import Opened, Session
from salus.careplan.model import Plan
from salus.errors import AccessError, ConfigurationError, InputError
from salus.fhir import dates, json
from salus.fhir.views import CATEGORIES
from salus.trust.identity import Actor, Kind, demo_identity

OPERATOR, CLINICIAN = "demo-operator", "demo-clinician"
MARK = ".salus-demo"


@dataclass(frozen=True, slots=True)
class Example:
    """A bundled example patient: its folder, id, the time its story is told at, and the story."""

    name: str
    folder: Path
    patient: str
    at: datetime
    story: str


@dataclass(frozen=True, slots=True)
class Change:
    """What leaving out one kind of data does to the plan: item keys that go, come, or read otherwise."""

    category: str
    gone: tuple[str, ...]
    new: tuple[str, ...]
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything a demonstration showed."""

    example: Example
    taken: tuple[Taken, ...]
    refusal: str
    plan: Plan
    opened: Opened
    changes: tuple[Change, ...]


def examples_root() -> Path:
    """The folder of all bundled examples: inside the package, or beside it in a source checkout."""
    root = Path(str(files("salus").joinpath("examples")))
    if not (root / "stories").is_dir():
        root = Path(__file__).resolve().parents[3] / "examples"
    if not (root / "stories").is_dir():
        raise ConfigurationError("the example patients are not installed", remedy="install salus from its wheel")
    return root


def examples() -> dict[str, Example]:
    """The bundled example patients by name."""
    root = examples_root()
    found = {}
    for folder in sorted((root / "patients").iterdir()):
        about: dict[str, Any] = json.loads((root / "stories" / f"{folder.name}.json").read_bytes())
        found[folder.name] = Example(folder.name, folder, about["patient"], dates.instant(about["at"]), about["story"])
    return found


def fresh_folder(folder: Path) -> Path:
    """An empty folder for a demonstration. One that an earlier demonstration made is replaced; any other is refused."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARK).exists():
            raise InputError("the folder holds something else", where=str(folder), remedy="name another with --folder")
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARK).write_text("made by: salus demo\n", "utf-8")
    return folder


def make_house(folder: Path, *chosen: Example, clock: Callable[[], datetime] | None = None) -> House:
    """A demo house whose actors are an operator, a clinician and the patients.

    Without ``clock`` its clock stands at the story's time.
    """
    house = House.create(at_folder(folder), demo=True, clock=clock or (lambda: max(e.at for e in chosen)))
    enrol(house, OPERATOR, "operator")
    enrol(house, CLINICIAN, "practitioner")
    for example in chosen:
        enrol(house, patient_actor(example), "patient", example.patient)
    return house


def enrol(house: House, name: str, kind: Kind, patient: str = "") -> None:
    """Enrol a demonstration actor, whose key everybody can compute, in a house for demonstrations."""
    house.add_actor(Actor(name, kind, demo_identity(name).public_key, patient=patient), by=OPERATOR)


def session(house: House, name: str) -> Session:
    """A session of a demonstration actor."""
    return Session(house, demo_identity(name))


def patient_actor(example: Example) -> str:
    """The name under which an example patient acts."""
    return f"demo-{example.name}"


def take_in(house: House, example: Example) -> list[Taken]:
    """Take an example's files in as the operator, and let the patient's consent open all of it to the clinician."""
    return Intake(session(house, OPERATOR)).run([example.folder])


def give_consent(house: House, example: Example) -> None:
    """The patient's own signed consent for the clinician, for every kind of data."""
    patient = session(house, patient_actor(example))
    patient.give_consent(example.patient, example.at, actors=[CLINICIAN], categories=CATEGORIES)


def run(house: House, example: Example, step: Callable[[str], None] = lambda _: None) -> Shown:
    """The whole way: files in, refusal without consent, consent, findings, plan, and what each kind of data changed."""
    step("taking in")
    taken = take_in(house, example)
    clinician = session(house, CLINICIAN)
    try:
        clinician.plan(example.patient, example.at)
        raise AssertionError("the gate opened without a basis")
    except AccessError as error:
        refusal = str(error)
    give_consent(house, example)
    plan, opened = clinician.plan(example.patient, example.at, progress=step)
    changes = []
    for category in CATEGORIES:
        step(f"without {category}")
        changes.append(_change(category, plan, clinician.plan(example.patient, example.at, without=[category])[0]))
    return Shown(example, tuple(taken), refusal, plan, opened, tuple(changes))


def _change(category: str, full: Plan, less: Plan) -> Change:
    before, after = {i.key: i for i in full.items}, {i.key: i for i in less.items}
    return Change(
        category,
        gone=tuple(k for k in before if k not in after),
        new=tuple(k for k in after if k not in before),
        changed=tuple(k for k in before if k in after and _says(before[k]) != _says(after[k])),
    )


def _says(item: Any) -> tuple[Any, ...]:
    return (item.tier, item.action, item.text, item.status, item.ask, item.why, item.alternatives, item.because)
