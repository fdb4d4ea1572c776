"""The pages in headless Chromium on a real server: consent given, revoked and closed, with script and without; axe.

Skipped, with the reason, where Chromium or Playwright is missing.
"""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("jwt")
uvicorn = pytest.importorskip("uvicorn")
playwright = pytest.importorskip("playwright.sync_api", reason="no Playwright here: pip install playwright")

from click.testing import CliRunner

from salus import web
from salus.app import demo
from salus.app.session import Session
from salus.app.tokens import assertion
from salus.cli.main import cli
from salus.server.application import create
from salus.trust.identity import demo_identity
from salus.web import files

PROGRAM = next((p for name in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(name))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no Chromium on this machine: apt-get install chromium"),
]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENT, CLINICIAN, RECORD = "demo-maria", "demo-clinician", "maria"
GENE = "CYP2C19"
TOO_WIDE = """[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('.scroll, svg')
  && !e.matches('.skip, .hide') && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + '.' + e.className).slice(0, 5)"""


@dataclass
class Place:
    """A server on this machine, a browser, and everything that went wrong or out."""

    base: str
    browser: Any
    house: Any
    at: datetime
    keys: Path
    trouble: list[str] = field(default_factory=list)

    @contextmanager
    def person(self, **more: Any) -> Iterator[Any]:
        """One person's browser. Whatever it complains of, or asks elsewhere, is noted."""
        context = self.browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **more})
        if more.get("java_script_enabled", True):
            context.clock.set_fixed_time(self.at)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("console", lambda m: self.trouble.append(m.text) if m.type in ("error", "warning") else None)
        page.on("pageerror", lambda e: self.trouble.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith((self.base, "data:")) else self.trouble.append(r.url))
        try:
            yield page
        finally:
            context.close()

    def go(self, page: Any, address: str) -> None:
        page.goto(f"{self.base}{address}")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    example = demo.examples()[RECORD]
    folder = tmp_path_factory.mktemp("pages")
    house = demo.make_house(folder / "house", example)
    demo.take_in(house, example)
    keys = folder / "keys"
    keys.mkdir()
    demo_identity(PATIENT).save(keys)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        application = create(house.configuration, base=base, clock=lambda: example.at, routes=web.routes())
        server = uvicorn.Server(uvicorn.Config(application, log_level="warning", access_log=False))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.02)
        with playwright.sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path=PROGRAM, headless=True, args=list(FLAGS))
            yield Place(base, browser, house, example.at, keys)
            browser.close()
        server.should_exit = True
        thread.join()
    house.close()


@pytest.fixture
def quiet(place: Place) -> Iterator[Place]:
    """The place with nothing allowed; afterwards nothing may have been complained of or asked elsewhere."""
    patient = Session(place.house, demo_identity(PATIENT))
    for body, standing in patient.consents(RECORD):
        if standing == "in force":
            patient.revoke(RECORD, str(body["id"]))
    place.trouble.clear()
    yield place
    assert place.trouble == []


def come_in(place: Place, page: Any, name: str) -> None:
    place.go(page, "/sign-in")
    page.click(f"button[value={name}]")


def sees_the_plan(page: Any) -> bool:
    page.goto(page.url.split("/patients")[0] + "/patients")
    rows = page.locator("a.row")
    if rows.count() == 0:
        return False
    rows.first.click()
    return "Most important now" in page.inner_text("main")


def choose(page: Any, place: Place) -> None:
    place.go(page, "/me/consents")
    page.select_option("select[name=actor]", CLINICIAN)
    for box in ("record", "genome", "image", "signal", "note", "TREAT"):
        page.check(f"input[value={box}]")
    page.click("text=Go on to sign")


def key_in_browser(page: Any, place: Place) -> None:
    page.set_input_files("form[data-sign] input[type=file]", place.keys / f"{PATIENT}.key")
    page.click("form[data-sign] button")
    page.wait_for_selector(".done")


def at_the_command_line(page: Any, place: Place) -> None:
    with page.expect_download() as download:
        page.click("text=Save the text to sign")
    draft, signed = place.keys / "consent-to-sign.json", place.keys / "signed.json"
    download.value.save_as(draft)
    done = CliRunner().invoke(cli, ["consent", "sign", str(draft), "--as", PATIENT, "--out", str(signed)])
    assert done.exit_code == 0, done.output
    page.set_input_files(".steps input[type=file]", signed)
    page.click(".steps button")
    assert "filed and in force" in page.inner_text(".done")


def with_the_demo_key(page: Any, _: Place) -> None:
    page.click("text=Sign with the demonstration key")
    assert "filed and in force" in page.inner_text(".done")


@pytest.mark.parametrize(
    ("script", "sign"),
    [(True, key_in_browser), (False, at_the_command_line), (False, with_the_demo_key)],
    ids=["script, key file in the browser", "no script, command line", "no script, demonstration key"],
)
def test_a_consent_opens_the_plan_and_its_end_closes_it(
    quiet: Place, script: bool, sign: Callable[[Any, Place], None]
) -> None:
    with quiet.person(java_script_enabled=script) as patient, quiet.person(java_script_enabled=script) as clinician:
        come_in(quiet, patient, PATIENT)
        come_in(quiet, clinician, CLINICIAN)
        assert not sees_the_plan(clinician)
        choose(patient, quiet)
        sign(patient, quiet)
        assert sees_the_plan(clinician)
        address = clinician.url
        patient.click(".rows .quiet:has-text('End')")
        sign(patient, quiet)
        assert not sees_the_plan(clinician)
        quiet.trouble.clear()
        clinician.goto(address)
        assert "Nothing to see here" in clinician.inner_text("main")
        assert all("404" in said for said in quiet.trouble)  # Chromium tells of the status itself
        quiet.trouble.clear()


@pytest.mark.parametrize(("script", "sign"), [(True, key_in_browser), (False, at_the_command_line)])
def test_closing_the_genes_changes_the_plan(quiet: Place, script: bool, sign: Callable[[Any, Place], None]) -> None:
    with quiet.person(java_script_enabled=script) as patient:
        come_in(quiet, patient, PATIENT)
        assert GENE in patient.inner_text("main")
        quiet.go(patient, "/me/consents")
        switch = patient.get_by_role("switch", name="Genes")
        assert switch.get_attribute("aria-checked") == "true"
        switch.focus()
        patient.keyboard.press("Enter")
        patient.wait_for_url("**/sign/**")
        sign(patient, quiet)
        assert patient.get_by_role("switch", name="Genes").get_attribute("aria-checked") == "false"
        quiet.go(patient, "/me")
        assert GENE not in patient.inner_text("main")


def test_signing_in_with_a_key_file_or_a_pasted_line(quiet: Place) -> None:
    with quiet.person() as page:
        quiet.go(page, "/sign-in")
        page.set_input_files("form[data-sign-in] input[type=file]", quiet.keys / f"{PATIENT}.key")
        assert page.input_value("input[name=name]") == PATIENT
        page.click("form[data-sign-in] button")
        page.wait_for_url("**/me")
        assert page.evaluate("document.cookie") == ""
        page.click("text=Sign out")
        assert page.url.endswith("/sign-in")
    with quiet.person(java_script_enabled=False) as page:
        quiet.go(page, "/sign-in")
        assert not page.is_visible("form[data-sign-in]")
        line = assertion(demo_identity(CLINICIAN), f"{quiet.base}/auth/token", quiet.at)
        page.fill("textarea", line)
        page.click("form[data-assertion] button")
        assert page.url.endswith("/patients")


def test_a_file_that_is_no_key_is_refused_in_the_browser(quiet: Place) -> None:
    wrong = quiet.keys / "wrong.key"
    wrong.write_bytes(b"x" * 31)
    with quiet.person() as page:
        quiet.go(page, "/sign-in")
        page.set_input_files("form[data-sign-in] input[type=file]", wrong)
        page.click("form[data-sign-in] button")
        assert "not a key file" in page.inner_text("form[data-sign-in] .problem")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(
    quiet: Place, scheme: str, size: tuple[int, int], tmp_path: Path
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()
    demo.give_consent(quiet.house, demo.examples()[RECORD])

    def look(page: Any, name: str) -> None:
        page.screenshot(path=tmp_path / f"{name}.png")
        found = axe.run(page).response["violations"]
        bad = [(v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in found if v["impact"] in ("serious", "critical")]
        assert bad == [], f"{name}: {bad}"
        assert page.evaluate(TOO_WIDE) == [], name

    with quiet.person(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme) as page:
        for address in ("/sign-in", "/cards", "/cards/risk.egfr"):
            quiet.go(page, address)
            look(page, address.strip("/").replace("/", "-"))
        come_in(quiet, page, CLINICIAN)
        look(page, "patients")
        page.click("a.row")
        address = page.url
        for part in ("", "/trends", "/in-plain-words"):
            page.goto(address + part)
            look(page, f"person{part.replace('/', '-')}")
        page.click("text=Sign out")
        come_in(quiet, page, PATIENT)
        look(page, "me")
        for address in ("/me/looks", "/me/consents"):
            quiet.go(page, address)
            look(page, address.strip("/").replace("/", "-"))
        choose(page, quiet)
        page.click("summary")
        look(page, "sign")


def test_the_first_key_leads_past_the_menu(quiet: Place) -> None:
    with quiet.person() as page:
        come_in(quiet, page, PATIENT)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.skipif(not files.address("lib/uPlot.iife.min.js"), reason="no browser libraries here: make assets")
def test_libraries_add_to_the_pages_within_the_same_policy(quiet: Place) -> None:
    demo.give_consent(quiet.house, demo.examples()[RECORD])
    with quiet.person() as page:
        come_in(quiet, page, CLINICIAN)
        for _ in range(45):
            page.reload()
        page.click("a.row")
        page.goto(f"{page.url}/trends")
        page.click("text=Read the curve value by value >> nth=0")
        page.wait_for_selector(".curve canvas")
        page.click("text=Sign out")
        come_in(quiet, page, PATIENT)
        quiet.go(page, "/me/looks")
        before = page.locator(".look").count()
        page.click("text=Earlier")
        page.wait_for_function(f"document.querySelectorAll('.look').length > {before}")
        assert page.url.endswith("/me/looks")
