"""Synthetic patients and consents for trust checks, with a slow model of who may see what.

What a resource is (its kinds of data, its labels, what it leads to) is known here because it was made so: nothing is
asked of the code that is checked. The model of consents follows the words of docs and of FHIR R4, one resource and one
consent at a time, and is written for being read, not for speed.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

KINDS = ("record", "genome", "image", "signal", "note")
LOINC, ICD = "http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
READERS = ("dr-a", "dr-b")
PURPOSES = ("TREAT", "HRESCH")
MISSING = "nothing-here"
BLOB = "urn:salus:blob:"
"""How an address begins under which a file of the record lies."""
RANK = {code: rank for rank, code in enumerate("ULMNRV")}

Body = dict[str, Any]


@dataclass(frozen=True)
class Thing:
    """One resource and what is true of it. ``sensitive`` are its codes of sensitivity; ``leads`` what it is made of.

    ``data`` is a file that belongs to it: its bytes, and of which kind they are.
    """

    body: Body
    kinds: frozenset[str]
    sensitive: frozenset[str] = frozenset()
    level: str = "N"
    leads: tuple[str, ...] = ()
    data: tuple[str, bytes] | None = None

    @property
    def ref(self) -> str:
        return f"{self.body['resourceType']}/{self.body['id']}"

    @property
    def rank(self) -> int:
        """How confidential it is: what is sensitive is restricted at least."""
        return max(RANK[self.level], RANK["R"] if self.sensitive else RANK["N"] if self.level == "N" else 0)


@dataclass(frozen=True)
class Rule:
    """A provision. None: it says nothing of that element."""

    type: str
    actors: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
    start: datetime | None = None
    end: datetime | None = None
    kinds: frozenset[str] | None = None
    types: frozenset[str] | None = None
    labels: frozenset[str] | None = None
    codes: frozenset[tuple[str, str]] | None = None
    action: str | None = "read"
    nested: tuple[Rule, ...] = ()
    shown: str = ""
    """How a denial of whole kinds of data shows: flagged or interlock; "" for hidden."""


@dataclass
class Said:
    """One consent as it was filed: by whom, in which order, and whether it was ended since."""

    signer: str
    order: int
    dated: datetime
    rule: Rule
    id: str = ""
    ended: bool = False


@dataclass
class Case:
    """One patient: the record, what was said of it, and what the reader asks it for."""

    patient: str
    things: list[Thing]
    said: list[Said] = field(default_factory=list)
    reader: str = READERS[0]
    purpose: str = "TREAT"


# ---- records


def record_of(dice: random.Random, patient: str) -> list[Thing]:
    """A patient with things of every kind, of which some lead to others. Ids stand nowhere else."""
    return list(_Maker(dice, patient).everything())


class _Maker:
    def __init__(self, dice: random.Random, patient: str) -> None:
        self.dice, self.patient = dice, patient
        self.made: list[Thing] = []

    def everything(self) -> Iterator[Thing]:
        for make in (self._person, self._conditions, self._results, self._medicines, self._genome, self._images,
                     self._documents, self._made_of_others):  # fmt: skip
            for thing in make():
                self.made.append(thing)
                yield thing

    def _id(self, stem: str) -> str:
        return f"{stem}-{self.patient}-{self.dice.randrange(16**8):08x}"

    def _of(self, kind: str, stem: str, **more: Any) -> Body:
        return {"resourceType": kind, "id": self._id(stem), "subject": {"reference": f"Patient/{self.patient}"}, **more}

    def _day(self) -> str:
        return f"{self.dice.randint(2019, 2025)}-{self.dice.randint(1, 12):02}-{self.dice.randint(1, 28):02}"

    def _some(self, count: int) -> list[Thing]:
        known = [t for t in self.made if "record" not in t.kinds or t.body["resourceType"] == "Observation"]
        return self.dice.sample(known, min(count, len(known)))

    def _person(self) -> Iterator[Thing]:
        body = {
            "resourceType": "Patient", "id": self.patient, "gender": self.dice.choice(["female", "male"]),
            "birthDate": f"{self.dice.randint(1935, 1985)}-05-17", "name": [{"family": f"Family{self.patient}"}],
            "identifier": [{"system": "urn:example:mrn", "value": f"MRN-{self.patient}"}],
        }  # fmt: skip
        yield Thing(body, frozenset())

    def _conditions(self) -> Iterator[Thing]:
        codes = {"J45.909": (), "E11.9": (), "I10": (), "B20": ("HIV",), "K21.9": ()}
        for code in self.dice.sample(sorted(codes), self.dice.randint(2, 5)):
            body = self._of(
                "Condition", "cond", code={"coding": [{"system": ICD, "code": code}]}, recordedDate=self._day()
            )
            body["clinicalStatus"] = {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
            }
            yield Thing(body, frozenset({"record"}), frozenset(codes[code]))

    def _results(self) -> Iterator[Thing]:
        asked = [
            ("2160-0", "mg/dL", 0.6, 2.4),
            ("4548-4", "%", 4.8, 9.5),
            ("13457-7", "mg/dL", 60, 200),
            ("29463-7", "kg", 50, 110),
        ]
        for code, unit, low, high in self.dice.sample(asked, self.dice.randint(2, 4)):
            for _ in range(self.dice.randint(1, 2)):
                value = Decimal(f"{self.dice.uniform(low, high):.1f}")
                yield self._labelled(self._result(code, value, unit))

    def _result(self, code: str, value: Decimal, unit: str) -> Body:
        quantity = {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
        return self._of(
            "Observation", "lab", status="final", code={"coding": [{"system": LOINC, "code": code}]},
            effectiveDateTime=self._day(), valueQuantity=quantity,
        )  # fmt: skip

    def _labelled(self, body: Body) -> Thing:
        """Sometimes what it came with says that it is confidential or sensitive."""
        label = self.dice.choice(["", "", "", "R", "V", "SDV", "PSY", "L"])
        if not label:
            return Thing(body, frozenset({"record"}))
        system = CONFIDENTIALITY if label in RANK else ACT_CODE
        labelled = {**body, "meta": {"security": [{"system": system, "code": label}]}}
        if label in RANK:
            return Thing(labelled, frozenset({"record"}), level=label)
        return Thing(labelled, frozenset({"record"}), frozenset({label}))

    def _medicines(self) -> Iterator[Thing]:
        known = ["simvastatin", "metformin", "lisinopril", "clopidogrel"]
        for name in self.dice.sample(known, self.dice.randint(1, 3)):
            day = self._day() if name != "clopidogrel" else f"2025-{self.dice.randint(1, 12):02}-14"
            body = self._of(
                "MedicationRequest", "rx", status="active", intent="order", authoredOn=day,
                medicationCodeableConcept={"text": name},
            )  # fmt: skip
            yield Thing(body, frozenset({"record"}))
        allergy = self._of("AllergyIntolerance", "alg", code={"text": "penicillin"}, recordedDate=self._day())
        yield Thing({**allergy, "patient": allergy.pop("subject")}, frozenset({"record"}))

    def _genome(self) -> Iterator[Thing]:
        variant = self._of(
            "Observation", "gen", status="final", code={"coding": [{"system": LOINC, "code": "69548-6"}]},
            effectiveDateTime=self._day(), valueCodeableConcept={"text": "present"},
        )  # fmt: skip
        yield Thing(variant, frozenset({"genome", "record"}))
        sequence = self._of("MolecularSequence", "seq", coordinateSystem=0)
        yield Thing({**sequence, "patient": sequence.pop("subject")}, frozenset({"genome"}))
        inside = {"resourceType": "Observation", "id": "c", "status": "final", "code": variant["code"]}
        holder = self._of(
            "Observation", "hold", status="final", code={"coding": [{"system": LOINC, "code": "718-7"}]},
            contained=[inside], hasMember=[{"reference": "#c"}],
        )  # fmt: skip
        yield Thing(holder, frozenset({"record", "genome"}))

    def _images(self) -> Iterator[Thing]:
        yield Thing(self._of("ImagingStudy", "img", status="available", started=self._day()), frozenset({"image"}))
        media = self._of("Media", "med", status="completed", content={"contentType": "image/jpeg", "title": "skin.jpg"})
        yield Thing(media, frozenset({"image"}))
        sound = self._of("Media", "snd", status="completed", content={"contentType": "audio/wav"})
        yield Thing(sound, frozenset({"signal", "note"}))
        report = self._of(
            "DiagnosticReport", "rad", status="final", code={"text": "chest film"}, conclusion="No change since then.",
            effectiveDateTime=self._day(),
        )  # fmt: skip
        yield Thing(report, frozenset({"record", "note"}))

    def _documents(self) -> Iterator[Thing]:
        day = self.dice.choice([self._day(), f"2025-{self.dice.randint(1, 12):02}-14"])
        taken = self.dice.choice(["aspirin 100 mg", "ibuprofen 400 mg"])  # with clopidogrel a severe conflict
        letter = f"Date: {day}\n\nTakes {taken}. No chest pain. {self.dice.choice(['Smokes.', 'Has asthma.'])}\n"
        yield self._document("note", "text", "letter.txt", "text/plain", day, letter.encode())
        head = "##fileformat=VCFv4.2\n##reference=GRCh38\n##contig=<ID=chr10,length=133797422>\n"
        columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\n"
        row = f"chr10\t94781859\trs4244285\tG\tA\t50\tPASS\t.\tGT\t{self.dice.choice(['0/1', '1/1', '0/0'])}\n"
        yield self._document("genome", "vcf", "S1.vcf", "text/vcf", day, (head + columns + row).encode())
        yield self._document("signal", "wfdb", "r1.hea", "text/plain", day, b"r1 1 250 0\n")

    def _document(self, kind: str, form: str, name: str, media: str, when: str, data: bytes) -> Thing:
        body = self._of(
            "DocumentReference", "salus-doc", status="current", description=name,
            meta={"tag": [{"system": "urn:salus:kind", "code": f"{kind}/{form}"}]},
            content=[{"attachment": {"contentType": media, "url": BLOB, "size": len(data), "title": name}}],
            context={"period": {"start": when}},
        )  # fmt: skip
        body["id"] = f"salus-{body['id']}"
        return Thing(body, frozenset({kind}), data=(kind, data))

    def _made_of_others(self) -> Iterator[Thing]:
        for stem in ("one", "two"):
            parts = self._some(self.dice.randint(1, 3))
            items = [{"item": {"reference": p.ref}} for p in parts]
            body = self._of("List", f"list{stem}", status="current", mode="working", entry=items)
            yield Thing(body, frozenset({"record"}), leads=tuple(p.ref for p in parts))
        lists = [t for t in self.made if t.body["resourceType"] == "List"]
        task = self._of("Task", "task", status="requested", intent="plan", focus={"reference": lists[0].ref})
        yield Thing({**task, "for": task.pop("subject")}, frozenset({"record"}), leads=(lists[0].ref,))
        labs = [t for t in self.made if t.body["resourceType"] == "Observation"]
        results = self.dice.sample(labs, min(2, len(labs)))
        panel = self._of(
            "DiagnosticReport", "panel", status="final", code={"text": "panel"}, effectiveDateTime=self._day(),
            result=[{"reference": r.ref} for r in results],
        )  # fmt: skip
        yield Thing(panel, frozenset({"record"}), leads=tuple(r.ref for r in results))
        conditions = [t for t in self.made if t.body["resourceType"] == "Condition"]
        visit = self._of(
            "Encounter", "enc", status="finished", period={"start": self._day()},
            diagnosis=[{"condition": {"reference": self.dice.choice(conditions).ref}}],
        )  # fmt: skip
        visit["class"] = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
        yield Thing(visit, frozenset({"record"}))
        for _ in range(2):
            targets = self.dice.sample(self.made[1:], self.dice.randint(1, 3))
            proof = {
                "resourceType": "Provenance", "id": self._id("prov"), "recorded": f"{self._day()}T10:00:00Z",
                "target": [{"reference": t.ref} for t in targets], "agent": [{"who": {"display": "a clerk"}}],
            }  # fmt: skip
            yield Thing(proof, frozenset({"record"}), leads=tuple(t.ref for t in targets))


# ---- consents


def consent_of(dice: random.Random, signer: str, at: datetime) -> Rule:
    """A random consent of the patient or a proxy, or a paper that staff witnessed, which names whom it lets in."""
    start = at - timedelta(days=dice.choice([0, 30]))
    end = dice.choice([None, None, None, at + timedelta(days=200), at + timedelta(days=90), at + timedelta(minutes=20)])
    if signer == "staff":
        end, type_ = at + timedelta(days=dice.choice([200, 300])), "permit"
    else:
        type_ = dice.choices(["permit", "deny"], [4, 1])[0]
    named = frozenset(dice.choices([[READERS[0]], [READERS[1]], READERS], [5, 1, 2])[0])
    actors = None if signer != "staff" and dice.random() < 0.15 else named
    told = [None, {"TREAT"}, PURPOSES, PURPOSES, {"HRESCH"}]
    asked = dice.choice(told)
    purposes = None if asked is None else frozenset(asked)
    root = Rule(type_, actors, purposes, start, end, **_about(dice, narrow=type_ == "deny"))
    return replace(
        root, nested=tuple(exception_of(dice, root, 1) for _ in range(dice.choices([0, 1, 2], [3, 4, 2])[0]))
    )


def closure_of(dice: random.Random, at: datetime) -> Rule:
    """A consent that closes a kind of data, or the results of one code, to processing."""
    kinds = frozenset(dice.sample(KINDS, 1))
    codes = frozenset({(LOINC, dice.choice(["2160-0", "4548-4"]))}) if dice.random() < 0.6 else None
    return Rule("deny", start=at, kinds=frozenset({"record"}) if codes else kinds, codes=codes, action="process")


def _about(dice: random.Random, *, narrow: bool) -> dict[str, Any]:
    """What a rule says of data: most often kinds, where ``narrow`` more often a part of them."""
    form = dice.choices(["kinds", "types", "labels", "codes", "all"], [2, 2, 3, 3, 1] if narrow else [8, 1, 1, 1, 7])[0]
    match form:
        case "kinds":
            some = dice.sample(KINDS[1:], dice.randint(0, 4)) + (
                ["record"] if not narrow or dice.random() < 0.3 else []
            )
            return {"kinds": frozenset(some or ["note"])}
        case "types":
            names = ["Condition", "Observation", "DocumentReference", "MedicationRequest", "List", "DiagnosticReport"]
            return {"types": frozenset(dice.sample(names, dice.randint(1, 2)))}
        case "labels":
            return {"labels": frozenset({dice.choice(["HIV", "SDV", "PSY", "R", "N", "V"])})}
        case "codes":
            some = [(ICD, "B20"), (ICD, "E11.9"), (LOINC, "2160-0"), (LOINC, "4548-4"), (LOINC, "69548-6")]
            return {"codes": frozenset(dice.sample(some, dice.randint(1, 2)))}
    return {}


def exception_of(dice: random.Random, around: Rule, depth: int) -> Rule:
    opposite = "deny" if around.type == "permit" else "permit"
    type_ = opposite if dice.random() < 0.85 else around.type
    actors = frozenset({dice.choice(READERS)}) if dice.random() < 0.25 else None
    if around.actors is None and type_ == "permit" and actors is None:
        actors = frozenset({READERS[0]})
    purposes = frozenset({dice.choice(PURPOSES)}) if dice.random() < 0.2 else None
    rule = Rule(type_, actors, purposes, **_about(dice, narrow=True), action=None)
    return replace(rule, nested=(exception_of(dice, rule, depth + 1),)) if depth < 3 and dice.random() < 0.25 else rule


def provision_of(rule: Rule) -> Body:
    """The rule as FHIR R4 writes it."""
    found: Body = {"type": rule.type}
    if rule.shown:
        found["extension"] = [{"url": "urn:salus:withheld-as", "valueCode": rule.shown}]
    period = {name: at.isoformat() for name, at in (("start", rule.start), ("end", rule.end)) if at}
    recipient = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "IRCP"}]}
    found |= {"period": period} if period else {}
    if rule.actors is not None:
        found["actor"] = [
            {"role": recipient, "reference": {"identifier": {"system": "urn:salus:actor", "value": actor}}}
            for actor in sorted(rule.actors)
        ]
    if rule.action:
        found["action"] = [{"coding": [{"system": "urn:salus:action", "code": rule.action}]}]
    if rule.purposes is not None:
        system = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
        found["purpose"] = [{"system": system, "code": code} for code in sorted(rule.purposes)]
    if rule.kinds is not None:
        found["class"] = [{"system": "urn:salus:category", "code": kind} for kind in sorted(rule.kinds)]
    if rule.types is not None:
        found["class"] = [{"system": RESOURCE_TYPES, "code": name} for name in sorted(rule.types)]
    if rule.labels is not None:
        found["securityLabel"] = [
            {"system": CONFIDENTIALITY if label in RANK else ACT_CODE, "code": label} for label in sorted(rule.labels)
        ]
    if rule.codes is not None:
        found["code"] = [{"coding": [{"system": system, "code": code}]} for system, code in sorted(rule.codes)]
    if rule.nested:
        found["provision"] = [provision_of(nested) for nested in rule.nested]
    return found


# ---- the slow model


def visible(case: Case, at: datetime, action: str = "read") -> set[str]:
    """The references that the reader may see at ``at``; for ``process`` those that nobody closed to processing.

    A thing is seen where each of its kinds, and of the kinds of all that it leads to, is permitted for it, and where
    everything that it leads to is seen.
    """
    by_ref = {t.ref: t for t in case.things}

    def reached(thing: Thing) -> dict[str, Thing]:
        found = {thing.ref: thing}
        waiting = [thing]
        while waiting:
            for ref in waiting.pop().leads:
                if ref not in found and ref in by_ref:
                    found[ref] = by_ref[ref]
                    waiting.append(by_ref[ref])
        return found

    def alone(thing: Thing) -> bool:
        kinds = {kind for each in reached(thing).values() for kind in each.kinds}
        answers = [_answer(case, thing, kind, at, action) for kind in kinds]
        return all(a != "deny" if action == "process" else a == "permit" for a in answers)

    good = {ref for ref, thing in by_ref.items() if thing.kinds and alone(thing)}
    seen = {ref for ref in good if set(reached(by_ref[ref])) - {f"Patient/{case.patient}"} <= good}
    return seen | {f"Patient/{case.patient}"}


def _answer(case: Case, thing: Thing, kind: str, at: datetime, action: str) -> str | None:
    """What all consents together say of one thing as one of its kinds: of each signer the newest that speaks of it."""
    newest: dict[str, tuple[int, str]] = {}
    for said in case.said:
        if said.ended or said.dated > at:
            continue
        answer = says(said.rule, {}, case, thing, kind, at, action)
        if answer and (said.signer not in newest or said.order > newest[said.signer][0]):
            newest[said.signer] = (said.order, answer)
    if "patient" in newest and newest["patient"][1] == "deny":
        return "deny"
    if any(answer == "deny" for signer, (_, answer) in newest.items() if signer != "staff"):
        newest.pop("staff", None)
    return max(newest.values())[1] if newest else None


def says(
    rule: Rule, around: Mapping[str, Any], case: Case, thing: Thing, kind: str, at: datetime, action: str
) -> str | None:
    """What one rule with its exceptions says: what it leaves out of data it takes over from around it."""
    reader, purpose = (case.reader, case.purpose) if action == "read" else ("service", None)
    if (rule.start and at < rule.start) or (rule.end and at >= rule.end):
        return None
    if rule.actors is not None and reader not in rule.actors:
        return None
    told = purpose is not None or rule.purposes is None
    if purpose is not None and rule.purposes is not None and purpose not in rule.purposes:
        return None
    if rule.action is not None and rule.action != action:
        return None
    stated = {name: getattr(rule, name) for name in ("labels", "codes") if getattr(rule, name) is not None}
    stated |= {name: getattr(rule, name) for name in ("kinds", "types") if getattr(rule, name) is not None}
    data = {**around, **{name: (values, rule.type) for name, values in stated.items()}}
    answers = [says(nested, data, case, thing, kind, at, action) for nested in rule.nested]
    if "deny" in answers:
        return "deny"
    if "permit" in answers and told:
        return "permit"
    speaks = all(_holds(name, values, type_, thing, kind) for name, (values, type_) in data.items())
    return rule.type if speaks and (told or rule.type == "deny") else None


def _holds(name: str, values: frozenset[Any], type_: str, thing: Thing, kind: str) -> bool:
    match name:
        case "kinds":
            return kind in values
        case "types":
            return thing.body["resourceType"] in values
        case "codes":
            found = codes_in({k: v for k, v in thing.body.items() if k != "meta"})
            return (not found and type_ == "deny") or bool(values & found)
    levels = [RANK[label] for label in values if label in RANK]
    if type_ == "deny":
        return bool(thing.sensitive & values) or any(thing.rank >= level for level in levels)
    return (bool(thing.sensitive) and thing.sensitive <= values) or any(thing.rank <= level for level in levels)


def codes_in(node: Any) -> set[tuple[str, str]]:
    """Every coding anywhere in a resource."""
    if isinstance(node, list):
        return set().union(*map(codes_in, node)) if node else set()
    if not isinstance(node, dict):
        return set()
    own = (
        {(node["system"], node["code"])}
        if isinstance(node.get("system"), str) and isinstance(node.get("code"), str)
        else set()
    )
    return own.union(*map(codes_in, node.values()))


def consents(cases: Sequence[Case]) -> int:
    """How many consents were filed in all."""
    return sum(len(case.said) for case in cases)
