"""Run the slices one after the other on one stage, and say for each whether it worked and what is known of it."""

from __future__ import annotations

import importlib
import importlib.util
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from salus.app import demo
from salus.cli.tour.slice import Slice, Stage
from salus.errors import SalusError

SLICES: tuple[str, ...] = (
    "fhir_server",
    "web",
    "understanding",
    "hl7",
    "questionnaires",
    "live",
    "assistant",
    "population",
    "trials",
    "xray",
    "mri",
    "mesh",
    "surgery",
    "operations",
    "discovery",
    "design",
    "privacy",
    "consent",
    "chain",
    "governance",
)
"""The modules of this folder that hold a slice, in the order of the tour."""

MEASURED, WORKS, NOT_YET = "●", "◐", "○"


@dataclass(frozen=True, slots=True)
class Walked:
    """One slice as the tour found it. ``seconds`` is CPU time of this process."""

    slice: Slice
    sign: str
    line: str
    seconds: float
    failed: bool = False


def slices() -> list[Slice]:
    """Every slice that is built, in the order of the tour."""
    return [importlib.import_module(f"salus.cli.tour.{name}").SLICE for name in SLICES]


def missing(part: Slice) -> list[str]:
    """The modules a slice needs that are not installed. Imports none of them."""
    return [name for name in part.needs if importlib.util.find_spec(name) is None]


def proven(part: Slice) -> bool:
    """True when every capability of the slice has a card whose checks held against outside truth, on unseen cases."""
    from salus.findings.cards import find

    return bool(part.capabilities) and all(find(name).proven for name in part.capabilities)


def measured(part: Slice) -> bool:
    """True when it is proven for the code that runs."""
    from salus.findings.cards import find

    return proven(part) and all(find(name).current for name in part.capabilities)


def make_stage(folder: Path, step: Callable[[str], None]) -> Stage:
    """A fresh demo house with the three example patients, each open to the demo clinician by consent."""
    examples = demo.examples()
    place = demo.fresh_folder(folder)
    house = demo.make_house(place / "house", *examples.values())
    for example in examples.values():
        step(f"taking in {example.name}")
        demo.take_in(house, example)
        demo.give_consent(house, example)
    return Stage(place, house, examples)


def walk(stage: Stage, chosen: list[Slice], step: Callable[[str], None]) -> Iterator[Walked]:
    """Run ``chosen`` one by one. A slice that fails is told and does not end the tour."""
    for part in chosen:
        step(part.title)
        if missing(part):
            how = f'not installed here: pip install "salus[{part.extra}]"'
            yield Walked(part, NOT_YET, how, 0.0)
            continue
        folder = stage.folder / part.name
        folder.mkdir()
        start = time.process_time()
        try:
            line = part.run(Stage(folder, stage.house, stage.examples))
        except SalusError as error:
            yield Walked(part, NOT_YET, f"failed: {error}", time.process_time() - start, failed=True)
        except Exception as error:  # noqa: BLE001 - one defect must not hide the other slices; it is shown and counted
            kind = f"failed: {type(error).__name__}: {error}"
            yield Walked(part, NOT_YET, kind, time.process_time() - start, failed=True)
        else:
            sign = MEASURED if measured(part) else WORKS
            yield Walked(part, sign, line, time.process_time() - start)
