"""The report looked at in headless Chromium: phone, desktop, dark and paper. Skipped, with the reason, without one."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from salus.careplan.report import render_html

from . import sample
from .browser import Browser, found, opened

pytestmark = pytest.mark.browser

# Contrast, by WCAG 2, of every piece of text that is seen, against the nearest background behind it.
CONTRAST = """
(() => {
  const parse = c => { const m = c.match(/[\\d.]+/g).map(Number); return m.length > 3 ? m : [...m, 1]; };
  const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const lum = c => { const f = c.slice(0, 3).map(v => linear(v / 255));
    return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
  const bad = []; let count = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('svg, .skip')) continue;
    let behind = element, back = [0, 0, 0, 0];
    while (behind && (back = parse(getComputedStyle(behind).backgroundColor))[3] === 0) behind = behind.parentElement;
    const a = lum(parse(getComputedStyle(element).color)), b = lum(back);
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    count += 1;
    if (ratio < 4.5) bad.push([ratio.toFixed(2), element.className, walker.currentNode.data.trim().slice(0, 30)]);
  }
  return [count, bad];
})()
"""
OPEN_ALL = "document.querySelectorAll('details').forEach(d => { d.open = true; })"
TOO_WIDE = """
[...document.querySelectorAll('body *')].filter(e => e.checkVisibility() && !e.closest('.scroll, svg')
  && !e.matches('.skip, .hide') && e.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
  .map(e => e.tagName + '.' + e.className).slice(0, 5)
"""


@dataclass(frozen=True, slots=True)
class Look:
    """A browser and the file to look at."""

    browser: Browser
    file: Path
    folder: Path

    def keep(self, name: str) -> tuple[int, int]:
        """Save what is seen; its width and height."""
        picture = self.browser.picture()
        (self.folder / name).write_bytes(picture)
        return struct.unpack(">II", picture[16:24])


@pytest.fixture(scope="module")
def look(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Look]:
    program = found()
    if program is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    folder = tmp_path_factory.mktemp("report")
    file = folder / "report.html"
    file.write_text(render_html(sample.plan(), sample.chart()), "utf-8")
    with opened(program, folder / "profile") as browser:
        yield Look(browser, file, folder)


@pytest.mark.parametrize(("width", "phone"), [(360, True), (1200, False)])
def test_no_request_no_complaint_and_nothing_sticks_out(look: Look, width: int, phone: bool) -> None:
    look.browser.show(look.file, width, phone=phone)
    outside = [url for url in look.browser.requests if not url.startswith(("file:", "data:"))]
    assert outside == []
    assert look.browser.complaints == []
    for _ in ("closed", "open"):
        assert look.browser.value("innerWidth") == width
        assert look.browser.value("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        assert look.browser.value(TOO_WIDE) == []
        look.browser.value(OPEN_ALL)
    look.browser.show(look.file, width, phone=phone)
    assert look.keep(f"report-{width}.png") == (width, 900)


def test_the_policy_forbids_script(look: Look) -> None:
    look.browser.show(look.file, 1200)
    look.browser.value(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1';"
        " document.body.append(s); })()"
    )
    assert look.browser.value("window.ran === undefined") is True


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read(look: Look, scheme: str) -> None:
    look.browser.colours(scheme)
    look.browser.show(look.file, 1200)
    look.browser.value(OPEN_ALL)
    count, unreadable = look.browser.value(CONTRAST)
    assert count > 500
    assert unreadable == []
    look.keep(f"report-{scheme}.png")
    look.browser.colours("light")


def test_text_is_large_enough_on_a_phone(look: Look) -> None:
    look.browser.show(look.file, 360, phone=True)
    smallest = look.browser.value(
        "Math.min(...[...document.querySelectorAll('p, li, dd, dt, td, summary')]"
        ".filter(e => e.checkVisibility() && !e.matches('.key')).map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 12
    chart = look.browser.value(
        "(() => { const t = [...document.querySelectorAll('.chart text')].filter(e => e.checkVisibility());"
        " const size = e => parseFloat(getComputedStyle(e).fontSize) * e.ownerSVGElement.getScreenCTM().a;"
        " return Math.min(...t.map(size)); })()"
    )
    assert chart >= 9


def test_the_keyboard_reaches_links_and_shows_where_it_is(look: Look) -> None:
    look.browser.show(look.file, 1200)
    for _ in range(3):
        look.browser.call("Input.dispatchKeyEvent", type="keyDown", key="Tab", code="Tab", windowsVirtualKeyCode=9)
        look.browser.call("Input.dispatchKeyEvent", type="keyUp", key="Tab", code="Tab", windowsVirtualKeyCode=9)
    assert look.browser.value("document.activeElement.tagName") == "A"
    assert look.browser.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert look.browser.value("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 2


def test_evidence_is_one_click_away_and_open_on_paper(look: Look) -> None:
    look.browser.show(look.file, 1200)
    seen = "[...document.querySelectorAll('#item-3 .evidence .quote')].filter(e => e.checkVisibility()).length"
    assert look.browser.value(seen) == 0
    look.browser.value("document.querySelectorAll('#item-3 .evidence summary').forEach(s => s.click())")
    assert look.browser.value(seen) >= 1
    look.browser.show(look.file, 794)
    look.browser.paper()
    assert look.browser.value(seen) >= 1
    assert look.browser.value("getComputedStyle(document.querySelector('.for-you')).breakBefore") == "page"
    look.browser.call("Emulation.setEmulatedMedia", media="")


def test_the_ecg_is_drawn_at_its_true_size(look: Look) -> None:
    look.browser.show(look.file, 1200)
    width = look.browser.value("document.querySelector('.paper svg').getBoundingClientRect().width")
    assert width == pytest.approx(75 * 96 / 25.4, abs=0.6)
