"""The pin of a stranger's package: everything that could be loaded for it, and nothing that could not."""

import os
import py_compile
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from salus.app.sandbox.process import confined
from salus.errors import MethodError
from salus.findings import pinned, registry
from tests.app.strangers import SHORT, failed, said, site  # noqa: F401

# ruff: noqa: F811 - fixtures are imported


@pytest.fixture
def placed(site):
    """A method of a package with a part, data, a second module and a dependency with one of its own."""
    site.install("deep", {"deep.py": "X = 1\n"})
    site.install(
        "helper-lib",
        {"helper/__init__.py": "Y = 2\n", "_helper.abi3.so": "so"},
        requires=("deep>=1 ; python_version > '3'",),
    )
    site.method(
        "yield finding(chart, 'x')",
        requires=("Helper_Lib (>=1)", "salus", "numpy", "absent-one", "unasked ; extra == 'more'"),
        **{"probing/part.py": "", "probing/data/table.csv": "a", "second.py": "", "probing/sub/__init__.py": ""},
    )
    site.install("unasked", {"unasked.py": ""})
    return site


COVERED = {
    "the module": "probing/__init__.py",
    "a part": "probing/part.py",
    "a part of a part": "probing/sub/__init__.py",
    "data": "probing/data/table.csv",
    "another module of the distribution": "second.py",
    "a dependency": "helper/__init__.py",
    "a binary of a dependency": "_helper.abi3.so",
    "a dependency's dependency": "deep.py",
}
NEW = {
    "a new part": "probing/new.py",
    "a compiled part without source": "probing/new.pyc",
    "a binary part": "probing/new.abi3.so",
    "a part in a new folder": "probing/namespace/new.py",
    "a file beside compiled ones": "probing/__pycache__/new.py",
    "a part of a dependency": "helper/new.py",
}


@pytest.mark.parametrize("path", COVERED.values(), ids=COVERED)
def test_a_change_of_what_can_be_loaded_changes_the_pin(placed, path):
    before = placed.pin.digest
    file = placed.folder / path
    at = file.stat()
    file.write_text(file.read_text()[:-1] + "#" if file.read_text() else "#")
    os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))
    assert placed.pin.digest != before


@pytest.mark.parametrize("path", NEW.values(), ids=NEW)
def test_a_new_file_that_can_be_loaded_changes_the_pin(placed, path):
    before = placed.pin.digest
    (placed.folder / path).parent.mkdir(exist_ok=True)
    (placed.folder / path).write_text("")
    assert placed.pin.digest != before


def test_what_cannot_be_loaded_does_not_change_it(placed):
    before = placed.pin
    (placed.folder / "probing" / "__pycache__").mkdir()
    (placed.folder / "probing" / "__pycache__" / "part.cpython-311.pyc").write_bytes(b"x")
    (placed.folder / "unasked.py").write_text("changed")
    (placed.folder / "elsewhere.py").write_text("new")
    assert placed.pin == before
    assert before.names == {"probing", "second", "helper", "_helper", "deep"}


def test_another_entry_point_version_or_dependency_changes_it(placed):
    before = placed.pin.digest
    about = placed.folder / "probing-1.0.dist-info"
    (about / "entry_points.txt").write_text("[salus.methods]\nstranger.probe = probing.part:Other\n")
    entry = placed.pin.digest
    meta = about / "METADATA"
    meta.write_text(meta.read_text().replace("absent-one", "unasked"))
    needs = placed.pin.digest
    (placed.folder / "deep-1.0.dist-info").joinpath("METADATA").write_text(
        "Metadata-Version: 2.1\nName: deep\nVersion: 2\n"
    )
    assert len({before, entry, needs, placed.pin.digest}) == 4


def test_an_extra_that_is_asked_for_is_followed(placed):
    helper = placed.folder / "helper_lib-1.0.dist-info" / "METADATA"
    helper.write_text(helper.read_text() + 'Requires-Dist: unasked ; extra == "fast"\n')
    assert "unasked" not in placed.pin.names
    meta = placed.folder / "probing-1.0.dist-info" / "METADATA"
    meta.write_text(meta.read_text().replace("Helper_Lib (>=1)", "helper.lib[fast]>=1"))
    assert "unasked" in placed.pin.names


def test_names_that_go_in_a_circle_end(placed):
    deep = placed.folder / "deep-1.0.dist-info" / "METADATA"
    deep.write_text(deep.read_text() + "Requires-Dist: helper-lib\nRequires-Dist: probing\n")
    assert placed.pin.names == {"probing", "second", "helper", "_helper", "deep"}


def test_every_folder_of_a_namespace_package_is_pinned(site, tmp_path, monkeypatch):
    other = tmp_path / "other"
    (other / "space").mkdir(parents=True)
    (other / "space" / "more.py").write_text("")
    site.install("spaced", {"space/one.py": "class M: pass\n"}, entry="space.one:M")
    monkeypatch.syspath_prepend(other)
    before = site.pin
    (other / "space" / "more.py").write_text("changed")
    assert site.pin.digest != before.digest
    assert {other / "space", site.folder / "space"} <= set(before.places)


REFUSED = {
    "code at every start": ({"x.pth": "import probing.part\n"}, "x.pth runs code in every Python process"),
    "code after a tab": ({"x.pth": "\nimport\tprobing\n"}, "x.pth runs code in every Python process"),
    "the start of Python": ({"sitecustomize.py": ""}, "'sitecustomize', which belongs to the start of Python"),
    "the user's start": ({"usercustomize/__init__.py": ""}, "'usercustomize', which belongs to the start"),
    "a part of salus": ({"salus/evil.py": ""}, "'salus', which belongs to salus"),
    "a part of what salus needs": ({"numpy/evil.py": ""}, "'numpy', which belongs to salus"),
    "a module of Python": ({"json.py": ""}, "'json', which belongs to Python itself"),
}


@pytest.mark.parametrize(("files", "why"), REFUSED.values(), ids=REFUSED)
def test_what_reaches_beyond_its_own_names_is_refused(site, files, why):
    site.method("yield", **files)
    with pytest.raises(MethodError, match=why):
        site.pin  # noqa: B018 - it raises


def test_a_dependency_is_held_to_the_same(site):
    site.install("helper", {"helper.pth": "import helper\n", "helper.py": ""})
    site.method("yield", requires=("helper",))
    with pytest.raises(MethodError, match=r"helper.pth runs code"):
        site.pin  # noqa: B018


def test_a_path_file_that_only_names_folders_is_an_editable_install(site, tmp_path, monkeypatch):
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "probing.py").write_text("class Strange: pass\n")
    site.install("probing", {"_probing.pth": f"{tmp_path / 'src'}\n"}, entry="probing:Strange")
    monkeypatch.syspath_prepend(tmp_path / "src")
    before = site.pin
    assert before.places == (tmp_path / "src" / "probing.py",)
    (tmp_path / "src" / "probing.py").write_text("changed")
    assert site.pin.digest != before.digest


@pytest.mark.parametrize("target", ["probing/part.py", "probing/sub", "nowhere", "/etc/passwd"])
def test_a_link_in_a_package_is_refused(placed, target):
    (placed.folder / "probing" / "link.py").symlink_to(target if target.startswith("/") else placed.folder / target)
    with pytest.raises(MethodError, match=r"link.py is a link"):
        placed.pin  # noqa: B018


def test_a_pipe_in_a_package_is_refused_and_not_waited_for(placed):
    os.mkfifo(placed.folder / "helper" / "pipe.py")
    with pytest.raises(MethodError, match=r"pipe.py is no regular file"):
        placed.pin  # noqa: B018


@pytest.mark.parametrize("name", ["Salus", "NumPy", "typing.extensions"])
def test_a_package_by_the_name_of_one_of_ours_is_refused(site, name):
    site.install(name, {"probing.py": "class M: pass\n"}, entry="probing:M")
    with pytest.raises(MethodError, match="calls itself by the name"):
        site.pin  # noqa: B018


def test_a_method_whose_files_are_not_there_is_said(site):
    site.install("probing", {}, entry="probing:Strange")
    with pytest.raises(MethodError, match="cannot be found"):
        site.pin  # noqa: B018


def test_our_own_are_what_salus_declares():
    assert {"salus", "numpy", "scipy", "cffi", "click"} <= pinned.own_distributions()
    assert {"salus", "numpy", "scipy", "orjson", "soundfile", "typing_extensions"} <= pinned.own_names()
    assert "pytest" not in pinned.own_distributions()
    declared = {pinned.normal(line.split(">")[0]) for line in distribution("salus").requires if "extra" not in line}
    assert declared <= pinned.own_distributions()


# ---- what runs is what was pinned


def test_a_compiled_file_is_never_run_in_the_place_of_its_source(site, tmp_path):
    site.method("from probing import part; yield finding(chart, part.WORD)", **{"probing/part.py": "WORD = 'source'\n"})
    part = site.folder / "probing" / "part.py"
    evil = tmp_path / "evil.py"
    evil.write_text("WORD = 'evil!!'\n")
    stat = part.stat()
    os.utime(evil, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    compiled = part.parent / "__pycache__" / f"part.{sys.implementation.cache_tag}.pyc"
    for mode in (py_compile.PycInvalidationMode.TIMESTAMP, py_compile.PycInvalidationMode.UNCHECKED_HASH):
        py_compile.compile(str(evil), str(compiled), invalidation_mode=mode, doraise=True)
        check = [sys.executable, "-c", "from probing.part import WORD; print(WORD)"]
        environment = {**os.environ, "PYTHONPATH": str(site.folder)}
        stub = site.folder / "probing" / "__init__.py"
        text = stub.read_text()
        stub.write_text("")
        assert subprocess.run(check, env=environment, capture_output=True, text=True).stdout == "evil!!\n", (
            "the trap works"
        )
        stub.write_text(text)
        assert said(site) == ["source"]


def test_a_compiled_module_without_source_is_not_there(site):
    source = site.folder / "gone.py"
    source.write_text("WORD = 'compiled'\n")
    site.method("from probing import gone; yield finding(chart, gone.WORD)")
    py_compile.compile(str(source), str(site.folder / "probing" / "gone.pyc"), doraise=True)
    assert failed(site) == "failed: ImportError"


def test_only_pinned_packages_can_be_imported(site):
    site.install("helper", {"helper.py": "WORD = 'pinned'\n"})
    site.install("other", {"other.py": "WORD = 'other'\n"})
    site.method(
        """
import helper
try:
    import other
    yield finding(chart, "other was imported")
except ModuleNotFoundError:
    yield finding(chart, helper.WORD)
import sys
sys.meta_path[:] = sys.meta_path[1:]
try:
    import other
    yield finding(chart, "other was imported", target="2")
except OSError:
    yield finding(chart, "cannot be read", target="2")
""",
        requires=("helper",),
    )
    assert sorted(said(site)) == ["cannot be read", "pinned"]


def test_parts_of_namespace_packages_and_data_are_there(site):
    site.method(
        """
import importlib.resources, space.inner.one
words = importlib.resources.files("probing").joinpath("data/words.txt").read_text()
yield finding(chart, words + space.inner.one.WORD)
""",
        **{"probing/data/words.txt": "data and ", "space/inner/one.py": "WORD = 'a namespace'\n"},
    )
    assert said(site) == ["data and a namespace"]


def test_what_was_said_of_itself_is_asked_anew_when_the_files_change(site):
    site.method("yield")
    assert confined(site.listed, site.pin, (), SHORT).title == "A stranger's method"
    module = site.folder / "probing" / "__init__.py"
    module.write_text(module.read_text().replace("A stranger's method", "Another title"))
    assert confined(site.listed, site.pin, (), SHORT).title == "Another title"


# ---- the registry


def test_a_stranger_runs_only_in_a_cell(site):
    site.method("yield")
    allowed = {"probing": registry.package_hash(site.listed)}
    good, refused = registry.runnable(allowed)
    assert "stranger.probe" not in {m.id for m in good}
    assert [why for name, why in refused if name == "stranger.probe"] == [
        "a method that is not salus's own runs only in a sandbox, and none is offered here"
    ]
    good, refused = registry.runnable(allowed, lambda listed, pin: confined(listed, pin, (), SHORT))
    assert "stranger.probe" in {m.id for m in good}
    assert not [name for name, _ in refused if name == "stranger.probe"]
    assert "probing" not in sys.modules


@pytest.mark.parametrize("code", ["egfr", "note-problem", "ckd-stage"])
def test_a_stranger_gives_no_finding_of_salus_own(site, code):
    site.method("yield")
    module = site.folder / "probing" / "__init__.py"
    module.write_text(module.read_text().replace('produces = ("probe",)', f'produces = ("probe", "{code}")'))
    allowed = {"probing": registry.package_hash(site.listed)}
    good, refused = registry.runnable(allowed, lambda listed, pin: confined(listed, pin, (), SHORT))
    assert "stranger.probe" not in {m.id for m in good}
    assert f"it gives '{code}', which is a finding of salus's own" in dict(refused)["stranger.probe"]
    assert {m.id for m in good} == {m.id for m in registry.runnable({})[0]}


def test_the_hash_is_of_files_and_not_of_where_they_lie(site, tmp_path, monkeypatch):
    site.method("yield")
    first = site.pin.digest
    moved = tmp_path / "moved"
    site.folder.rename(moved)
    monkeypatch.syspath_prepend(moved)
    assert registry.package_hash(site.listed) == first
    assert Path(moved, "probing") in site.pin.places
