"""A chart of the store lists what there is, opens what somebody looks at, and is of the moment when it was listed."""

from dataclasses import replace

import pytest

from salus.errors import IntegrityError
from salus.record import outline
from salus.record.chart import Chart
from salus.record.reading import Reading
from salus.record.store import Change
from tests.conftest import creatinine, person
from tests.record.test_store import READ, WHEN, WRITE

MANY = 40


@pytest.fixture
def store(ward):
    values = [creatinine(f"0.{n:02}", f"2026-01-01T00:{n:02}:00Z", f"c{n}") for n in range(10, 10 + MANY)]
    visit = {
        "resourceType": "Encounter",
        "id": "e1",
        "status": "finished",
        "subject": {"reference": "Patient/p1"},
        "period": {"start": "2026-02-01"},
        "reasonCode": [{"text": "cough"}],
    }
    file(ward.house.store, person(), *values, visit)
    return ward.house.store


@pytest.fixture
def opened(monkeypatch):
    """The ids of the resources that are opened."""
    found = []
    plain = Reading.open_row

    def watched(self, patient, kind, name, *rest):
        found.append(name)
        return plain(self, patient, kind, name, *rest)

    monkeypatch.setattr(Reading, "open_row", watched)
    return found


def file(store, *bodies):
    store.commit(WRITE, [Change(b["resourceType"], b["id"], b) for b in bodies], at=WHEN)


def chart(ward, store, scope=READ):
    return Chart(now=ward.time, listed=outline.listing(store, scope, WRITE, lambda: None))


def test_of_an_outlined_record_only_what_is_looked_at_is_opened(ward, store, opened):
    assert chart(ward, store).known
    assert len(opened) == MANY + 2  # nothing was known of any
    opened.clear()
    later = chart(ward, store)
    assert later.kinds >= {"record"}
    assert len(later.observations("creatinine")) == MANY
    assert opened == []
    assert later.latest("creatinine").source.ref == "Observation/c49"
    assert opened == ["c49"]
    assert [m.text for m in later.mentions()] == ["cough"]
    assert opened == ["c49", "e1"]


def test_an_outline_gives_what_the_opened_record_gives(ward, store):
    first, second = chart(ward, store), chart(ward, store)
    whole = Chart(first.resources(), now=ward.time)
    for each in (first, second):
        assert tuple(each.observations("creatinine")) == tuple(whole.observations("creatinine"))
        assert each.conditions() == whole.conditions()
        assert each.events("Encounter") == whole.events("Encounter")
        assert each.mentions() == whole.mentions()
    assert first.reads == second.reads


def test_to_replay_what_was_read_opens_nothing(ward, store, opened):
    before = chart(ward, store)
    _ = before.latest("creatinine"), before.observations("creatinine"), before.events("Encounter"), before.mentions()
    _ = before.unread_observations(), before.modified("Observation"), before.panels("creatinine")
    opened.clear()
    later = chart(ward, store)
    assert all(later.replay(read) for read in before.reads)
    assert opened == []
    file(store, creatinine("0.99", "2025-01-01", "old"))
    changed = {read.accessor for read in before.reads if not chart(ward, store).replay(read)}
    assert changed == {"observations"}
    file(store, creatinine("2.00", "2026-01-01T00:49:00Z", "c49"))
    changed = {read.accessor for read in before.reads if not chart(ward, store).replay(read)}
    assert changed == {"observations", "latest"}


def test_a_chart_stays_of_the_moment_when_it_was_listed(ward, store, opened):
    seen = chart(ward, store)
    assert seen.known
    seen = chart(ward, store)
    assert seen.known
    file(store, creatinine("5.00", "2026-01-01T00:49:00Z", "c49"), creatinine("6.00", "2026-01-02", "new"))
    store.commit(WRITE, [Change("Encounter", "e1", None)], at=WHEN)
    assert str(seen.latest("creatinine").quantity.value) == "0.49"
    assert seen.latest("creatinine").source.version == 1
    assert [e.text for e in seen.events("Encounter")] == [""]
    after = chart(ward, store)
    assert str(after.latest("creatinine").quantity.value) == "6.00"
    assert after.events("Encounter") == ()


def test_an_outline_of_a_whole_record_shows_a_narrower_reader_no_more(ward, store, opened):
    assert len(chart(ward, store).resources()) == MANY + 2
    narrow = replace(READ, categories=frozenset({"note"}))
    opened.clear()
    assert {s.ref for s, _ in chart(ward, store, narrow).resources()} == {"Patient/p1"}
    assert opened == ["p1"]


def test_what_a_narrower_reader_had_opened_does_not_hide_the_rest(ward, store, opened):
    narrow = replace(READ, categories=frozenset({"note"}))
    assert chart(ward, store, narrow).latest("creatinine") is None
    assert len(chart(ward, store).observations("creatinine")) == MANY


def test_an_outline_by_another_terminology_or_of_another_content_counts_as_nothing(ward, store, opened, monkeypatch):
    assert chart(ward, store).known
    opened.clear()
    monkeypatch.setattr(outline, "_form", lambda _: "another")
    assert chart(ward, store).known
    assert len(opened) == MANY + 2


def test_a_few_new_resources_are_opened_again_and_many_are_kept(ward, store, opened):
    assert chart(ward, store).known
    few = [creatinine("1.1", f"2026-04-{n + 1:02}", f"few{n}") for n in range(5)]
    file(store, *few)
    for _ in range(2):
        opened.clear()
        assert chart(ward, store).known
        assert len(opened) == 5
    file(store, *(creatinine("1.2", f"2026-05-{n % 28 + 1:02}", f"many{n}") for n in range(MANY)))
    assert chart(ward, store).known
    opened.clear()
    assert chart(ward, store).known
    assert opened == []


def test_a_body_that_was_exchanged_is_not_shown(ward, store):
    assert chart(ward, store).known
    seen = chart(ward, store)
    assert seen.known
    swap = "UPDATE resource SET body = (SELECT body FROM resource WHERE id = 'c10') WHERE id = 'c49'"
    store.connection.execute(swap)
    with pytest.raises(IntegrityError):
        seen.latest("creatinine")


def test_results_inside_a_report_are_told_and_opened_with_it(ward, store, opened):
    inside = {**creatinine("3.3", "2026-05-05", "i"), "status": "final"}
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r",
        "status": "final",
        "subject": {"reference": "Patient/p1"},
        "code": {"text": "panel"},
        "contained": [{"resourceType": "Specimen", "id": "s"}, inside],
    }
    file(store, report)
    assert chart(ward, store).known
    opened.clear()
    file(store, *(creatinine("0.5", f"2025-05-{n % 28 + 1:02}", f"more{n}") for n in range(MANY)))
    assert chart(ward, store).known
    opened.clear()
    newest = chart(ward, store).latest("creatinine")
    assert (str(newest.quantity.value), newest.source.ref) == ("3.3", "DiagnosticReport/r")
    assert opened == ["r"]


@pytest.mark.parametrize("outlined", [True, False])
def test_who_changes_the_kinds_in_the_file_shows_a_narrower_reader_no_more(ward, store, outlined):
    assert not outlined or chart(ward, store).known
    store.connection.execute("UPDATE resource SET kinds = 0 WHERE id = 'c10'")
    narrow = replace(READ, categories=frozenset({"note"}))
    assert {s.ref for s, _ in chart(ward, store, narrow).resources()} == {"Patient/p1"}


def test_what_is_withheld_costs_a_narrower_reader_nothing_and_what_is_gone_is_forgotten(ward, store, monkeypatch):
    loaded = []
    load = outline._load
    monkeypatch.setattr(outline, "_load", lambda data, form: loaded.append(load(data, form)) or loaded[-1])
    assert chart(ward, store).known
    narrow = replace(READ, categories=frozenset({"note"}))
    for _ in range(2):
        assert chart(ward, store, narrow).known
    assert [len(lines) for lines in loaded] == [0, 0, 0]
    store.commit(WRITE, [Change("Observation", f"c{n}", None) for n in range(10, 30)], at=WHEN)
    file(store, *(creatinine("1.2", f"2026-05-{n % 28 + 1:02}", f"many{n}") for n in range(MANY)))
    assert chart(ward, store).known
    assert chart(ward, store).known
    assert len(loaded[-1]) == 2 * MANY - 20 + 2


def test_where_consents_speak_of_single_resources_nothing_is_kept(ward, store, opened):
    refs = {place.ref: place.version for place in store.places(READ)}
    partial = replace(READ, decided=frozenset(refs.items()))
    for _ in range(2):
        opened.clear()
        assert chart(ward, store, partial).known
        assert len(opened) == len(refs)
