"""Work over shards: what the session itself gives, whoever works on what; what was made is not made twice."""

import importlib.util
import pickle
from dataclasses import replace
from datetime import timedelta

import pytest

from salus.app.research import mirror, mirror_jobs, shard_work
from salus.app.session import Session
from salus.careplan import kept as kept_plan
from salus.errors import ConfigurationError, InputError, IntegrityError, MethodError
from salus.fhir import json
from salus.findings import fhir as findings_fhir
from salus.population import cluster, sealed, views
from salus.population.mirror import RESULTS
from tests.app.research.test_mirror import Crowd
from tests.app.research.test_views import DEFINITION
from tests.conftest import AT, bundle, creatinine, person

DASK = importlib.util.find_spec("distributed") is not None
needs_dask = pytest.mark.skipif(not DASK, reason="the extra cluster is not installed")
NOTE = "Seen today. Takes simvastatin 40 mg at night. Denies chest pain.\n"


@pytest.fixture
def crowd(ward, tmp_path):
    made = Crowd(ward, tmp_path / "mirror")
    made.ensure(records=True)
    return made


def lines(crowd, what="plans", at=AT, **how):
    with mirror.current(crowd.reader, crowd.folder) as (held, _):
        return list(mirror_jobs.lines(crowd.reader, held, what, at, DEFINITION if what == "rows" else None, **how))


def results(crowd):
    return {path.name: path.stat().st_mtime_ns for path in (crowd.folder / RESULTS).iterdir()}


def parsed(found):
    return [json.loads(line) for line in found]


def as_told(plan):
    """A plan of the session as a line tells it."""
    told = json.loads(json.dumps(kept_plan.dump(plan)))
    return {k: v for k, v in told.items() if k not in ("subject", "name", "at", "conflict_withheld")}


def check_equal(crowd, people):
    """Findings and plans are those of the session, for the same reader and purpose."""
    plans = {line["patient"]: line for line in parsed(lines(crowd))}
    found = parsed(lines(crowd, "findings"))
    assert set(plans) == set(people)
    for patient in people:
        plan, opened = crowd.reader.plan(patient, AT, purpose="HRESCH")
        line = plans[patient]
        assert {k: v for k, v in line.items() if k not in ("patient", "failures")} == as_told(plan)
        own = [findings_fhir.load(each["finding"]) for each in found if each["patient"] == patient]
        assert sorted(own, key=lambda f: f.id) == sorted(opened.findings, key=lambda f: f.id)
    return plans


def test_findings_and_plans_are_those_of_the_session(crowd):
    plans = check_equal(crowd, ["p1", "p2", "p3", "p4", "p5"])
    assert all(line["items"] for line in plans.values())
    assert [line["failures"] for line in plans.values()] == [[]] * 5


def test_what_is_released_in_part_is_worked_out_of_that_part(crowd):
    crowd.close("p2")
    crowd.open("p2", ["record"])
    crowd.close("p3")
    crowd.open("p3", ["genome", "note"])
    plans = check_equal(crowd, ["p1", "p2", "p3", "p4", "p5"])
    assert plans["p2"]["looked_at"] == ["record"]


def test_what_a_patient_withholds_and_flags_is_told_as_the_session_tells_it(crowd):
    crowd.ward.time += timedelta(seconds=1)
    crowd.session("p2").withhold("p2", crowd.ward.time, categories=["genome"], actors=["dr-lee"], shown="flagged")
    plans = check_equal(crowd, ["p1", "p2", "p3", "p4", "p5"])
    assert plans["p2"]["withheld"] == ["genome"]
    assert plans["p1"]["withheld"] == []


def test_what_is_closed_to_processing_is_read_by_no_method_and_shown(ward, crowd):
    from salus.app.intake.intake import Intake

    ward.write("p1/p1.json", bundle(person("p1")))
    (ward.folder / "p1" / "note.txt").write_text(NOTE)
    assert not [t.error for t in Intake(Session(ward.house, ward.operator)).run([ward.folder]) if t.error]
    drawn = {line["finding"]["code"] for line in parsed(lines(crowd, "findings")) if line["patient"] == "p1"}
    assert "note-medication" in drawn
    check_equal(crowd, ["p1", "p2", "p3", "p4", "p5"])
    ward.time += timedelta(seconds=1)
    Session(ward.house, ward.patient).close_to_processing("p1", ward.time, categories=["note"])
    drawn = {line["finding"]["code"] for line in parsed(lines(crowd, "findings")) if line["patient"] == "p1"}
    assert "note-medication" not in drawn
    check_equal(crowd, ["p1", "p2", "p3", "p4", "p5"])
    with mirror.current(crowd.reader, crowd.folder) as (held, _):
        record = next(r for s in held.shards for r in s.records(s.index()) if r.patient == "p1")
    assert record.closed
    assert record.closed <= {source.ref for source, _ in record.entries}


def test_a_file_that_is_too_large_is_missing_and_who_needs_it_is_named(ward, crowd):
    from salus.app.intake.intake import Intake

    ward.write("p1/p1.json", bundle(person("p1")))
    (ward.folder / "p1" / "note.txt").write_text(NOTE)
    Intake(Session(ward.house, ward.operator)).run([ward.folder])
    crowd.ensure(files_up_to=len(NOTE.encode()) - 1)
    failed = [line for line in parsed(lines(crowd, "findings")) if "failed" in line]
    assert [(line["patient"], line["failed"]) for line in failed] == [("p1", "text.mentions")]
    assert "too large" in failed[0]["why"]
    (plan,) = [line for line in parsed(lines(crowd)) if line["patient"] == "p1"]
    assert [each["method"] for each in plan["failures"]] == ["text.mentions"]
    before = results(crowd)
    lines(crowd, "findings")
    lines(crowd)
    assert results(crowd) == before
    lines(crowd, "findings", at=AT + timedelta(seconds=1))  # what failed may do the next time; the rest stands
    lines(crowd, at=AT + timedelta(seconds=1))
    assert len([name for name, made in results(crowd).items() if before[name] != made]) == 2
    crowd.ensure(files_up_to=len(NOTE.encode()))
    assert not [line for line in parsed(lines(crowd, "findings")) if "failed" in line]


def test_rows_are_those_of_the_view(crowd):
    with mirror.current(crowd.reader, crowd.folder) as (held, _):
        bodies = [b for s in held.shards for r in s.records(s.index()) for _, b in r.entries]
    assert parsed(lines(crowd, "rows")) == list(views.read(DEFINITION).rows(bodies))
    assert len(lines(crowd, "rows")) == 5 * 2


def test_what_contained_results_tell_is_told_once(crowd):
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r1",
        "status": "final",
        "code": {"text": "kidney"},
        "subject": {"reference": "Patient/p1"},
        "contained": [{**creatinine("2.2", "2026-05-08", "inner"), "id": "inner"}],
        "result": [{"reference": "#inner"}],
    }
    crowd.file("p1", report)
    rows = [row for row in parsed(lines(crowd, "rows")) if str(row["value"]) == "2.2"]
    assert len(rows) == 1
    crowd.check()
    check_equal(crowd, ["p1", "p2", "p3", "p4", "p5"])


# ---- what stands


def test_what_was_made_stands_until_the_shard_or_the_time_changes(crowd):
    first = lines(crowd)
    made = results(crowd)
    assert len(made) == 3
    assert lines(crowd) == first
    assert results(crowd) == made
    assert lines(crowd, at=AT + timedelta(seconds=5)) == first
    assert results(crowd) == made
    later = parsed(lines(crowd, at=AT + timedelta(days=700)))
    assert not [n for n, at in made.items() if results(crowd)[n] == at]
    assert later != parsed(first)
    lines(crowd)
    crowd.file("p1", creatinine("4.0", "2026-05-20", "c9"))
    before = results(crowd)
    assert lines(crowd) != first
    after = results(crowd)
    assert len(after) == 3
    assert len(before.keys() & after.keys()) == 2


def test_who_is_no_longer_released_is_in_no_result(crowd):
    lines(crowd)
    lines(crowd, "findings")
    before = set(results(crowd))
    crowd.close("p3")
    crowd.ensure()
    assert len(before - set(results(crowd))) == 2
    assert "p3" not in {line["patient"] for line in parsed(lines(crowd))}


def test_a_damaged_result_is_made_again(crowd):
    first = lines(crowd)
    for path, data in zip(sorted((crowd.folder / RESULTS).iterdir()), (b"", b"x" * 40, b"x"), strict=True):
        path.write_bytes(data)
    assert lines(crowd) == first


def test_a_result_is_sealed_for_its_job_its_shard_and_its_state(crowd):
    first = lines(crowd)
    plans = {path.name[:5]: path for path in (crowd.folder / RESULTS).iterdir()}
    drawn = lines(crowd, "findings")
    others = {path.name[:5]: path for path in (crowd.folder / RESULTS).iterdir() if path not in plans.values()}
    before = {number: path.read_bytes() for number, path in plans.items()}
    for number, path in plans.items():
        path.write_bytes(others[number].read_bytes())
    assert lines(crowd) == first
    assert lines(crowd, "findings") == drawn
    plans["00000"].write_bytes(before["00001"])
    assert lines(crowd) == first
    for patient in ("p1", "p2", "p3", "p4", "p5"):
        crowd.file(patient, creatinine("4.0", "2026-05-20", "c9", patient))
    now = lines(crowd)
    assert now != first
    for path in (crowd.folder / RESULTS).iterdir():
        path.write_bytes(before[path.name[:5]])
    assert lines(crowd) == now
    assert b"nice-" not in b"".join(before.values())


class Killed(BaseException):
    """Stands for kill -9."""


def test_who_is_killed_goes_on_where_he_was(crowd, monkeypatch):
    whole = lines(crowd)
    for path in (crowd.folder / RESULTS).iterdir():
        path.unlink()
    done, write = [], sealed.write

    def dying(path, data):
        if len(done) == 2:
            raise Killed
        done.append(path.name)
        write(path, data)

    with monkeypatch.context() as patched:
        patched.setattr(cluster.sealed, "write", dying)
        with pytest.raises(Killed):
            lines(crowd)
    before = results(crowd)
    assert set(before) == set(done)
    assert lines(crowd) == whole
    assert {name: at for name, at in results(crowd).items() if name in before} == before


# ---- workers


def test_a_worker_with_another_salus_refuses(crowd):
    job = shard_work.Job("findings", AT)
    with pytest.raises(ConfigurationError, match="another salus"):
        shard_work.work(replace(job, digest="0" * 64), [])
    assert shard_work.work(replace(job, digest=shard_work.digest(job)), []).lines == ()


def test_a_failure_tells_nothing_of_a_patient_and_the_others_are_done(crowd, monkeypatch):
    real = shard_work._plan

    def failing(job, record):
        if record.patient == "p2":
            raise KeyError("Ada Example MRN-p2")
        return real(job, record)

    with monkeypatch.context() as patched:
        patched.setattr(shard_work, "_plan", failing)
        with pytest.raises(MethodError) as told:
            lines(crowd)
    assert "KeyError" in str(told.value)
    assert "Ada" not in str(told.value)
    assert told.value.__cause__ is None
    assert len(results(crowd)) == 2


def test_a_task_does_not_tell_its_key(crowd):
    with mirror.current(crowd.reader, crowd.folder) as (held, _):
        task = cluster._task(held, 1)
        key = held.key_of(1)
    assert repr(key) not in repr(task)
    assert pickle.loads(pickle.dumps(task)) == task


def test_a_mirror_without_records_has_nothing_to_work_on(crowd):
    crowd.ensure(records=False)
    with pytest.raises(InputError, match="no records"):
        lines(crowd)
    with pytest.raises(InputError, match="a view names"), mirror.current(crowd.reader, crowd.folder) as (held, _):
        mirror_jobs.lines(crowd.reader, held, "rows", AT)


def test_a_shard_that_is_damaged_while_it_is_worked_on_is_named(crowd):
    with mirror.current(crowd.reader, crowd.folder) as (held, _):
        path = next(crowd.folder.glob("00001.records*"))
        path.write_bytes(b"x" * 99)
        with pytest.raises(IntegrityError, match="damaged") as told:
            list(mirror_jobs.lines(crowd.reader, held, "plans", AT))
    assert str(told.value.where) == str(path.resolve())


@pytest.mark.skipif(DASK, reason="the extra cluster is installed")
def test_without_dask_workers_are_refused_and_nothing_else(crowd):
    with pytest.raises(ConfigurationError, match="Dask") as told:
        lines(crowd, workers=2)
    assert told.value.remedy == 'pip install "salus[cluster]"'
    assert lines(crowd)


@needs_dask
def test_one_worker_and_four_and_no_dask_give_the_same_bytes(crowd):
    alone = {what: lines(crowd, what) for what in ("rows", "findings", "plans")}
    for workers, what in ((1, "plans"), (4, "rows"), (4, "findings"), (4, "plans")):
        for path in (crowd.folder / RESULTS).iterdir():
            path.unlink()
        assert lines(crowd, what, workers=workers) == alone[what]
    assert all(alone.values())


@needs_dask
def test_a_cluster_elsewhere_is_spoken_to_under_tls_alone(crowd):
    from distributed import LocalCluster
    from distributed.security import Security

    here = lines(crowd)
    for path in (crowd.folder / RESULTS).iterdir():
        path.unlink()
    with pytest.raises(InputError, match="tls://"):
        lines(crowd, scheduler="tcp://127.0.0.1:8786")
    security = Security.temporary()
    import dask

    certificates = {
        "distributed.comm.tls.ca-file": security.tls_ca_file,
        "distributed.comm.tls.client.cert": security.tls_client_cert,
        "distributed.comm.tls.client.key": security.tls_client_key,
    }
    made = LocalCluster(n_workers=1, threads_per_worker=1, security=security, dashboard_address=None)
    with made, dask.config.set(certificates):
        assert lines(crowd, scheduler=made.scheduler_address) == here
