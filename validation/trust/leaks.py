"""Two stores, one with all of a record, one from which everything hidden from a reader was left out: can he tell?

Random records and random histories of consents (kinds, types, labels, codes, exceptions, purposes, periods, proxies,
papers, revocations, closures to processing, denials that are flagged or an interlock). What the reader may not see is
told by a slow model in ``_world.py``, which asks nothing of salus. The twin store gets the same keys, actors, clock and
consents, and only the rest of the record. Then both are asked the same on every path, and the answers have to be equal
byte for byte, after the random names of pages and forms are taken out. Under an interlock they may differ by its one
sentence, and only where the model says that one is set. What nobody may compute from is looked for in the evidence of
findings.

Besides, the time of an answer: what is hidden against what is not there, asked in turn; the figure is the probability
that the hidden one took longer (area under the ROC curve), folded to 0.5 and more.

A case is one question to both stores. Needs no outside data.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from validation._report import Mutant, Outcome, Split, Tally, Truth, report
from validation.trust import _withheld, _world
from validation.trust._world import MISSING, Case, Said, Thing

SHORT = ("--consents", "24", "--pairs", "0")
_PROVISIONS = "salus/trust/provisions.py"
MUTANTS = (
    Mutant(
        _PROVISIONS,
        'if found and found.type == "deny":',
        'if found and found.type == "permit":',
        "a permit beside a denial wins",
    ),
)

AT = datetime(2026, 6, 1, 12, tzinfo=UTC)
BASE = "http://testserver"
EACH = 10
"""Patients in one pair of stores."""
AUC = 0.55
RANDOM = re.compile(r'(_page/|/patients/|value="|name="csrf" value=")[A-Za-z0-9_\-]{12,64}')
SENTENCE = (
    "There is a severe conflict with data that the patient withholds: ask the patient, or break the glass in an "
    "emergency."
)
_CONFLICT = re.compile(
    rf'<p class="conflict ask"><strong>{SENTENCE}</strong></p>\n?'
    rf'|\{{"uuid":"[^"]*","summary":"{SENTENCE}"[^{{}}]*\{{[^{{}}]*\}}[^{{}}]*\}},?'
    rf'|,\{{"text":"{SENTENCE}"\}}| {SENTENCE}|(?<=conflict_withheld=)True'
)
"""The sentence with what each form of a plan puts around it; the last is a plan's own word for it."""
QUESTIONS = (
    "What is the latest creatinine?",
    "Which medicines are in the record?",
    "What conditions are known?",
    "What do the genes say?",
    "Are there allergies?",
    "What should be done next?",
)
VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Observation",
    "select": [{"column": [{"name": "id", "path": "getResourceKey()", "type": "id"},
                           {"name": "value", "path": "value.ofType(Quantity).value", "type": "decimal"}]}],
}  # fmt: skip


class Clock:
    """The time of both stores, which goes on by a second with every question."""

    def __init__(self) -> None:
        self.now = AT

    def __call__(self) -> datetime:
        return self.now

    def step(self, **more: float) -> None:
        self.now += timedelta(**(more or {"seconds": 1}))


class Twin:
    """One of the two houses, with a server in front of it."""

    def __init__(self, folder: Path, clock: Clock, keys: dict[str, Any], stack: ExitStack) -> None:
        from starlette.testclient import TestClient

        from salus import web
        from salus.app.config import at_folder
        from salus.app.house import House
        from salus.server.application import create

        self.clock, self.keys = clock, keys
        configuration = at_folder(folder)
        self.house = stack.enter_context(House(configuration, clock=clock))
        application = create(configuration, base=BASE, clock=clock, routes=web.routes())
        self.http = stack.enter_context(TestClient(application))
        self.browser = TestClient(application)
        self._token, self._since = "", clock.now
        self._visit = ""

    def session(self, name: str) -> Any:
        from salus.app.session import Session

        return Session(self.house, self.keys[name])

    def get(self, path: str, reader: str, purpose: str) -> str:
        headers = {**self._signed_in(reader), "X-Purpose-Of-Use": purpose}
        answer = self.http.get(path, headers=headers)
        return f"{answer.status_code} {sorted(answer.headers.items())} {answer.text}"

    def post(self, path: str, body: Any, reader: str) -> str:
        answer = self.http.post(path, json=body, headers=self._signed_in(reader))
        return f"{answer.status_code} {answer.text}"

    def _signed_in(self, reader: str) -> dict[str, str]:
        from salus.app.serving.tokens import assertion
        from salus.server.auth import ASSERTION_TYPE

        if not self._token or abs(self.clock.now - self._since) > timedelta(minutes=3):
            form = {
                "grant_type": "client_credentials",
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": assertion(self.keys[reader], f"{BASE}/auth/token", self.clock.now),
            }
            self._token = self.http.post("/auth/token", data=form).json()["access_token"]
            self._since = self.clock.now
        return {"Authorization": f"Bearer {self._token}"}

    def pages(self, reader: str, each: int) -> str:
        """The list of people and the ``each``-th person's pages, as a browser gets them."""
        from salus.app.serving.tokens import assertion

        token = re.search(r'name="csrf" value="([0-9a-f]+)"', self.browser.get("/sign-in").text)
        if token:
            line = assertion(self.keys[reader], f"{BASE}/auth/token", self.clock.now)
            self.browser.post("/sign-in", data={"csrf": token.group(1), "assertion": line})
        listed = self.browser.get("/patients").text
        if 'name="assertion"' in listed:
            raise RuntimeError("nobody is signed in: the pages would be compared with themselves")
        links = list(dict.fromkeys(re.findall(r'href="(/patients/[A-Za-z0-9_\-]+)"', listed)))
        told = [listed]
        if each < len(links):
            told += [self.browser.get(links[each] + more).text for more in ("", "/trends", "/in-plain-words")]
        return "\n".join(told)


# ---- making both


def make_houses(folder: Path, dice: random.Random, clock: Clock) -> tuple[list[Case], dict[str, Any]]:
    """A house with actors and keys but without records, copied to ``a`` and ``b``; the patients that will be in it."""
    from salus.app.config import at_folder
    from salus.app.house import House
    from salus.trust.identity import Actor, Identity

    cases = [Case(f"p{n}", _world.record_of(dice, f"p{n}")) for n in range(EACH)]
    keys: dict[str, Any] = {}
    with House.create(at_folder(folder / "a"), alone=True, clock=clock) as house:

        def enrol(name: str, kind: Any, patient: str = "", by: str = "operator") -> None:
            keys[name] = Identity.generate(name)
            house.add_actor(Actor(name, kind, keys[name].public_key, patient), by=by)

        for name, kind in (
            ("operator", "operator"),
            ("nurse", "practitioner"),
            *((r, "practitioner") for r in _world.READERS),
        ):
            enrol(name, kind)
        for case in cases:
            enrol(f"pat-{case.patient}", "patient", case.patient)
            enrol(f"child-{case.patient}", "proxy", case.patient, by=f"pat-{case.patient}")
            house.vault.create(case.patient)
        house.store.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(folder / "a", folder / "b")
    return cases, keys


def fill(twin: Twin, case: Case, things: list[Thing]) -> None:
    """Write a record, or what is left of it, straight into a store."""
    from salus.formats.content import Bytes
    from salus.record.store import Change

    house = twin.house
    scope = house.gate.custodian(house.registry.actors["operator"], case.patient)
    changes, blobs = [], []
    for thing in things:
        body = thing.body
        if thing.data is not None:
            kind, data = thing.data
            content = Bytes(data)
            address = house.store.address(scope, content.sha256)
            blobs.append((address, kind, content))
            attachment = {**body["content"][0]["attachment"], "url": _world.BLOB + address}
            body = {**body, "content": [{"attachment": attachment}]}
        changes.append(Change(body["resourceType"], body["id"], body))
    house.store.commit(scope, changes, at=house.time(), blobs=blobs)


def decide(dice: random.Random, case: Case, a: Twin) -> Iterator[tuple[str, Any, Any]]:
    """A random history of decisions on one record, filed with the first house; each as it has to be filed again."""
    signers = dice.choices(["patient", "child", "staff", "closing", "ending"], [8, 2, 2, 2, 2], k=dice.randint(1, 4))
    last = ["opening", "interlock"] if _withheld.in_conflict(case) else dice.choice([[], ["withholding"]])
    for signer in [*signers, *last]:
        a.clock.step(minutes=1)
        yield from _ended(dice, case, a) if signer == "ending" else _filed(dice, case, a, signer)


def _filed(dice: random.Random, case: Case, a: Twin, signer: str) -> Iterator[tuple[str, Any, Any]]:
    from salus.errors import InputError
    from salus.trust import consent_signatures

    at = a.clock.now
    rule = _withheld.RULES[signer](dice, at) if signer in _withheld.RULES else _world.consent_of(dice, signer, at)
    name = {"staff": "operator", "child": f"child-{case.patient}"}.get(signer, f"pat-{case.patient}")
    session = a.session(name)
    body = session.drafted(case.patient, at, actors=[case.reader], categories=["record"])
    body["provision"] = _world.provision_of(rule)
    filer = name
    if signer == "staff":
        body, first = session.witness(body)
        proof, filer = consent_signatures.countersign(body, first, a.keys["nurse"], at), "nurse"
    else:
        proof = consent_signatures.sign(body, a.keys[name], at)
    try:
        a.session(filer).file_consent(case.patient, body, proof)
    except InputError:
        return  # a rule that salus does not take: it decides nothing
    who = {"staff": "staff", "child": name}.get(signer, "patient")
    case.said.append(Said(who, len(case.said), at, rule, body["id"]))
    yield filer, body, proof


def _ended(dice: random.Random, case: Case, a: Twin) -> Iterator[tuple[str, Any, Any]]:
    from salus.trust import consent_signatures

    standing = [said for said in case.said if not said.ended]
    if not standing:
        return
    said = dice.choice(standing)
    name = f"pat-{case.patient}"
    body = a.session(name).ended(case.patient, said.id)
    proof = consent_signatures.sign(body, a.keys[name], a.clock.now)
    a.session(name).file_consent(case.patient, body, proof)
    said.ended = True
    yield name, body, proof


# ---- asking both


class Compared:
    """The questions, and where the answers differ."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.asked: Counter[str] = Counter()
        self.different: Counter[str] = Counter()
        self.failures: list[dict[str, str]] = []
        self.sentences = 0

    def ask(
        self, path: str, case: str, twins: tuple[Twin, Twin], question: Callable[[Twin], Any], interlock: bool = False
    ) -> None:
        """``interlock``: the model lets the answers differ by the one sentence."""
        self.clock.step()
        first, second = (_plain(_tried(question, twin)) for twin in twins)
        if interlock:
            self.sentences += SENTENCE in first and SENTENCE not in second
            first, second = (_CONFLICT.sub(_unsaid, text) for text in (first, second))
        self.count(path, case, first == second, _difference(first, second))

    def count(self, path: str, case: str, good: bool, why: str) -> None:
        self.asked[path] += 1
        if not good:
            self.different[path] += 1
            if sum(f["id"].partition(",")[0] == path for f in self.failures) < 3:
                self.failures.append({"id": f"{path}, {case}", "why": why})


def _tried(question: Callable[[Twin], Any], twin: Twin) -> str:
    from salus.errors import SalusError

    try:
        return str(question(twin))
    except SalusError as error:
        return f"{type(error).__name__}: {error}"


def _plain(text: str) -> str:
    return RANDOM.sub(r"\1…", text)


def _unsaid(found: re.Match[str]) -> str:
    return "False" if found[0] == "True" else ""


def _difference(first: str, second: str) -> str:
    at = next((n for n, (x, y) in enumerate(zip(first, second, strict=False)) if x != y), min(len(first), len(second)))
    return f"{first[max(0, at - 90) : at + 90]!r} against {second[max(0, at - 90) : at + 90]!r}"


def compare(case: Case, twins: tuple[Twin, Twin], compared: Compared, dice: random.Random) -> None:
    """Every path of one case."""
    from salus.app.serving.cache import Cache

    caches = {id(twin): Cache() for twin in twins}
    told = _withheld.told_of(case, compared.clock.now)

    def ask(path: str, question: Callable[[Twin], Any]) -> None:
        compared.ask(path, f"{case.patient} for {case.purpose}", twins, question, bool(told["interlock"]))

    for path, question in _of_the_record(case, caches):
        ask(path, question)
    for path, question in _of_the_plan(case):
        ask(path, question)
    for path, question in _over_http(case, dice):
        ask(path, question)
    _look_for_closed(case, twins[0], compared)
    _look_for_flags(case, twins[0], told, compared)


def _look_for_flags(case: Case, twin: Twin, told: dict[str, set[str]], compared: Compared) -> None:
    """Who is told that something is withheld, and who is checked for, is as the model says."""
    from salus.errors import SalusError

    session = twin.session(case.reader)
    try:
        grant = session.house.gate.grant(session.actor, case.patient, case.purpose)
        found = {"flagged": set(grant.flagged), "interlock": set(grant.interlocked)}
    except SalusError:
        found = {"flagged": set(), "interlock": set()}
    compared.count("flags", f"{case.patient} for {case.purpose}", found == told, f"{found} against {told}")


def _shown(stored: Any) -> list[tuple[Any, ...]]:
    each = stored if isinstance(stored, list) else list(stored.entries) if hasattr(stored, "entries") else [stored]
    told = [(s.source.ref, s.source.version, s.updated, s.deleted, s.data) for s in each]
    return [*told, ("total", getattr(stored, "total", None), bool(getattr(stored, "next", "")))]


def _of_the_record(case: Case, caches: dict[int, Any]) -> Iterator[tuple[str, Callable[[Twin], Any]]]:
    """Reads, versions, histories, searches, pages and $everything, as the server's layer asks for them."""
    from salus.app.fhir.api import Records
    from salus.app.fhir.query import parse

    def records(twin: Twin) -> Any:
        return Records(twin.session(case.reader), caches[id(twin)], case.purpose)

    def read(ref: str) -> Callable[[Twin], Any]:
        return lambda twin: _shown(records(twin).read(*ref.split("/")))

    def search(kind: str, *pairs: tuple[str, str]) -> Callable[[Twin], Any]:
        return lambda twin: _shown(records(twin).search(parse(kind, [("patient", case.patient), *pairs])))

    def search_all(kind: str, *pairs: tuple[str, str]) -> Callable[[Twin], Any]:
        return lambda twin: _shown(records(twin).search(parse(kind, pairs)))

    def paged(kind: str, *pairs: tuple[str, str]) -> Callable[[Twin], Any]:
        def ask(twin: Twin) -> Any:
            asked = records(twin)
            page = asked.search(parse(kind, pairs))
            told = [_shown(page)]
            while page.next:
                page = asked.page(page.next)
                told.append(_shown(page))
            return told

        return ask

    refs = [t.ref for t in case.things] + [f"Observation/{MISSING}", f"Patient/{MISSING}"]
    for ref in refs:
        yield "read", read(ref)
    for ref in refs[::3]:
        yield "history", lambda twin, ref=ref: _shown(records(twin).history(*ref.split("/")))
        yield "vread", lambda twin, ref=ref: _shown(records(twin).version(*ref.split("/"), 1))
    kinds = sorted({t.body["resourceType"] for t in case.things} - {"Patient"} | {"Consent", "RiskAssessment"})
    for kind in kinds:
        yield "search", search(kind)
        yield "search, counted", search(kind, ("_summary", "count"))
    for kind in ("Observation", "Condition", "Provenance", "List", "DocumentReference"):
        yield "paging", paged(kind, ("patient", case.patient), ("_count", "1"), ("_total", "accurate"))
    creatinine = ("code", "http://loinc.org|2160-0")
    for pairs in ((creatinine,), (creatinine, ("_total", "accurate")), (("_total", "accurate"),)):
        yield "search of everybody", paged("Observation", *pairs, ("_count", "3"))
    for kind in ("Condition", "Consent", "DocumentReference"):
        yield "search of everybody", paged(kind, ("_count", "2"))
    for code in ("2160-0", "69548-6", "718-7"):
        asked = ("code", f"http://loinc.org|{code}")
        yield "search of everybody, counted", search_all("Observation", asked, ("_summary", "count"))
    yield "search of everybody, counted", search_all("Condition", ("_summary", "count"))
    yield "search of everybody, by time", search_all("Observation", ("_sort", "-date"), creatinine)
    yield "search by code", search("Observation", creatinine)
    yield "search by time", search("Observation", ("_sort", "-_lastUpdated"), ("_total", "accurate"))
    yield "search by id", search("Observation", ("_id", ",".join(r.partition("/")[2] for r in refs[:20])))
    yield "everything", lambda twin: _shown(records(twin).everything(case.patient, None, 1000))


def _of_the_plan(case: Case) -> Iterator[tuple[str, Callable[[Twin], Any]]]:
    """Chart, findings, refresh, plan, explanations, report, drafts and answers."""
    from salus.app import explain
    from salus.app.assistant import conversation as assistant
    from salus.app.research.views import view
    from salus.careplan import fhir
    from salus.careplan.report import render_html
    from salus.fhir import json

    def plan(twin: Twin, **more: Any) -> Any:
        return twin.session(case.reader).plan(case.patient, twin.clock.now, purpose=case.purpose, **more)

    def explained(twin: Twin) -> Any:
        made, opened = plan(twin)
        return [
            [(f.sentence, list(explain.show(f.evidence, opened))) for f in explain.findings_of(item, opened)]
            for item in made.items
        ]

    def opened(twin: Twin) -> Any:
        found = twin.session(case.reader).open(case.patient, twin.clock.now, purpose=case.purpose)
        return found.findings, found.refresh, found.grant.categories == frozenset(), sorted(found.grant.categories)

    yield "findings", opened
    yield "plan and drop reasons", lambda twin: plan(twin)[0]
    yield "plan as FHIR", lambda twin: json.dumps(fhir.to_bundle(plan(twin)[0]))
    yield "explanations", explained
    yield "report", lambda twin: render_html(plan(twin)[0], plan(twin)[1].chart)
    for kind in _world.KINDS:
        yield "without a kind", lambda twin, kind=kind: plan(twin, without=[kind])[0]
    yield "consents", lambda twin: twin.session(case.reader).consents(case.patient)
    yield (
        "view over a population",
        lambda twin: view(
            twin.session(case.reader),
            VIEW,
            twin.clock.now,
            sql="SELECT count(*), sum(value) FROM view",
            purpose=case.purpose,
        ),
    )
    if case.purpose == "TREAT":  # the only purpose for which the assistant answers staff
        for question in QUESTIONS:
            yield (
                "assistant",
                lambda twin, q=question: (
                    assistant.ask_seen(twin.session(case.reader), case.patient, q, twin.clock.now).reply
                ),
            )
        yield (
            "draft of a letter",
            lambda twin: assistant.draft(twin.session(case.reader), case.patient, "letter", twin.clock.now),
        )


def _over_http(case: Case, dice: random.Random) -> Iterator[tuple[str, Callable[[Twin], Any]]]:
    """A part of the same through the server, and what only the server does."""
    paths = [f"/fhir/{t.ref}" for t in dice.sample(case.things, 4)] + [f"/fhir/Condition/{MISSING}"]
    paths += [
        f"/fhir/{kind}?patient={case.patient}&_count=500&_total=accurate" for kind in ("Observation", "Provenance")
    ]
    paths += [f"/fhir/Patient/{case.patient}/$everything?_count=1000", f"/fhir/Patient?_id={case.patient}"]
    for path in paths:
        yield "HTTP", lambda twin, path=path: twin.get(path, case.reader, case.purpose)
    if case.purpose != "TREAT":  # these speak for treatment whatever is said
        return
    hook = {
        "hook": "patient-view",
        "hookInstance": "d1577c69-dfbe-44ad-ba6d-3e05e953b2ea",
        "context": {"userId": "Practitioner/x", "patientId": case.patient},
    }
    yield "CDS Hooks cards", lambda twin: twin.post("/cds-services/salus-plan", hook, case.reader)
    asked = {"question": QUESTIONS[0], "patient": case.patient}
    yield "assistant over HTTP", lambda twin: twin.post("/assistant/ask", asked, case.reader)


def _look_for_closed(case: Case, twin: Twin, compared: Compared) -> None:
    """No finding rests on what is closed to processing, whoever reads it."""
    from salus.errors import SalusError

    open_ = _world.visible(case, twin.clock.now, "process")
    closed = {t.ref for t in case.things} - open_
    for name in (case.reader, f"pat-{case.patient}"):
        try:
            found = twin.session(name).open(case.patient, twin.clock.now).findings
        except SalusError:
            continue
        cited = {e.source.ref for f in found for e in f.evidence} & closed
        compared.count(
            "closed to processing", f"{case.patient}, {name}", not cited, f"findings rest on {sorted(cited)[:3]}"
        )


def run(seed: int, compared: Compared, counts: Counter[str]) -> None:
    """One pair of stores."""
    dice, clock = random.Random(seed), compared.clock
    clock.now = AT
    with tempfile.TemporaryDirectory(dir=_memory()) as name, ExitStack() as stack:
        folder = Path(name)
        cases, keys = make_houses(folder, dice, clock)
        twins = (Twin(folder / "a", clock, keys, stack), Twin(folder / "b", clock, keys, stack))
        histories = {}
        for case in cases:
            case.purpose = "HRESCH" if seed % 4 == 0 else "TREAT"  # one for all: a view goes over everybody
            fill(twins[0], case, case.things)
            histories[case.patient] = (clock.now, list(decide(dice, case, twins[0])))
        _repeat(cases, twins[1], histories, counts)
        for number, case in enumerate(cases):
            compare(case, twins, compared, dice)
            if case.purpose == "TREAT":
                interlock = any(_withheld.told_of(each, clock.now)["interlock"] for each in cases)
                compared.ask("web pages", case.patient, twins, partial(_pages, case.reader, number), interlock)
        counts["consents"] += _world.consents(cases)
        for case in cases:
            for how, kinds in _withheld.told_of(case, clock.now).items():
                counts[f"cases {how}"] += bool(kinds)
        counts["histories"] += len(cases)


def _pages(reader: str, each: int, twin: Twin) -> str:
    return twin.pages(reader, each)


def _repeat(cases: list[Case], twin: Twin, histories: dict[str, Any], counts: Counter[str]) -> None:
    """The same decisions at the same times in the other house, over what the model lets the reader see."""
    clock = twin.clock
    reading = clock.now + timedelta(hours=1)
    for case in cases:
        seen = _world.visible(case, reading)
        left = [t for t in case.things if t.ref in seen]
        counts["hidden"] += len(case.things) - len(left)
        counts["things"] += len(case.things)
        clock.now, filed = histories[case.patient]
        fill(twin, case, left)
        for filer, body, proof in filed:
            clock.now = datetime.fromisoformat(body["dateTime"])
            twin.session(filer).file_consent(case.patient, body, proof)
    clock.now = reading


def _memory() -> str | None:
    """A folder in memory where there is one: what is measured is not the disk."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


# ---- time


def auc(hidden: list[float], absent: list[float]) -> float:
    """The probability that one of ``hidden`` is greater than one of ``absent``, folded (U of Mann and Whitney)."""
    ranked = sorted([(v, 1) for v in hidden] + [(v, 0) for v in absent])
    below, total, at = 0, 0.0, 0
    while at < len(ranked):
        same = [flag for value, flag in ranked[at:] if value == ranked[at][0]]
        total += sum(same) * (below + (len(same) - sum(same)) / 2)
        below += len(same) - sum(same)
        at += len(same)
    found = total / (len(hidden) * len(absent))
    return max(found, 1 - found)


def timing(pairs: int) -> dict[str, float]:
    """For each path, how well the time of an answer tells what is hidden from what is not there."""
    from salus.app.fhir.api import Records
    from salus.app.serving.cache import Cache

    figures, clock, dice = {}, Clock(), random.Random(4)
    with tempfile.TemporaryDirectory(dir=_memory()) as name, ExitStack() as stack:
        folder = Path(name)
        cases, keys = make_houses(folder, dice, clock)
        twin, reader, cache = Twin(folder / "a", clock, keys, stack), _world.READERS[0], Cache()
        _open_parts(twin, cases)
        for what, ref in _hidden_things(cases).items():
            kind, _, own = ref.partition("/")
            names = (own, own[:-8] + "0" * 8)

            def app(asked: str, kind: str = kind) -> None:
                Records(twin.session(reader), cache).read(kind, asked)

            def http(asked: str, kind: str = kind) -> None:
                twin.get(f"/fhir/{kind}/{asked}", reader, "TREAT")

            for path, ask in (("Records.read", app), ("HTTP", http)):
                figures[f"auc, {what}, {path}"] = round(_measured(ask, names, pairs, clock), 3)
    return figures


def _open_parts(twin: Twin, cases: list[Case]) -> None:
    """p0 lets the record be read, p1 all but what is sensitive, p2 nothing."""
    for case in cases[:3]:
        fill(twin, case, case.things)
    for case, rule in (
        (cases[0], _world.Rule("permit", frozenset({_world.READERS[0]}), start=AT, kinds=frozenset({"record"}))),
        (
            cases[1],
            _world.Rule(
                "permit",
                frozenset({_world.READERS[0]}),
                start=AT,
                kinds=frozenset(_world.KINDS),
                nested=(_world.Rule("deny", types=frozenset({"Condition"}), action=None),),
            ),
        ),
    ):
        from salus.trust import consent_signatures

        name = f"pat-{case.patient}"
        session = twin.session(name)
        body = session.drafted(case.patient, twin.clock.now, actors=[case.reader], categories=["record"])
        body["provision"] = _world.provision_of(rule)
        session.file_consent(case.patient, body, consent_signatures.sign(body, twin.keys[name], twin.clock.now))


def _hidden_things(cases: list[Case]) -> dict[str, str]:
    def one(case: Case, kind: str, among: str = "") -> str:
        return next(t.ref for t in case.things if t.body["resourceType"] == kind and (not among or among in t.kinds))

    return {
        "a kind not released": one(cases[0], "MolecularSequence"),
        "a result of a kind not released": one(cases[0], "Observation", "genome"),
        "a withheld resource": one(cases[1], "Condition"),
        "a record not released": one(cases[2], "Condition"),
        "a result in a record not released": one(cases[2], "Observation"),
    }


def _measured(ask: Callable[[str], None], names: tuple[str, str], pairs: int, clock: Clock) -> float:
    from salus.errors import SalusError

    took: tuple[list[float], list[float]] = ([], [])
    for n in range(pairs + 10):
        for which in (0, 1) if n % 2 else (1, 0):
            began = time.perf_counter()
            with suppress(SalusError):
                ask(names[which])
            if n >= 10:  # the first ones warm what is kept
                took[which].append(time.perf_counter() - began)
        clock.step(seconds=0.1)
    return auc(*took)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(), help="not used: records and consents are made here")
    parser.add_argument("--json", action="store_true", help="print the object on one line")
    parser.add_argument("--consents", type=int, default=200, help="consents to be filed, at least")
    parser.add_argument("--pairs", type=int, default=800, help="pairs of questions for each timing")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    compared, counts, began = Compared(Clock()), Counter[str](), time.process_time()
    seed = given.seed
    while counts["consents"] < given.consents:
        run(seed, compared, counts)
        seed += 1
    figures: dict[str, Any] = dict(counts) | {"leaks": compared.different.total()}
    figures["answers with the interlock's sentence in one store alone"] = compared.sentences
    figures["asked"] = dict(sorted(compared.asked.items()))
    figures["different"] = dict(compared.different.most_common())
    times = timing(given.pairs) if given.pairs else {}
    figures |= times | {"cpu_s": round(time.process_time() - began)}
    tally = Tally(failures=[{**f, "outcome": str(Outcome.WRONG)} for f in compared.failures])
    tally.add_many(Outcome.WRONG, compared.different.total())
    tally.add_many(Outcome.RIGHT, compared.asked.total() - compared.different.total())
    for path, value in times.items():
        tally.add(path, Outcome.WRONG if value > AUC else Outcome.RIGHT, f"{value} of {AUC}")
    return report(
        check="trust.leaks", tally=tally, data=given.data, figures=figures, as_json=given.json,
        covers="no answer, and no time of an answer, tells what random consents hide, on records made here",
        truth=Truth.OWN, split=Split.UNSEEN, methods=["trust.consent"],
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
