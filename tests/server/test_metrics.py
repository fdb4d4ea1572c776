"""What is counted, how it is told, and that several processes are told of as one."""

from __future__ import annotations

import math
import re
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette")

from starlette.testclient import TestClient

from salus.server import metrics as module
from salus.server.metrics import BUCKETS, FAMILIES, Metrics, exposition, labelled, read, summed

ROUTE = "/fhir/{kind}"
SAMPLE = re.compile(r'[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\.)*"(?:,[a-z]+="(?:[^"\\\n]|\\.)*")*\})? (\+Inf|[0-9.e+-]+)\Z')


def counted(samples, name, **labels):
    return samples[labelled(name, **labels)]


def test_an_answer_counts_under_its_route_and_class_and_in_every_bucket_that_holds_it():
    metrics = Metrics([ROUTE])
    metrics.begun()
    metrics.begun()
    metrics.answered(ROUTE, 200, 0.03)
    samples = metrics.samples()
    assert counted(samples, "salus_requests_in_flight") == 1
    assert counted(samples, "salus_requests_total", route=ROUTE, status="2xx") == 1
    ends = [counted(samples, "salus_request_seconds_bucket", route=ROUTE, le=f"{end:g}") for end in BUCKETS]
    assert ends == [float(end >= 0.03) for end in BUCKETS]
    assert counted(samples, "salus_request_seconds_bucket", route=ROUTE, le="+Inf") == 1
    assert counted(samples, "salus_request_seconds_sum", route=ROUTE) == 0.03
    metrics.answered("/nobody/knows", 404, 0.001)
    assert counted(metrics.samples(), "salus_requests_total", route="other", status="4xx") == 1
    assert counted(metrics.samples(), "salus_requests_in_flight") == 0


@pytest.mark.parametrize(("status", "reason"), [(429, "too-many"), (503, "busy"), (401, "not-signed-in")])
def test_a_refusal_counts_under_its_reason(status, reason):
    metrics = Metrics([ROUTE])
    metrics.answered(ROUTE, status, 0.1)
    metrics.answered(ROUTE, 404, 0.1)
    refused = {k: v for k, v in metrics.samples().items() if k.startswith("salus_refused_total") and v}
    assert refused == {labelled("salus_refused_total", reason=reason): 1}


def test_the_text_is_prometheus_own():
    metrics = Metrics([ROUTE, 'a"b\\c'])
    metrics.answered(ROUTE, 200, 0.5)
    lines = exposition(metrics.samples()).splitlines()
    assert "# TYPE salus_request_seconds histogram" in lines
    told = {line.split(" ")[2] for line in lines if line.startswith("# TYPE")}
    for line in lines:
        assert line.startswith(("# HELP ", "# TYPE ")) or SAMPLE.match(line), line
    assert told <= {family.name for family in FAMILIES}
    samples = [line for line in lines if not line.startswith("#")]
    assert len(samples) == len(metrics.samples()), "every sample belongs to a family"


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from([200, 404, 503])), max_size=30))
def test_buckets_never_fall_and_end_with_the_count(answers):
    metrics = Metrics([ROUTE])
    for seconds, status in answers:
        metrics.answered(ROUTE, status, seconds)
    samples = metrics.samples()
    ends = [samples[module._bucket(ROUTE, end)] for end in (*BUCKETS, math.inf)]
    assert ends == sorted(ends)
    assert ends[-1] == samples[module._part(ROUTE, "count")] == len(answers)


def test_processes_are_told_of_together_and_one_counts_on_in_the_place_of_another(tmp_path):
    places = [tmp_path / f"{n}.metrics" for n in range(3)]
    first, second = (Metrics([ROUTE], place) for place in places[:2])
    for each in (first, second, second):
        each.begun()
        each.answered(ROUTE, 200, 1)
    second.begun()
    total = summed(map(read, places))
    assert total[module._counted(ROUTE, "2xx")] == 3
    assert total[module.IN_FLIGHT] == 1
    again = Metrics([ROUTE], places[1])  # the process died and was started again
    total = summed(map(read, places))
    assert total[module._counted(ROUTE, "2xx")] == 3
    assert total[module.IN_FLIGHT] == 0
    again.answered(ROUTE, 200, 1)
    assert read(places[1])[module._counted(ROUTE, "2xx")] == 3


def test_a_file_of_other_metrics_is_begun_anew_and_half_a_file_says_nothing(tmp_path):
    place = tmp_path / "0.metrics"
    Metrics([ROUTE], place).answered(ROUTE, 200, 1)
    assert read(place)[module._counted(ROUTE, "2xx")] == 1
    fresh = Metrics([ROUTE, "/more"], place)
    assert sum(read(place).values()) == 0
    assert read(place).keys() == fresh.samples().keys()
    data = place.read_bytes()
    for length in (0, 4, 20, len(data) - 1):
        place.write_bytes(data[:length])
        assert read(place) == {}


def test_threads_lose_no_count():
    metrics = Metrics([ROUTE])

    def count():
        for _ in range(2000):
            metrics.answered(ROUTE, 200, 0.1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert metrics.samples()[module._part(ROUTE, "count")] == 8000


def test_a_server_counts_by_templates_and_never_by_what_was_asked(front):
    for path in ("/fhir/Observation/c1", "/fhir/Patient/p1", "/fhir/Patient/secret-name", "/elsewhere/secret-name"):
        front.get(path, "pat")
    front.http.get("/fhir/Patient/p1")
    text = exposition(front.http.app.state.salus.metrics.samples())
    assert 'salus_requests_total{route="/fhir/{kind}/{id}",status="2xx"} 2' in text
    assert 'salus_refused_total{reason="not-signed-in"} 1' in text
    assert not re.search("secret|pat|p1|Observation", re.sub(r'route="[^"]*"', "", text).replace("path", ""))
    assert "secret" not in text


def test_routes_under_a_mount_are_told_by_their_templates(ward):
    from salus import web
    from salus.server.application import create

    application = create(ward.house.configuration, base="http://testserver", routes=web.routes())
    with TestClient(application) as http:
        http.get("/sign-in")
    samples = application.state.salus.metrics.samples()
    assert samples[module._counted("/sign-in", "2xx")] == 1
