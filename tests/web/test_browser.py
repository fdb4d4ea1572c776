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
pytest.importorskip("uvicorn")
pytest.importorskip("playwright", reason="no Playwright here: pip install playwright")

import uvicorn
from click.testing import CliRunner
from playwright.sync_api import sync_playwright

from salus import web
from salus.app import demo
from salus.app.serving.tokens import assertion
from salus.app.session import Session
from salus.app.web import accesses as web_looks
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
    "--enable-unsafe-swiftshader",  # WebGL without a graphics card
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
        with sync_playwright() as driver:
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
    page.wait_for_url(lambda url: "/sign-in" not in url)  # a loaded machine shows the next page late
    page.wait_for_load_state()


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
    [
        pytest.param(True, key_in_browser, id="script, key file in the browser"),
        pytest.param(False, at_the_command_line, id="no script, command line"),
        pytest.param(False, with_the_demo_key, id="no script, demonstration key", marks=pytest.mark.slow),
    ],
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
        page.wait_for_selector("form[data-sign-in] .problem:has-text('not a key file')")


DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.mark.parametrize(
    ("scheme", "size"),
    [
        pytest.param("light", DESKTOP, id="desktop-light"),
        pytest.param("dark", DESKTOP, id="desktop-dark", marks=pytest.mark.slow),
        pytest.param("light", PHONE, id="phone-light", marks=pytest.mark.slow),
        pytest.param("dark", PHONE, id="phone-dark", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious_and_nothing_is_cut_off(quiet: Place, scheme: str, size: tuple[int, int]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="pip install axe-playwright-python").Axe()
    demo.give_consent(quiet.house, demo.examples()[RECORD])

    def look(page: Any, name: str) -> None:
        found = axe.run(page).response["violations"]
        grave = [v for v in found if v["impact"] in ("serious", "critical")]
        bad = [(v["id"], [n["html"][:120] for n in v["nodes"]][:3]) for v in grave]
        assert bad == [], f"{name}: {bad}"
        assert page.evaluate(TOO_WIDE) == [], name

    with quiet.person(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme) as page:
        for address in ("/sign-in", "/cards", "/cards/risk.egfr", "/viewer"):
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
        for address in ("/me/accesses", "/me/consents"):
            quiet.go(page, address)
            look(page, address.strip("/").replace("/", "-"))
        choose(page, quiet)
        page.click("summary")
        look(page, "sign")


def test_the_first_key_leads_past_the_menu(quiet: Place) -> None:
    with quiet.person() as page:
        come_in(quiet, page, PATIENT)
        quiet.go(page, "/me/accesses")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.skipif(not files.address("lib/uPlot.iife.min.js"), reason="no browser libraries here: make assets")
def test_libraries_add_to_the_pages_within_the_same_policy(quiet: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web_looks, "PER_PAGE", 2)
    demo.give_consent(quiet.house, demo.examples()[RECORD])
    with quiet.person() as page:
        come_in(quiet, page, CLINICIAN)
        page.click("a.row")
        page.goto(f"{page.url}/trends")
        page.click("text=Read the curve value by value >> nth=0")
        page.wait_for_selector(".curve canvas")
        page.click("text=Sign out")
        come_in(quiet, page, PATIENT)
        quiet.go(page, "/me/accesses")
        for shown in (2, 4):
            assert page.locator(".access").count() == shown
            page.click("text=Earlier")
            page.wait_for_selector(f".access >> nth={shown + 1}")
        assert page.url.endswith("/me/accesses")


def nifti(file: Path) -> Path:
    """A small scan with a bright ball in it."""
    import nibabel
    import numpy as np

    grid = np.indices((24, 24, 24)) - 12
    nibabel.Nifti1Image(((grid**2).sum(0) < 60).astype(np.int16) * 100, np.eye(4)).to_filename(file)
    return file


def glb(file: Path) -> Path:
    """One triangle as binary glTF 2.0 (Khronos Group, glTF 2.0 Specification, section 4)."""
    import json
    import struct

    points = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0)
    scene = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 0]}
        ],
        "bufferViews": [{"buffer": 0, "byteLength": len(points)}],
        "buffers": [{"byteLength": len(points)}],
    }
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<II", len(text), 0x4E4F534A) + text + struct.pack("<II", len(points), 0x004E4942) + points
    file.write_bytes(struct.pack("<III", 0x46546C67, 2, 12 + len(chunks)) + chunks)
    return file


@pytest.mark.skipif(not files.address("lib/niivue.js"), reason="no browser libraries here: make assets")
def test_the_viewer_shows_a_scan_and_a_model_without_sending_them(quiet: Place, tmp_path: Path) -> None:
    with quiet.person() as page:
        sent: list[str] = []
        quiet.go(page, "/viewer")
        page.on("request", lambda r: sent.append(r.method) if r.method != "GET" else None)
        for file in (nifti(tmp_path / "ball.nii.gz"), glb(tmp_path / "triangle.glb")):
            page.set_input_files("[data-viewer] input", file)
            page.wait_for_selector(f"[data-shown='{file.name}']")
        assert sent == []
        quiet.trouble[:] = [said for said in quiet.trouble if "GPU stall" not in said]
        wrong = tmp_path / "wrong.glb"
        wrong.write_bytes(b"glTF")
        page.set_input_files("[data-viewer] input", wrong)
        page.wait_for_selector("[data-viewer] .problem:has-text('cannot be shown')")
        quiet.trouble.clear()
