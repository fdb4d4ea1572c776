"""The patient's consents: seen, drafted, signed with a key that never comes here, and filed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from salus.app.session import Session
from salus.app.web import consents as web_consents
from salus.app.web.sessions import WebSession, demo_actors
from salus.errors import InputError
from salus.fhir.views import CATEGORIES
from salus.web import forms
from salus.web.browser import browser, inside
from salus.web.forms import Form
from salus.web.pages import HEADERS, go, respond, text

HERE = "/me/consents"


async def show(request: Request) -> Response:
    """GET /me/consents: what is allowed whom, what is withheld, and what may be computed."""
    who = browser(request)

    def make(session: Session, _: WebSession) -> str:
        found = web_consents.told(session)
        closed = {
            category: told for told in reversed(found) if told.closes and told.in_force for category in told.categories
        }
        names = {a.id: a.name or a.id for a in session.house.registry.ever.values()}
        return text(
            "consents.html.j2",
            who,
            given=[t for t in found if t.in_force and not t.closes and not t.shown],
            withheld=[t for t in found if t.in_force and not t.closes and t.shown],
            past=[t for t in found if not t.in_force],
            closed=closed,
            categories=CATEGORIES,
            readers=web_consents.readers(session),
            names=names,
            done=request.url.query == "done",
            today=session.house.clock().date().isoformat(),
        )

    return respond(await inside(request, make))


async def give(request: Request) -> Response:
    """POST /me/consents/give: draft a consent that lets somebody read."""

    def draft(session: Session, form: Form) -> dict[str, Any]:
        return web_consents.give(
            session, form.one("actor"), form.every("category"), form.every("purpose"), form.one("until")
        )

    return await _draft(request, draft)


async def close(request: Request) -> Response:
    """POST /me/consents/close: draft one that closes a kind of data to processing."""
    return await _draft(request, lambda session, form: web_consents.close(session, form.one("category")))


async def withhold(request: Request) -> Response:
    """POST /me/consents/withhold: draft one that keeps somebody, or everybody, from reading."""

    def draft(session: Session, form: Form) -> dict[str, Any]:
        return web_consents.withhold(session, form.every("category"), form.one("actor"), form.one("shown"))

    return await _draft(request, draft)


async def end(request: Request) -> Response:
    """POST /me/consents/end: draft the version of a consent that ends it."""
    return await _draft(request, lambda session, form: web_consents.end(session, form.one("consent")))


async def _draft(request: Request, make: Callable[[Session, Form], dict[str, Any]]) -> Response:
    form = await forms.read(request)
    key = await inside(request, lambda session, web_session: web_session.keep(session.house, make(session, form)))
    return go(f"{HERE}/sign/{key}")


async def to_sign(request: Request) -> Response:
    """GET /me/consents/sign/KEY: what is to be signed, to the letter, and the ways to sign it."""
    who, key = browser(request), request.path_params["key"]

    def make(session: Session, web_session: WebSession) -> str:
        draft = web_session.draft(session.house, key)
        names = {a.id: a.name or a.id for a in session.house.registry.ever.values()}
        return text(
            "sign.html.j2",
            who,
            key=key,
            told=web_consents.tell(draft),
            document=web_consents.to_sign(draft),
            names=names,
            demo=session.actor in demo_actors(session.house),
        )

    return respond(await inside(request, make))


async def sign(request: Request) -> Response:
    """POST /me/consents/sign/KEY with a signature made in the browser; in a demo house also without."""
    form, key = await forms.read(request), request.path_params["key"]

    def take(session: Session, web_session: WebSession) -> None:
        draft = web_session.draft(session.house, key)
        if form.one("demo"):
            web_consents.file_with_demo_key(session, draft)
        else:
            web_consents.file(session, draft, form.one("signature"))
        web_session.drop(session.house, key)

    await inside(request, take)
    return go(f"{HERE}?done")


async def as_file(request: Request) -> Response:
    """GET /me/consents/sign/KEY/file: the document alone, for ``salus consent sign``."""
    key = request.path_params["key"]

    def make(session: Session, web_session: WebSession) -> str:
        return web_consents.to_sign(web_session.draft(session.house, key))

    document = await inside(request, make)
    named = {"Content-Disposition": 'attachment; filename="consent-to-sign.json"'}
    return Response(document, media_type="application/fhir+json", headers={**HEADERS, **named})


async def upload(request: Request) -> Response:
    """POST /me/consents/upload: a consent that was signed elsewhere."""
    data = await forms.read_file(request, "signed")

    def take(session: Session, _: WebSession) -> None:
        web_consents.own_patient(session)
        web_consents.file_signed(session, data)

    try:
        await inside(request, take)
    except InputError as error:
        raise InputError(f"the file was not taken: {error.what}", remedy=error.remedy) from error
    return go(f"{HERE}?done")
