"""FHIR reads: read, vread, history, search, $everything and further pages."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from salus.app.fhir import audit as fhir_audit
from salus.app.fhir import query as fhir_query
from salus.app.fhir.api import Page, Records
from salus.app.fhir.lastn import Last
from salus.app.refusals import Unsupported
from salus.app.session import Session
from salus.errors import AccessError, InputError
from salus.record.reading import Stored
from salus.server import bundles
from salus.server.auth import FORM
from salus.server.errors import respond
from salus.server.service import body, service

PURPOSE_HEADER = "x-purpose-of-use"
_PURPOSE = re.compile(r"[A-Z]{3,12}\Z")
_JSON = ("json", "application/json", "application/fhir+json", "text/json")


async def read(request: Request) -> Response:
    """GET /fhir/TYPE/ID."""
    kind, name = request.path_params["kind"], request.path_params["id"]
    _only(_pairs(request), ())
    purpose = _purpose(request)

    def find(session: Session) -> Stored:
        return Records(session, service(request).cache, purpose).read(kind, name)

    return bundles.one(request, await service(request).work(request, find))


async def vread(request: Request) -> Response:
    """GET /fhir/TYPE/ID/_history/VERSION."""
    kind, name, version = (request.path_params[k] for k in ("kind", "id", "version"))
    _only(_pairs(request), ())
    purpose = _purpose(request)
    if not (version.isascii() and version.isdigit() and len(version) < 10):
        raise AccessError("no such version")

    def find(session: Session) -> Stored:
        return Records(session, service(request).cache, purpose).version(kind, name, int(version))

    return bundles.one(request, await service(request).work(request, find))


async def history(request: Request) -> Response:
    """GET /fhir/TYPE/ID/_history."""
    kind, name = request.path_params["kind"], request.path_params["id"]
    _only(_pairs(request), ())
    purpose = _purpose(request)

    def find(session: Session) -> list[Stored]:
        return Records(session, service(request).cache, purpose).history(kind, name)

    return bundles.answer(bundles.history(service(request).base, await service(request).work(request, find)))


async def search(request: Request) -> Response:
    """GET /fhir/TYPE?… and POST /fhir/TYPE/_search."""
    kind, here = request.path_params["kind"], service(request)
    pairs = await _asked(request)
    lenient = "handling=lenient" in request.headers.get("prefer", "").replace(" ", "")
    purpose = _purpose(request)

    def find(session: Session) -> Page:
        query = fhir_query.parse(kind, pairs, lenient=lenient, own_base=f"{here.base}/fhir")
        return Records(session, here.cache, purpose).search(query)

    page = await service(request).work(request, find)
    base = service(request).base
    return bundles.answer(bundles.searchset(base, f"{base}/fhir/{kind}", page))


async def last(request: Request) -> Response:
    """GET /fhir/Observation/$lastn: the newest ``max`` Observations of each code."""
    here, purpose = service(request), _purpose(request)
    pairs = await _asked(request)
    most = [value for name, value in pairs if name == "max"] or ["1"]
    if len(most) > 1 or not (most[0].isascii() and most[0].isdigit() and len(most[0]) < 5):
        raise InputError("not one whole number", where="max")
    asked = [(name, value) for name, value in pairs if name != "max"]

    def find(session: Session) -> Page:
        query = fhir_query.parse("Observation", asked, own_base=f"{here.base}/fhir")
        return Last(session, here.cache, purpose).last(query, int(most[0]))

    page = await here.work(request, find)
    return bundles.answer(bundles.searchset(here.base, f"{here.base}/fhir/Observation/$lastn", page))


async def audit_events(request: Request) -> Response:
    """GET /fhir/AuditEvent?patient=… and POST /fhir/AuditEvent/_search: who looked at the asker's own record."""
    query = fhir_audit.parse(await _asked(request))
    base = service(request).base
    events = await service(request).work(request, lambda session: fhir_audit.find(session, query, base))
    return bundles.answer(bundles.trail(base, events, further=fhir_audit.link(query, events)))


async def audit_event(request: Request) -> Response:
    """GET /fhir/AuditEvent/ID."""
    name, base = request.path_params["id"], service(request).base
    _only(_pairs(request), ())
    return bundles.answer(await service(request).work(request, lambda session: fhir_audit.read(session, name, base)))


async def further(request: Request) -> Response:
    """GET /fhir/_page/NAME: the next page of a search."""
    name, here = request.path_params["name"], service(request)
    _only(_pairs(request), ())

    def find(session: Session) -> Page:
        return Records(session, here.cache).page(name)

    page = await service(request).work(request, find)
    base = service(request).base
    return bundles.answer(bundles.searchset(base, f"{base}/fhir/_page/{name}", page))


async def everything(request: Request) -> Response:
    """GET /fhir/Patient/ID/$everything, optionally only ``_type``, ``_count`` at a time."""
    patient, here = request.path_params["id"], service(request)
    pairs = _pairs(request)
    _only(pairs, ("_type", "_count"))
    given = dict(pairs)
    count = fhir_query.parse("Patient", [("_count", given["_count"])] if "_count" in given else []).count
    if count == 0:
        raise InputError("at least 1", where="_count")
    kinds = frozenset(given["_type"].split(",")) if "_type" in given else None
    if kinds is not None and not all(fhir_query.TYPE.match(k) for k in kinds):
        raise InputError("not resource types", where="_type")
    purpose = _purpose(request)

    def find(session: Session) -> Page:
        if not fhir_query.ID.match(patient):
            raise AccessError("no such patient")
        return Records(session, here.cache, purpose).everything(patient, kinds, count)

    page = await service(request).work(request, find)
    base = service(request).base
    return bundles.answer(bundles.searchset(base, f"{base}/fhir/Patient/{patient}/$everything", page))


async def not_here(request: Request) -> Response:
    """Everything under /fhir that this server does not do, said as FHIR says it."""
    return respond(405 if request.method != "GET" else 404, "not-supported", "not done here: see /fhir/metadata")


# ----


async def _asked(request: Request) -> list[tuple[str, str]]:
    """The parameters of a search, in its address or posted as a form. Raises Unsupported for another format."""
    pairs = _pairs(request)
    if request.method == "POST":
        here = service(request)
        data = await body(request, FORM, limit=here.limits.form, by=(await here.signed_in(request)).actor)
        pairs += _read_pairs(data.decode("utf-8", "replace"))
    _check_format(pairs)
    return pairs


def _pairs(request: Request) -> list[tuple[str, str]]:
    return _read_pairs(request.url.query)


def _read_pairs(text: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(text, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        raise InputError("more than 100 parameters") from None


def _only(pairs: list[tuple[str, str]], known: tuple[str, ...]) -> None:
    """Refuse parameters that would change nothing here: who sends them believes otherwise."""
    _check_format(pairs)
    names = [name for name, _ in pairs if name not in ("_format", "_pretty")]
    if len(set(names)) != len(names) or not set(names) <= set(known):
        raise InputError("a parameter that is not supported here", remedy="see /fhir/metadata")


def _check_format(pairs: list[tuple[str, str]]) -> None:
    if any(name == "_format" and value.partition(";")[0] not in _JSON for name, value in pairs):
        raise Unsupported("only JSON is spoken here", where="_format")


def _purpose(request: Request) -> str | None:
    """The purpose of use that the asker states (a code of v3 ActReason), for which consent is then needed."""
    said = request.headers.get(PURPOSE_HEADER)
    if said is not None and not _PURPOSE.match(said):
        raise InputError("not a purpose of use", where="X-Purpose-Of-Use", remedy="TREAT, PATRQT, HRESCH …")
    return said
