"""The tour tells what worked, what is missing and what failed, and one slice's failure hides no other."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from salus.cli.tour import page, run
from salus.cli.tour.slice import Slice, Stage
from salus.errors import InputError, SalusError


def made(name, act, **more):
    return Slice(name=name, title=name.title(), says="something", capabilities=(), run=act, **more)


def fails(stage):
    raise SalusError("nothing came")


def breaks(stage):
    return {}["x"]


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path, None, {})


def test_every_slice_describes_itself_and_its_cards_exist():
    from salus.findings.cards import find

    parts = run.slices()
    assert len({part.name for part in parts}) == len(parts)
    for part in parts:
        assert part.title
        assert part.says
        assert part.capabilities, f"{part.name} has no card"
        assert bool(part.extra) == bool(part.needs)
        for name in part.capabilities:
            find(name)


def test_every_module_of_the_folder_that_holds_a_slice_is_on_the_tour():
    folder = Path(run.__file__).parent
    holding = {path.stem for path in folder.glob("*.py") if "\nSLICE = Slice(" in path.read_text("utf-8")}
    assert holding == set(run.SLICES)


def test_what_is_missing_is_skipped_with_the_remedy_and_what_fails_hides_nothing(stage):
    parts = [
        made("one", lambda s: f"did it in {s.folder.name}"),
        made("two", lambda s: "never", extra="moon", needs=("no_such_module_here",)),
        made("three", fails),
        made("four", breaks),
        made("five", lambda s: "still here"),
    ]
    walked = list(run.walk(stage, parts, lambda _: None))
    assert [w.sign for w in walked] == [run.WORKS, run.NOT_YET, run.NOT_YET, run.NOT_YET, run.WORKS]
    assert [w.failed for w in walked] == [False, False, True, True, False]
    assert walked[0].line == "did it in one"
    assert 'pip install "salus[moon]"' in walked[1].line
    assert "nothing came" in walked[2].line
    assert "KeyError" in walked[3].line


def test_the_sign_of_a_measured_slice_comes_from_its_cards(stage, monkeypatch):
    proven = {"risk.prevent": True, "risk.egfr-course": False, "risk.egfr": True}
    monkeypatch.setattr(
        "salus.findings.cards.find", lambda name: SimpleNamespace(proven=proven[name], current=name != "risk.egfr")
    )
    good = made("good", lambda s: "ok")
    object.__setattr__(good, "capabilities", ("risk.prevent",))
    unmeasured = made("bare", lambda s: "ok")
    object.__setattr__(unmeasured, "capabilities", ("risk.prevent", "risk.egfr-course"))
    earlier = made("earlier", lambda s: "ok")
    object.__setattr__(earlier, "capabilities", ("risk.prevent", "risk.egfr"))
    walked = run.walk(stage, [good, unmeasured, earlier], lambda _: None)
    assert [w.sign for w in walked] == [run.MEASURED, run.WORKS, run.WORKS]


def test_the_page_shows_every_slice_and_loads_nothing(stage):
    from salus.app.opened import now

    walked = list(run.walk(stage, [made("one", lambda s: "<b>did</b> it"), made("three", fails)], lambda _: None))
    html = page.render(walked, now())
    assert "&lt;b&gt;did&lt;/b&gt; it" in html
    assert "nothing came" in html
    assert "<script" not in html
    assert "http:" not in html.replace("http-equiv", "")


def test_an_unknown_slice_is_one_clear_error(tmp_path):
    from click.testing import CliRunner

    from salus.cli.tour.command import tour

    result = CliRunner().invoke(tour, ["--only", "nonsense", "--folder", str(tmp_path / "t")])
    assert isinstance(result.exception, InputError)
    assert not (tmp_path / "t").exists()
