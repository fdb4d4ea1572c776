"""What one consent says: tables of conditions, exceptions, obligations, and a slow model beside the quick one."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir import dates
from salus.trust.datatypes import identifier
from salus.trust.labels import CONFIDENTIALITY, PURPOSES, SENSITIVITY
from salus.trust.provisions import (
    MAX_DEPTH,
    MAX_PROVISIONS,
    AccessRequest,
    ConsentForm,
    Provision,
    decide,
    names_nobody,
    recipients,
)
from salus.trust.resource_facts import DataReference, ResourceFacts

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
LEE, KIM = identifier("urn:salus:actor", "dr-lee"), "Practitioner/kim"
FACTS = ResourceFacts(
    ref="Observation/o1",
    type="Observation",
    category="record",
    labels=frozenset({"N"}),
    codes=frozenset({"http://loinc.org|2160-0"}),
    documents=frozenset(),
    authors=frozenset({"Practitioner/kim"}),
    authored=dates.parse("2025-03-04"),
    contexts=frozenset({"Encounter/e1"}),
    refers_to=frozenset({"Encounter/e1", "Specimen/s1"}),
    referred_by=frozenset({"DiagnosticReport/d1"}),
)


def some(*values):
    return frozenset(values)


def span(start, end):
    return (start and dates.parse(start), end and dates.parse(end))


def permit(*nested, **more):
    return Provision("permit", nested=nested, **more)


def deny(*nested, **more):
    return Provision("deny", nested=nested, **more)


def asks(actor=LEE, purpose="TREAT", action="read", at=AT, resource=FACTS, **more):
    return AccessRequest(some(actor), purpose, action, at, resource=resource, **more)


def answer(root, request, **form):
    return decide(ConsentForm(root, **form), request).answer


@pytest.mark.parametrize(
    ("stated", "fits", "misses"),
    [
        ({"actors": some(LEE)}, {}, {"actor": KIM}),
        ({"actors": some("Group/g")}, {"organisations": some("Group/g")}, {"organisations": some("Group/h")}),
        ({"roles": some("urn:r|nurse")}, {"roles": some("urn:r|nurse")}, {"roles": some("urn:r|clerk")}),
        ({"actors": some(KIM), "roles": some("urn:r|nurse")}, {"roles": some("urn:r|nurse")}, {}),
        ({"purposes": some("TREAT")}, {}, {"purpose": "HRESCH"}),
        ({"purposes": some("TREAT")}, {"purpose": "ETREAT"}, {"purpose": "HMARKT"}),
        ({"purposes": some("TREAT")}, {"purpose": "BTG"}, {"purpose": "NEVERSEEN"}),
        ({"purposes": some("HRESCH")}, {"purpose": "CLINTRCHPC"}, {"purpose": "TREAT"}),
        ({"purposes": some("ETREAT")}, {"purpose": "ERTREAT"}, {"purpose": "TREAT"}),
        ({"purposes": some("urn:p|foo")}, {"purpose": "urn:p|foo"}, {"purpose": "foo"}),
        ({"actions": some("read")}, {}, {"action": "process"}),
        ({"actions": some("access")}, {}, {"action": "disclose"}),
        ({"actions": some("use")}, {"action": "process"}, {"action": "read"}),
        ({"actions": some("read")}, {}, {"action": "access"}),
    ],
)
def test_who_why_and_how(stated, fits, misses):
    assert answer(permit(**stated), asks(**fits)) == "permit"
    assert answer(permit(**stated), asks(**misses)) == "no-consent"


TAKES = {"access": ["read", "process", "disclose", "collect", "correct"], "use": ["process"], "process": ["use"]}


@pytest.mark.parametrize(
    ("denied", "asked"), [("read", "access"), *((denied, a) for denied, asked in TAKES.items() for a in asked)]
)
def test_a_denied_action_takes_what_depends_on_it(denied, asked):
    assert answer(deny(actions=some(denied)), asks(action=asked)) == "deny"


@pytest.mark.parametrize(("denied", "asked"), [("read", "process"), ("process", "read"), ("disclose", "read")])
def test_a_denied_action_leaves_the_others(denied, asked):
    assert answer(permit(deny(actions=some(denied))), asks(action=asked)) == "permit"


def test_a_period_holds_the_whole_of_its_last_day_and_none_of_the_next():
    root = permit(period=span("2022-01-01", "2022-12-31"))
    for moment, told in (
        (datetime(2021, 12, 31, 23, 59, 59, tzinfo=UTC), "no-consent"),
        (datetime(2022, 1, 1, tzinfo=UTC), "permit"),
        (datetime(2022, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), "permit"),
        (datetime(2023, 1, 1, tzinfo=UTC), "no-consent"),
    ):
        assert answer(root, asks(at=moment)) == told
    assert answer(permit(period=span("2022-01-01", None)), asks()) == "permit"
    assert (
        answer(
            permit(period=span(None, "2022-12-31T10:00:00+02:00")), asks(at=datetime(2022, 12, 31, 8, 0, 1, tzinfo=UTC))
        )
        == "no-consent"
    )
    with pytest.raises(InputError, match="time zone"):
        asks(at=datetime(2026, 6, 1))


@pytest.mark.parametrize(
    ("stated", "facts", "permits", "denies"),
    [
        # Confidentiality: a permit of R is for R and lower, a denial of R for R and higher.
        ({"N"}, {"N"}, True, True),
        ({"N"}, {"R"}, False, True),
        ({"R"}, {"N"}, True, False),
        ({"R"}, {"R"}, True, True),
        ({"R"}, {"V"}, False, True),
        ({"N", "R"}, {"R"}, True, True),
        ({"N", "V"}, {"R"}, True, True),
        ({"M"}, {"L"}, True, False),
        # Sensitive data are at least restricted, whatever they say.
        ({"N"}, {"N", "PSY"}, False, True),
        ({"N"}, {"PSY"}, False, True),
        ({"R"}, {"V", "PSY"}, False, True),
        # Sensitivity: a permit must name all, a denial one; broader names hold for narrower ones.
        ({"PSY"}, {"R", "PSY"}, True, True),
        ({"PSY"}, {"R", "PSY", "HIV"}, False, True),
        ({"PSY", "HIV"}, {"R", "PSY", "HIV"}, True, True),
        ({"PSY"}, {"R"}, False, False),
        ({"ETH"}, {"R", "ETHUD"}, True, True),
        ({"SUD"}, {"R", "OPIOIDUD"}, True, True),
        ({"ETHUD"}, {"R", "ETH"}, False, False),
        # Labels that tell nothing, or are not known.
        ({"N"}, set(), False, True),
        ({"HIV"}, None, False, True),
    ],
)
def test_labels(stated, facts, permits, denies):
    resource = replace(FACTS, labels=None if facts is None else frozenset(facts))
    labels = frozenset(stated)
    assert answer(permit(labels=labels), asks(resource=resource)) == ("permit" if permits else "no-consent")
    assert answer(deny(labels=labels), asks(resource=resource)) == ("deny" if denies else "no-consent")


@pytest.mark.parametrize(
    ("stated", "facts", "permits", "denies"),
    [
        ({"categories": some("record")}, {}, True, True),
        ({"categories": some("genome")}, {}, False, False),
        ({"categories": some("record")}, {"category": ""}, False, True),
        ({"classes": some("Observation")}, {}, True, True),
        ({"classes": some("Condition")}, {}, False, False),
        ({"classes": some("Condition")}, {"type": ""}, False, True),
        ({"classes": some("Condition")}, {"documents": None}, False, False),
        (
            {"classes": some("urn:ietf:bcp:13|text/plain")},
            {"documents": some("urn:ietf:bcp:13|text/plain")},
            True,
            True,
        ),
        ({"classes": some("urn:ietf:bcp:13|text/plain")}, {"documents": None}, False, True),
        ({"documents": some("urn:f|cda")}, {"documents": some("urn:f|cda")}, True, True),
        ({"documents": some("urn:f|cda")}, {}, False, False),
        ({"codes": some("http://loinc.org|2160-0")}, {}, True, True),
        ({"codes": some("http://loinc.org|1-8")}, {}, False, False),
        ({"codes": some("http://loinc.org|1-8")}, {"codes": None}, False, True),
        ({"data": some(DataReference("instance", some("Observation/o1")))}, {}, True, True),
        ({"data": some(DataReference("instance", some("Observation/o2")))}, {}, False, False),
        ({"data": some(DataReference("instance", some("Observation/o2")))}, {"ref": ""}, False, True),
        ({"data": some(DataReference("instance", some("Encounter/e1")))}, {}, False, False),
        ({"data": some(DataReference("related", some("Observation/o1")))}, {}, True, True),
        ({"data": some(DataReference("related", some("Encounter/e1")))}, {}, True, True),
        ({"data": some(DataReference("related", some("DiagnosticReport/d1")))}, {}, True, True),
        ({"data": some(DataReference("related", some("Specimen/s1")))}, {}, False, False),
        ({"data": some(DataReference("related", some("X/1")))}, {"referred_by": None}, False, True),
        ({"data": some(DataReference("dependents", some("Specimen/s1")))}, {}, True, True),
        ({"data": some(DataReference("dependents", some("DiagnosticReport/d1")))}, {}, False, False),
        ({"data": some(DataReference("dependents", some("X/1")))}, {"refers_to": None}, False, True),
        ({"data": some(DataReference("authoredby", some("Practitioner/kim")))}, {}, True, True),
        ({"data": some(DataReference("authoredby", some("Observation/o1")))}, {}, False, False),
        ({"data": some(DataReference("authoredby", some("X/1")))}, {"authors": None}, False, True),
        ({"data_period": span("2025-01-01", "2025-12-31")}, {}, True, True),
        ({"data_period": span("2025-03-04", "2025-03-04")}, {}, True, True),
        ({"data_period": span("2025-03-05", None)}, {}, False, False),
        ({"data_period": span(None, "2025-03-03")}, {}, False, False),
        ({"data_period": span("2025-03-04", None)}, {"authored": dates.parse("2025-03")}, False, True),
        ({"data_period": span(None, "2025-03-04")}, {"authored": dates.parse("2025-03")}, False, True),
        ({"data_period": span("2025", "2025")}, {"authored": dates.parse("2025-03")}, True, True),
        ({"data_period": span("2025", "2025")}, {"authored": None}, False, True),
    ],
)
def test_which_data(stated, facts, permits, denies):
    """What is not known never helps a permit and never escapes a denial."""
    request = asks(resource=replace(FACTS, **facts))
    assert answer(permit(**stated), request) == ("permit" if permits else "no-consent")
    assert answer(deny(**stated), request) == ("deny" if denies else "no-consent")


def test_what_the_request_does_not_tell_only_denies():
    for stated, untold in (({"purposes": some("TREAT")}, {"purpose": ""}), ({"actions": some("read")}, {"action": ""})):
        assert answer(permit(**stated), asks(**untold)) == "no-consent"
        assert answer(deny(**stated), asks(**untold)) == "deny"
        assert answer(deny(permit(**stated)), asks(**untold)) == "deny"
        assert answer(permit(deny(), **stated), asks(**untold)) == "deny"
        assert answer(deny(permit(), **stated), asks(**untold)) == "deny"
        assert answer(permit(), asks(**untold)) == "permit"


def test_all_elements_of_a_provision_must_hold():
    both = permit(actors=some(LEE), classes=some("Observation"), labels=some("N"))
    assert answer(both, asks()) == "permit"
    for other in (
        {"actor": KIM},
        {"resource": replace(FACTS, type="Condition")},
        {"resource": replace(FACTS, labels=some("R"))},
    ):
        assert answer(both, asks(**other)) == "no-consent"


RESTRICTED = replace(FACTS, labels=some("R"))
PSYCHIATRIC = replace(FACTS, labels=some("R", "PSY"))
NORMAL_ONLY = permit(
    permit(actors=some(KIM), labels=some("R")),
    purposes=some("TREAT", "HPAYMT"),
    labels=some("N"),
)


@pytest.mark.parametrize(
    ("request_", "told"),
    [
        (asks(), "permit"),
        (asks(resource=RESTRICTED), "no-consent"),
        (asks(KIM, resource=RESTRICTED), "permit"),
        (asks(KIM), "permit"),
        (asks(KIM, purpose="HRESCH", resource=RESTRICTED), "no-consent"),
        (asks(KIM, resource=replace(FACTS, labels=some("V"))), "no-consent"),
    ],
)
def test_an_exception_states_other_labels_and_keeps_the_purpose(request_, told):
    """As IHE PCF's "normal, and focused restricted" is meant."""
    assert answer(NORMAL_ONLY, request_) == told


def test_an_exception_inherits_the_data_around_it_in_its_own_sense():
    all_but_kim = permit(deny(permit(actors=some(KIM)), labels=some("R")), deny(classes=some("Condition")))
    assert answer(all_but_kim, asks(resource=RESTRICTED)) == "deny"
    assert answer(all_but_kim, asks(KIM, resource=RESTRICTED)) == "permit"
    assert answer(all_but_kim, asks(KIM, resource=replace(FACTS, labels=some("V")))) == "permit"
    assert answer(all_but_kim, asks(KIM, resource=replace(RESTRICTED, type="Condition"))) == "deny"
    nobody_but_kim = deny(permit(actors=some(KIM)), labels=some("R"))
    assert answer(nobody_but_kim, asks(KIM, resource=RESTRICTED)) == "permit"
    assert answer(nobody_but_kim, asks(KIM)) == "no-consent"  # what is normal is not spoken of
    assert answer(nobody_but_kim, asks(KIM, resource=replace(FACTS, labels=None))) == "deny"


def test_an_exception_stays_within_who_why_how_and_when():
    for around in (
        {"actors": some(LEE)},
        {"purposes": some("TREAT")},
        {"actions": some("read")},
        {"period": span("2026-05", "2026-07")},
    ):
        root = permit(
            deny(labels=some("HIV")), permit(classes=some("Condition")), classes=some("Observation"), **around
        )
        assert answer(root, asks(resource=replace(FACTS, type="Condition"))) == "permit"
        outside = {"actor": KIM} if "actors" in around else {"purpose": "HRESCH"} if "purposes" in around else {}
        outside |= (
            {"action": "process"} if "actions" in around else {"at": AT + timedelta(99)} if "period" in around else {}
        )
        for resource in (FACTS, replace(FACTS, type="Condition"), replace(FACTS, labels=some("R", "HIV"))):
            assert answer(root, asks(resource=resource, **outside)) == "no-consent"


def test_deny_overrides_permit_at_one_level_and_four_levels_alternate():
    assert answer(permit(deny(), permit()), asks()) == answer(permit(permit(), deny()), asks()) == "deny"
    inner = deny(permit(deny(codes=FACTS.codes), actors=some(LEE)), labels=some("PSY"))
    root = permit(inner)
    assert answer(root, asks()) == "permit"
    assert answer(root, asks(KIM, resource=PSYCHIATRIC)) == "deny"
    assert answer(root, asks(resource=replace(PSYCHIATRIC, codes=some("urn:x|1")))) == "permit"
    assert answer(root, asks(resource=PSYCHIATRIC)) == "deny"


def test_the_path_names_what_decided():
    decision = decide(ConsentForm(permit(permit(), deny(permit(actors=some(KIM))))), asks(KIM))
    assert decision.path == ("provision", "provision.provision[0]")
    decision = decide(ConsentForm(permit(permit(), deny(permit(actors=some(KIM))))), asks())
    assert decision.path == ("provision", "provision.provision[1]")
    assert decide(ConsentForm(permit(actors=some(KIM))), asks()).path == ()


def at_large(root, **more):
    return decide(ConsentForm(root), asks(resource=None, **more))


def told(decision):
    return {
        (
            tuple(sorted((c.element, tuple(sorted(c.values))) for c in duty.where)),
            tuple(tuple((c.element, tuple(sorted(c.values))) for c in data) for data in duty.unless),
        )
        for duty in decision.obligations
    }


def test_data_at_large_get_obligations():
    denies_r = at_large(permit(deny(labels=some("R"), actors=some(LEE))))
    assert denies_r.answer == "permit"
    assert told(denies_r) == {((("labels", ("R",)),), ())}
    assert denies_r.obligations[0].code == "REDACT"
    assert at_large(permit(deny(labels=some("R"), actors=some(KIM)))).obligations == ()
    only_n = at_large(deny(permit(labels=some("N"))))
    assert (only_n.answer, told(only_n)) == ("permit", {((), ((("labels", ("N",)),),))})
    only_n = at_large(permit(labels=some("N")))
    assert (only_n.answer, told(only_n)) == ("permit", {((), ((("labels", ("N",)),),))})
    assert at_large(permit(deny())).answer == "deny"
    assert at_large(permit(deny())).obligations == ()
    assert at_large(permit(deny(permit()))).obligations == ()
    silent = at_large(deny(labels=some("R")))
    assert (silent.answer, told(silent)) == ("no-consent", {((("labels", ("R",)),), ())})
    assert at_large(permit(actors=some(KIM))).answer == "no-consent"


def test_data_at_large_of_one_category_or_type():
    root = permit(deny(categories=some("genome")), deny(classes=some("Condition")), categories=some("record", "genome"))
    assert at_large(root, category="genome").answer == "deny"
    assert at_large(root, category="record", type="Condition").answer == "deny"
    both = at_large(root, category="record", type="Observation")
    assert (both.answer, both.obligations) == ("permit", ())
    assert at_large(root, category="note", type="Observation").answer == "no-consent"
    assert len(at_large(root).obligations) == 3


def test_what_an_exception_of_an_untold_purpose_permits_is_not_shown_at_large():
    denial = deny(permit(labels=some("N")), classes=some("Observation"))
    root = permit(permit(denial, purposes=some("TREAT")), classes=some("urn:ietf:bcp:13|text/plain"))
    large = at_large(root, purpose="", type="Observation")
    assert large.answer == "permit"
    assert any(duty.covers(FACTS) for duty in large.obligations)
    assert answer(root, asks(purpose="")) == "no-consent"


def test_a_consent_that_was_not_verified_permits_nothing():
    root = permit(deny(labels=some("R")))
    assert answer(root, asks(), verified=True) == answer(root, asks()) == "permit"
    assert answer(root, asks(), verified=False) == "no-consent"
    assert answer(root, asks(resource=RESTRICTED), verified=False) == "deny"
    large = decide(ConsentForm(root, verified=False), asks(resource=None))
    assert (large.answer, told(large)) == ("no-consent", {((("labels", ("R",)),), ())})


@pytest.mark.parametrize(
    ("root", "named", "nobody"),
    [
        (permit(), some(), True),
        (permit(actors=some(LEE)), some(LEE), False),
        (permit(roles=some("urn:r|nurse")), some(), True),
        (deny(), some(), False),
        (deny(actors=some(KIM)), some(), False),
        (deny(permit(actors=some(LEE))), some(LEE), False),
        (deny(permit()), some(), True),
        (deny(permit(), actors=some(LEE)), some(LEE), False),
        (deny(permit(actors=some(KIM)), actors=some(LEE)), some(KIM), False),
        (permit(deny(actors=some(KIM)), actors=some(LEE)), some(LEE), False),
        (permit(permit(actors=some(KIM))), some(KIM), True),
        (permit(deny(deny(permit())), actors=some(LEE)), some(LEE), False),
    ],
)
def test_whom_the_permits_name(root, named, nobody):
    assert recipients(root) == named
    assert names_nobody(root) is nobody


def test_too_deep_or_too_many_provisions_are_refused():
    root = permit()
    for _ in range(MAX_DEPTH - 1):
        root = permit(root)
    ConsentForm(root)
    with pytest.raises(InputError, match="deeply"):
        ConsentForm(permit(root))
    ConsentForm(permit(*[deny()] * (MAX_PROVISIONS - 1)))
    with pytest.raises(InputError, match="too many"):
        ConsentForm(permit(*[deny()] * MAX_PROVISIONS))


# A slow model beside the quick one, on a small world in which everything meets.

WORLD = {
    "actors": [LEE, KIM],
    "purposes": ["TREAT", "ETREAT", "HRESCH"],
    "actions": ["read", "access", "process"],
    "categories": ["record", "genome"],
    "labels": ["N", "R", "V", "PSY", "ETH", "ETHUD"],
    "classes": ["Observation", "Condition"],
    "codes": ["urn:c|1", "urn:c|2"],
}
REFERENCES = [
    DataReference(m, some(r)) for m in ("instance", "related", "dependents", "authoredby") for r in ("A/1", "B/2")
]
MOMENTS = ["2026-05-31", "2026-06-01", "2026-06-02"]


def a_period(random_):
    return span(*sorted((random_.choice(MOMENTS), random_.choice(MOMENTS)))) if random_.random() < 0.2 else (None, None)


def a_provision(random_, depth, chance=0.25):
    stated = {
        name: frozenset(random_.sample(values, random_.randint(1, len(values))))
        for name, values in WORLD.items()
        if random_.random() < chance
    }
    if random_.random() < chance / 2:
        stated["data"] = frozenset(random_.sample(REFERENCES, random_.randint(1, 3)))
    nested = [a_provision(random_, depth - 1, chance) for _ in range(random_.randint(0, 3))] if depth else []
    return Provision(
        random_.choice(("permit", "deny")),
        period=a_period(random_),
        data_period=a_period(random_),
        nested=tuple(nested),
        **stated,
    )


def maybe(random_, value):
    return None if random_.random() < 0.1 else value


def a_resource(random_):
    def sets(values, most=2):
        return frozenset(random_.sample(values, random_.randint(0, most)))

    return ResourceFacts(
        ref=random_.choice(["A/1", "B/2", ""]),
        type=random_.choice(["Observation", "Condition", ""]),
        category=random_.choice(["record", "genome", ""]),
        labels=maybe(random_, sets(WORLD["labels"], 3)),
        codes=maybe(random_, sets(WORLD["codes"])),
        documents=maybe(random_, frozenset()),
        authors=maybe(random_, sets(["A/1", "B/2"])),
        authored=maybe(random_, dates.parse(random_.choice([*MOMENTS, "2026-06"]))),
        contexts=maybe(random_, sets(["A/1", "B/2"], 1)),
        refers_to=maybe(random_, sets(["A/1", "B/2"], 1)),
        referred_by=maybe(random_, sets(["A/1", "B/2"], 1)),
    )


def a_request(random_, resource):
    return AccessRequest(
        some(random_.choice([LEE, KIM, "Practitioner/nobody"])),
        random_.choice([*WORLD["purposes"], "BTG", ""]),
        random_.choice(["read", "access", "process", ""]),
        datetime(2026, 6, 1, random_.randint(0, 23), tzinfo=UTC),
        resource=resource,
    )


def truth(element, values, denies, facts):
    """Whether one stated element holds of a resource: 1, 0, or a half for "not known"."""
    half = 0.5
    if element == "categories":
        return half if not facts.category else float(facts.category in values)
    if element == "classes":
        return half if not facts.type else float(facts.type in values)
    if element == "codes":
        return half if facts.codes is None else float(bool(facts.codes & values))
    if element == "labels":
        if not facts.labels:
            return half
        told = facts.labels & set(CONFIDENTIALITY)
        sensitive = facts.labels - set(CONFIDENTIALITY)
        level = max(["ULMNRV".index(c) for c in told] + ["ULMNRV".index("R")] * bool(sensitive))
        levels = ["ULMNRV".index(v) for v in values if v in "ULMNRV"]
        named = [bool(SENSITIVITY[s] & values) for s in sensitive]
        if denies:
            return float(any(named) or any(level >= v for v in levels))
        return float((bool(named) and all(named)) or any(level <= v for v in levels))
    if element == "data_period":
        if facts.authored is None:
            return half
        low = values[0].start if values[0] else datetime.min.replace(tzinfo=UTC)
        high = values[1].end if values[1] else datetime.max.replace(tzinfo=UTC)
        first, last = facts.authored.start, facts.authored.end
        return float(first < high and last > low if denies else low <= first and last <= high)
    places = {
        "instance": ["ref"],
        "related": ["ref", "contexts", "referred_by"],
        "dependents": ["ref", "refers_to"],
        "authoredby": ["authors"],
    }
    best = 0.0
    for reference in values:
        for place in places[reference.meaning]:
            known = getattr(facts, place)
            known = ({known} if known else None) if place == "ref" else known
            best = max(best, half if known is None else float(bool(known & reference.ids)))
    return best


def context(provision, request):
    """Whether who, why, how and when hold: 1, 0 or a half."""
    start, end = provision.period
    if (start and request.at < start.start) or (end and request.at >= end.end):
        return 0.0
    if provision.actors and not provision.actors & request.actors:
        return 0.0
    least = 1.0
    if provision.purposes:
        ancestors = {request.purpose} | set(PURPOSES.get(request.purpose, ()))
        least = min(least, 0.5 if not request.purpose else float(bool(ancestors & provision.purposes)))
    if provision.actions:
        kind = {"read": {"read", "access"}, "access": {"access"}, "process": {"process", "use"}}
        denied = {"access": {"read", "access", "process"}, "read": {"read", "access"}, "process": {"process"}}
        if not request.action:
            least = min(least, 0.5)
        elif provision.type == "permit":
            least = min(least, float(bool(kind[request.action] & provision.actions)))
        else:
            least = min(least, float(any(request.action in denied[a] for a in provision.actions)))
    return least


def slow(provision, request, facts, around=()):
    """What a provision says, by going through every exception first."""
    around = dict(around)
    for element in ("categories", "classes", "codes", "labels", "data"):
        if getattr(provision, element):
            around[element] = (getattr(provision, element), provision.type == "deny")
    if provision.data_period != (None, None):
        around["data_period"] = (provision.data_period, provision.type == "deny")
    speaks = context(provision, request)
    if speaks == 0.0:
        return None
    inner = {slow(n, request, facts, tuple(around.items())) for n in provision.nested}
    if "deny" in inner:
        return "deny"
    if "permit" in inner and speaks == 1.0:
        return "permit"
    holds = min([1.0, *(truth(e, values, denies, facts) for e, (values, denies) in around.items())])
    if provision.type == "deny":
        return "deny" if holds > 0 else None
    return "permit" if holds == 1.0 and speaks == 1.0 else None


def test_the_quick_evaluation_equals_a_slow_model_on_2000_random_consents():
    random_ = random.Random(20260601)
    seen = {"permit": 0, "deny": 0, "no-consent": 0}
    for _ in range(2000):
        root = a_provision(random_, random_.randint(0, 4))
        form = ConsentForm(root)
        for _ in range(4):
            facts = a_resource(random_)
            request = a_request(random_, facts)
            answered = decide(form, request).answer
            assert answered == (slow(root, request, facts) or "no-consent"), (root, request)
            seen[answered] += 1
    assert min(seen.values()) > 1000


def test_obligations_say_the_same_as_a_decision_resource_by_resource():
    random_ = random.Random(7)
    seen = {True: 0, False: 0}
    for _ in range(1500):
        form = ConsentForm(a_provision(random_, random_.randint(0, 4), chance=0.15))
        facts = a_resource(random_)
        request = a_request(random_, facts)
        large = decide(form, replace(request, resource=None))
        single = decide(form, request).answer
        left_out = any(duty.covers(facts) for duty in large.obligations)
        assert (large.answer == "permit" and not left_out) == (single == "permit")
        if large.answer == "no-consent":
            assert left_out == (single == "deny")
        if large.answer == "deny":
            assert single == "deny"
        seen[left_out] += 1
    assert min(seen.values()) > 100


def test_a_category_told_at_large_says_the_same_as_the_category_of_a_resource():
    random_ = random.Random(11)
    for _ in range(1000):
        form = ConsentForm(a_provision(random_, random_.randint(0, 3), chance=0.2))
        facts = replace(a_resource(random_), category="record", type="Observation", documents=frozenset())
        request = a_request(random_, facts)
        large = decide(form, replace(request, resource=None, category="record", type="Observation"))
        shown = large.answer == "permit" and not any(duty.covers(facts) for duty in large.obligations)
        assert shown == (decide(form, request).answer == "permit")
        elements = {c.element for o in large.obligations for data in (o.where, *o.unless) for c in data}
        assert not elements & {"categories", "classes"}


def everywhere(provision, added):
    """The provision with one exception more, in every place that there is."""
    yield replace(provision, nested=(*provision.nested, added))
    for i, nested in enumerate(provision.nested):
        for inner in everywhere(nested, added):
            yield replace(provision, nested=(*provision.nested[:i], inner, *provision.nested[i + 1 :]))


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False))
def test_one_more_denial_never_widens(random_):
    root, added = a_provision(random_, 2), replace(a_provision(random_, 0), type="deny")
    facts = a_resource(random_)
    request = a_request(random_, facts)
    before = answer(root, request)
    for changed in everywhere(root, added):
        after = answer(changed, request)
        assert after == "deny" if before == "deny" else after != "permit" or before == "permit"


def test_an_exception_for_somebody_else_changes_nothing():
    random_ = random.Random(13)
    seen = set()
    for _ in range(1500):
        root = a_provision(random_, 0, chance=0.2)
        other = replace(a_provision(random_, 0), actors=frozenset({"Practitioner/somebody-else"}))
        request = replace(a_request(random_, None), category=random_.choice(("", "record", "genome")))
        plain = decide(ConsentForm(root), request)
        assert plain == decide(ConsentForm(replace(root, nested=(other,))), request)
        seen.add((plain.answer, bool(plain.obligations)))
    assert len(seen) == 5, seen


@settings(max_examples=150, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_outside_its_period_a_consent_says_nothing(random_, late):
    root = replace(a_provision(random_, 2), period=span("2026-06-01", "2026-06-30"))
    moment = datetime(2026, 7, 1, tzinfo=UTC) if late else datetime(2026, 5, 31, 23, 59, 59, tzinfo=UTC)
    for resource in (a_resource(random_), None):
        decision = decide(ConsentForm(root), replace(a_request(random_, resource), at=moment))
        assert (decision.answer, decision.obligations) == ("no-consent", ())


@settings(max_examples=100, deadline=None)
@given(st.randoms(use_true_random=False))
def test_knowing_less_never_shows_more(random_):
    form = ConsentForm(a_provision(random_, 3))
    facts = a_resource(random_)
    request = a_request(random_, facts)
    blind = ResourceFacts()
    for name in ("ref", "type", "category", "labels", "codes", "authors", "authored", "contexts", "refers_to"):
        less = replace(request, resource=replace(facts, **{name: getattr(blind, name)}))
        if decide(form, less).answer == "permit":
            assert decide(form, request).answer == "permit"
