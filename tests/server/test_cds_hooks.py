"""CDS Hooks: the plan's first items as valid cards for whom it is released; what is broken in one place is refused."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.errors import InputError
from salus.server.cds_messages import read_request, read_response, read_services
from tests.server.conftest import BASE

PATH = "/cds-services/salus-plan"


def view(**more):
    return {
        "hook": "patient-view",
        "hookInstance": "e9f6b9a0-366c-47af-b11b-f6d54797030a",
        "context": {"userId": "Practitioner/lee", "patientId": "p1"},
        **more,
    }


def sign(**more):
    order = {"resourceType": "MedicationRequest", "id": "m", "subject": {"reference": "Patient/p1"}}
    context = {
        "userId": "Practitioner/lee",
        "patientId": "p1",
        "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": order}]},
    }
    return view(hook="order-sign", context=context, **more)


def test_discovery_needs_no_token_and_is_valid(front):
    answer = front.http.get("/cds-services")
    assert read_services(answer.json()) == ("salus-plan",)


def test_cards_come_for_whom_the_record_is_released(front):
    assert front.post(PATH, view(), "dr-lee").status_code == 404
    front.consent()
    answer = front.post(PATH, view(), "dr-lee")
    assert answer.status_code == 200
    assert read_response(answer.json(), strict=True) == ()
    cards = answer.json()["cards"]
    assert 0 < len(cards) <= 5
    for card in cards:
        assert len(card["summary"]) < 140
        assert "not a medical device" in card["detail"].replace("\\", "")
        assert card["source"]["label"]
    assert [c["uuid"] for c in front.post(PATH, view(), "dr-lee").json()["cards"]] == [c["uuid"] for c in cards]


def test_a_card_more_tells_what_the_patient_withholds(front):
    front.consent(categories=["record"])
    before = front.post(PATH, view(), "dr-lee").json()["cards"]
    mine = Session(front.ward.house, front.ward.patient)
    mine.withhold("p1", front.ward.time, categories=["genome"], shown="flagged")
    answer = front.post(PATH, view(), "dr-lee")
    assert read_response(answer.json(), strict=True) == ()
    *others, card = answer.json()["cards"]
    assert [c["uuid"] for c in others] == [c["uuid"] for c in before]
    assert (card["indicator"], card["summary"][:33]) == ("info", "Withheld by the patient: genome. ")


def test_a_jwt_for_the_service_is_a_sign_in_of_its_own(front):
    front.consent()
    signed = assertion(front.ward.clinician, BASE + PATH, front.ward.time)
    headers = {"Authorization": f"Bearer {signed}"}
    assert front.http.post(PATH, json=view(), headers=headers).status_code == 200
    assert front.http.post(PATH, json=view(), headers=headers).status_code == 401
    assert front.http.get("/fhir/Patient/p1", headers=headers).status_code == 401
    other = assertion(front.ward.clinician, f"{BASE}/auth/token", front.ward.time)
    assert front.http.post(PATH, json=view(), headers={"Authorization": f"Bearer {other}"}).status_code == 401
    front.ward.time += timedelta(minutes=1)
    assert front.http.post(PATH, json=view()).status_code == 401


def test_the_service_answers_its_own_hook_only(front):
    front.consent()
    assert front.post(PATH, sign(), "dr-lee").status_code == 400
    assert front.post("/cds-services/other", view(), "dr-lee").status_code == 404


def change(value, path, to):
    twin = copy.deepcopy(value)
    target = twin
    for key in path[:-1]:
        target = target[key]
    if to is None:
        del target[path[-1]]
    else:
        target[path[-1]] = to
    return twin


ORDER = ("context", "draftOrders", "entry", 0, "resource")
BROKEN = [
    (view, ("hook",), None), (view, ("hook",), "patient-wave"), (view, ("hook",), 3),
    (view, ("hookInstance",), None), (view, ("hookInstance",), "e9f6b9a0"),
    (view, ("hookInstance",), "{" + "e" * 32 + "}"),
    (view, ("context",), None), (view, ("context",), []),
    (view, ("context", "userId"), None), (view, ("context", "userId"), "lee"), (view, ("context", "userId"), "Group/x"),
    (view, ("context", "patientId"), None), (view, ("context", "patientId"), 7), (view, ("context", "patientId"), ""),
    (view, ("context", "patientId"), "Group/p1"), (view, ("context", "encounterId"), 7),
    (view, ("fhirServer",), "ftp://x/y"), (view, ("fhirServer",), "http:///x"), (view, ("fhirServer",), "http://[x"),
    (view, ("fhirAuthorization",), {"access_token": "x"}),
    (view, ("prefetch",), []), (view, ("prefetch",), {"a": 1}), (view, ("prefetch",), {"a": {"id": "x"}}),
    (view, ("extension",), 1),
    (sign, ("context", "draftOrders"), None), (sign, ("context", "draftOrders"), {"resourceType": "Patient"}),
    (sign, ("context", "draftOrders", "entry"), {}), (sign, ORDER, None), (sign, (*ORDER, "resourceType"), None),
    (sign, (*ORDER, "subject"), {"reference": "Patient/p2"}),
]  # fmt: skip


@pytest.mark.parametrize(("make", "path", "to"), BROKEN)
def test_a_request_broken_in_one_place_is_refused(make, path, to):
    read_request(make())
    with pytest.raises(InputError):
        read_request(change(make(), path, to))


def test_no_words_of_the_record_become_markup():
    from salus.server.cds_cards import _plain, _short

    text = "[x](http://evil.example) <b>*bold*</b> www.evil.example ![p](https://e/x.png)"
    shown = _plain(text)
    assert all(shown[i - 1] == "\\" for i, sign in enumerate(shown) if sign in "[]<>*")
    assert "://" not in shown.replace("\\://", "")
    assert "www." not in shown
    assert _short("Stop it. " + "Because of a long story " * 20) == "Stop it. …"
    assert len(_short("word " * 100)) < 140
    assert len(_short("x" * 500)) < 140
