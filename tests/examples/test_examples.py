"""The example patients: made again byte for byte, small, and changing as it was written down beforehand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from salus.app import demo
from salus.app.demo import Shown

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "examples"
NAMES = ("maria", "noor", "thomas")
LIMIT = 3_000_000


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Shown]]:
    """Each example taken in, planned, and planned again without each kind of data."""
    found = {}
    with ExitStack() as open_houses:  # a chart opens what somebody looks at
        for name in NAMES:
            example = demo.examples()[name]
            house = open_houses.enter_context(demo.make_house(tmp_path_factory.mktemp(name) / "house", example))
            found[name] = demo.run(house, example)
        yield found


def expected(name: str) -> dict[str, Any]:
    """What was written down."""
    return json.loads((FOLDER / "stories" / f"{name}.expected.json").read_text("utf-8"))  # type: ignore[no-any-return]


def test_the_maker_gives_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "tools" / "make_examples.py", tmp_path], check=True, capture_output=True)
    made = {p.relative_to(tmp_path): p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    kept = {
        p.relative_to(FOLDER): p.read_bytes()
        for part in ("patients", "stories")
        for p in (FOLDER / part).rglob("*")
        if p.is_file() and not p.name.endswith(".expected.json")
    }
    assert set(made) == set(kept)
    assert [str(name) for name in made if made[name] != kept[name]] == []


def test_they_are_small() -> None:
    assert sum(p.stat().st_size for p in (ROOT / "examples").rglob("*") if p.is_file()) < LIMIT


@pytest.mark.parametrize("name", NAMES)
def test_all_sources_are_taken_in(shown: dict[str, Shown], name: str) -> None:
    assert [t.name for t in shown[name].taken if t.error] == []
    assert shown[name].opened.refresh.failures == ()


@pytest.mark.parametrize("name", NAMES)
def test_the_plan_holds_the_items_written_down(shown: dict[str, Shown], name: str) -> None:
    assert {i.key for i in shown[name].plan.items} == set(expected(name)["full"])


@pytest.mark.parametrize("name", NAMES)
def test_leaving_out_a_kind_of_data_changes_what_was_written_down(shown: dict[str, Shown], name: str) -> None:
    without = expected(name)["without"]
    for change in shown[name].changes:
        told = without[change.category]
        for kind in ("gone", "new", "changed"):
            assert set(getattr(change, kind)) == set(told[kind]), (name, change.category, kind)


def test_in_the_first_patient_every_kind_changes_something(shown: dict[str, Shown]) -> None:
    assert all(c.gone or c.new or c.changed for c in shown["maria"].changes)
    assert {c.category for c in shown["maria"].changes} == {"record", "genome", "image", "signal", "note"}


def test_marias_plan_in_words(shown: dict[str, Shown]) -> None:
    first, *others = shown["maria"].plan.items
    assert first.key == "cpic-cyp2c19-clopidogrel-2022:avoid:clopidogrel"
    assert first.alternatives == ("ticagrelor",)
    assert any(w.startswith("prasugrel: ") and "transient ischaemic attack" in w for w in first.because)
    statin = next(i for i in others if i.target == "simvastatin")
    assert set(statin.alternatives) == {"atorvastatin 40 mg", "rosuvastatin 20 mg"}


def test_noor_is_mostly_not_assessable(shown: dict[str, Shown]) -> None:
    assert {n.finding for n in shown["noor"].plan.not_assessable} == set(expected("noor")["not_assessable"])
    assert all(n.needs for n in shown["noor"].plan.not_assessable)
    assert {i.tier for i in shown["noor"].plan.items} == {"missing-data"}


@pytest.mark.parametrize("name", NAMES)
def test_every_item_rests_on_places_in_the_record(shown: dict[str, Shown], name: str) -> None:
    opened = shown[name].opened
    for item in shown[name].plan.items:
        assert all(opened.chart.resource(e.source.ref) for e in item.evidence), item.key
        assert set(item.findings) <= {f.id for f in opened.findings}


@pytest.mark.parametrize("name", NAMES)
def test_every_expectation_gives_its_reason(name: str) -> None:
    told = expected(name)
    reasons = [*told["full"].values()]
    for changes in told["without"].values():
        reasons += [r for kind in changes.values() for r in kind.values()]
    assert all(len(reason) > 15 for reason in reasons)
