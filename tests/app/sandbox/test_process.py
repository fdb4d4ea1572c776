"""The sandbox: what a hostile method tries comes to nothing, and the rest of the run goes on."""

# ruff: noqa: F401, F811 - fixtures are imported

import os
import socket
import time
from decimal import Decimal
from pathlib import Path

import pytest

from salus.app.sandbox import process as sandbox
from salus.app.sandbox.process import Limits, confined
from salus.errors import MethodError
from salus.findings.runner import run
from tests.app.strangers import SHORT, chart, failed, outcome, said, site
from tests.conftest import creatinine

# ---- it works at all


def test_a_method_in_a_sandbox_gives_findings_as_if_it_ran_here(site):
    site.method(
        """
seen = chart.latest("creatinine")
yield finding(chart, f"{seen.value.value} {seen.value.unit}", evidence=(Evidence(seen.source),),
    effective=("2026-01-01", "2026-01-01"), value=seen.value, details={"n": [1, {"x": None}]})
"""
    )
    (found,) = [f for f in outcome(site).findings if f.method == "stranger.probe"]
    here = chart()
    source = here.latest("creatinine").source
    assert found.sentence == "1.1 mg/dL"
    assert (found.value.value, found.value.unit) == (Decimal("1.1"), "mg/dL")
    assert found.evidence[0].source == source
    assert found.details == {"n": [1, {"x": None}]}
    (read,) = [r for r in found.read_set if r.accessor == "latest"]
    here = chart().fresh()
    here.latest("creatinine")
    assert read == here.reads[0]
    assert found.categories == {"record"}


def test_a_run_that_still_holds_is_not_computed_again(site):
    site.method('yield finding(chart, str(chart.latest("creatinine").value.value))')
    method = confined(site.listed, site.pin)
    first = run([method], chart())
    again = run([method], chart(), previous=first.findings)
    assert (first.computed, again.computed) == (("stranger.probe",), ())
    newer = run([method], chart(creatinine("2.2", "2026-02-02", "c2")), previous=first.findings)
    assert [f.sentence for f in newer.findings] == ["2.2"]


def test_the_scientific_libraries_work_in_it(site):
    site.method(
        """
import numpy as np, scipy.stats
yield finding(chart, f"{np.linalg.inv(np.eye(200) * 2)[0, 0]} {scipy.stats.norm.cdf(0)}")
"""
    )
    assert said(site, bounds=Limits(processor=20, seconds=30.0)) == ["0.5 0.5"]


# ---- what must not be reached

REACHES = {
    "the store": "open({store!r}, 'rb').read()",
    "the keys": "open({keys!r}, 'rb').read()",
    "the folder of the keys": "__import__('os').listdir({folder!r})",
    "the passwords of the system": "open('/etc/passwd').read()",
    "its own process": "open('/proc/self/maps').read()",
    "the environment of others": "open('/proc/{pid}/environ', 'rb').read()",
    "the command lines of others": "open('/proc/{pid}/cmdline', 'rb').read()",
    "the memory of others": "open('/proc/{pid}/mem', 'rb')",
    "a file to write": "open({folder!r} + '/written', 'w')",
    "its folder to write": "open('written', 'w')",
    "shared memory": "open('/dev/shm/written', 'w')",
    "a temporary file": "__import__('tempfile').TemporaryFile()",
    "a device": "open('/dev/zero', 'rb').read(1)",
    "a server here": "__import__('socket').create_connection(('127.0.0.1', {port}), 1)",
    "a socket of the system": "__import__('socket').socket(__import__('socket').AF_UNIX)",
    "a raw socket": "__import__('socket').socket(17, 3, 768)",
    "a name server": "__import__('socket').getaddrinfo('localhost', 80)[0] and "
    "__import__('socket').socket(__import__('socket').AF_INET, __import__('socket').SOCK_DGRAM)",
    "the parent by signal": "__import__('os').kill({pid}, 0)",
    "its group by signal": "__import__('os').killpg(0, 0)",
    "a thread by signal": "__import__('signal').pthread_kill(__import__('threading').get_ident(), 18)",
    "a child": "__import__('os').fork() or __import__('os')._exit(0)",
    "a program": "__import__('subprocess').run(['/bin/true'])",
    "a program by exec": "__import__('os').execv('/bin/true', ['true'])",
    "another session": "__import__('os').setsid()",
    "a higher limit": "__import__('resource').setrlimit(__import__('resource').RLIMIT_NOFILE, (4096, 4096))",
    "another user": "__import__('os').setuid(12345)",
    "another root": "__import__('os').chroot('/')",
    "another mode": "__import__('os').chmod({keys!r}, 0o777)",
    "another time": "__import__('os').utime({keys!r})",
    "a link": "__import__('os').symlink({keys!r}, 'x')",
    "removal": "__import__('os').unlink({keys!r})",
    "anonymous files": "__import__('os').memfd_create('x')",
    "a terminal": "__import__('os').openpty()",
    "signals by pipes": "__import__('fcntl').fcntl(0, 8, {pid})",
}
CALLS = {  # x86_64 numbers, asm/unistd_64.h
    "ptrace": (101, 16, "{pid}"),
    "process_vm_readv": (310, "{pid}"),
    "pidfd_open": (434, "{pid}"),
    "keyctl": (250, 0, -3, 1),
    "add_key": (248,),
    "bpf": (321, 0),
    "perf_event_open": (298,),
    "io_uring_setup": (425, 1),
    "userfaultfd": (323, 0),
    "mount": (165,),
    "unshare": (272, 0x10000000),
    "setns": (308, 0, 0),
    "clone of a process": (56, 17, 0),
    "clone3": (435, 0, 88),
    "seccomp": (317, 1, 0, 0),
    "shmget": (29, 0, 4096, 0o1600),
    "mq_open": (240,),
    "name_to_handle_at": (303,),
    "open_by_handle_at": (304,),
    "the 32-bit numbers": (0x40000000 + 39,),
}


def probe(name, code):
    return f"""
try:
    {code}
except BaseException as error:
    held = isinstance(error, (OSError, ValueError, ImportError))
    yield finding(chart, "held" if held else f"odd: {{error!r}}")
else:
    yield finding(chart, "reached {name}")
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """What lies outside: a store, keys, a server and this very process."""
    folder = tmp_path_factory.mktemp("house")
    for name in ("store", "keys"):
        (folder / name).write_bytes(b"secret")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield {
            "store": str(folder / "store"),
            "keys": str(folder / "keys"),
            "folder": str(folder),
            "port": server.getsockname()[1],
            "pid": os.getpid(),
        }


NO_NAMESPACES = "import salus.app.sandbox.walls as walls; walls.unshare = lambda: []; from salus.app.sandbox.inside"


@pytest.mark.parametrize("namespaces", [True, False], ids=["with namespaces", "without namespaces"])
def test_nothing_outside_is_reached(site, outside, monkeypatch, namespaces):
    if not namespaces:
        monkeypatch.setattr(sandbox, "_BOOT", sandbox._BOOT.replace("from salus.app.sandbox.inside", NO_NAMESPACES))
    body = ""
    for number, (name, code) in enumerate(REACHES.items()):
        text = probe(name, code.format(**outside)).replace(
            "finding(chart,", f"finding(chart, target='{number}', sentence="
        )
        body += text
    site.method(body)
    assert said(site) == ["held"] * len(REACHES)
    assert sorted(p.name for p in Path(outside["folder"]).iterdir()) == ["keys", "store"]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are of x86_64")
def test_no_other_system_call_works(site, outside):
    body = "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    for name, words in CALLS.items():
        values = ", ".join(f"ctypes.c_long({w})" for w in words).format(**outside)
        body += f"""
ctypes.set_errno(0)
answer = libc.syscall({values})
yield finding(chart, f"{{answer}} {{ctypes.get_errno()}}", target={name!r})
"""
    site.method(body)
    answers = said(site)
    assert len(answers) == len(CALLS)
    assert set(answers) <= {"-1 1", "-1 38"}, dict(zip(CALLS, answers, strict=True))


def test_no_environment_argument_or_file_of_salus_is_inherited(site, monkeypatch):
    monkeypatch.setenv("SALUS_KEYS", "/somewhere/keys")
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    site.method(
        """
import os, sys
opened = []
for number in range(64):
    try:
        opened.append((number, os.fstat(number).st_mode >> 12))
    except OSError:
        pass
yield finding(chart, repr((sorted(os.environ), os.getppid(), [n for n, _ in opened], os.listdir("."))) )
"""
    )
    try:
        method = confined(site.listed, site.pin, (), SHORT)
        failure = run([method], chart()).failures
        assert [f.why for f in failure] == ["failed: PermissionError"], "not even its own folder can be listed"
        module = site.folder / "probing" / "__init__.py"
        module.write_text(module.read_text().replace(', os.listdir(".")', ""))
        (sentence,) = said(site)
    finally:
        os.close(reading)
        os.close(writing)
    assert sentence.startswith("(['LC_ALL', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'], ")
    assert sentence.endswith("[0, 1, 2, 3, 4])"), "three onto nothing, two of the line"


# ---- what must not be used up

GREEDY = {
    "memory": ("yield finding(chart, str(len(bytearray(10 << 30))))", "failed: MemoryError"),
    "memory bit by bit": ("kept = []\nwhile True: kept.append(bytearray(64 << 20))", "failed: MemoryError"),
    "memory to be shared": ("import mmap\nyield finding(chart, str(len(mmap.mmap(-1, 1 << 30))))", "failed: OSError"),
    "a loop": ("while True: pass", "ended without an answer"),
    "a loop that hears no signal": (
        "import signal\n[signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15, 24)]\nwhile True: pass",
        "ended without an answer",
    ),
    "a sleep": ("import time; time.sleep(3600)", "took longer than it may"),
    "silence": ("import threading; threading.Event().wait()", "took longer than it may"),
    "threads": ("import threading, time\nwhile True: threading.Thread(target=time.sleep, args=(9,)).start()", "failed"),
    "depth": ("def deep(): deep()\ndeep()\nyield", "failed: RecursionError"),
    "endless findings": (
        'n = 0\nwhile True:\n    n += 1\n    yield finding(chart, "x", target=str(n))', "more than 5,000 findings",
    ),
    "a giant finding": ('yield finding(chart, "x", details={"x": "y" * (20 << 20)})', "more than"),
    "deep details": (
        'x = []\nfor _ in range(100): x = [x]\nyield finding(chart, "x", details={"x": x})', "what is not JSON",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "body", "why"), [(n, *case) for n, case in GREEDY.items()], ids=GREEDY)
def test_what_takes_too_much_is_stopped_and_the_rest_goes_on(site, name, body, why):
    site.method(body)
    bounds = Limits(memory=1 << 29, processor=30)
    if "a loop" in name:  # ended by its time of the processor, however long others keep it from it
        bounds = Limits(memory=1 << 29, processor=1, seconds=600)
    elif name in ("a sleep", "silence"):  # ended by the clock
        bounds = Limits(memory=1 << 29, processor=1, seconds=2.5)
    assert why in failed(site, bounds=bounds)


def test_nothing_of_a_sandbox_is_left_behind(site, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    groups = []

    def started(folder):
        process = begin(folder)
        groups.append(process.pid)
        return process

    begin = sandbox._started
    monkeypatch.setattr(sandbox, "_started", started)
    site.method("import time; time.sleep(3600)")
    failed(site, bounds=Limits(seconds=1.5))
    assert groups
    for group in groups:
        with pytest.raises(ProcessLookupError):
            os.killpg(group, 0)
    assert not list(tmp_path.glob("salus-sandbox-*"))


def test_the_time_of_a_method_that_hides_before_its_answer_is_bounded_too(site):
    site.method("yield", before="while True: pass\n")
    with pytest.raises(MethodError, match="ended without an answer"):
        confined(site.listed, site.pin, (), Limits(processor=1, seconds=4.0))


# ---- what it says


FORGED = {
    "no line": (b"x" * (3 << 20), "too long"),
    "no JSON": (b"{]\n", "what is not JSON"),
    "no object": (b"[]\n", "not a message"),
    "another message": (b'{"x":1}\n', "not a message"),
    "a giant size": (b'{"done":true,"size":99999999999}\n', "more than"),
    "a negative size": (b'{"done":true,"size":-1}\n', "more than"),
    "a size that is none": (b'{"done":true,"size":true}\n', "more than"),
    "a cut answer": (b'{"done":true,"size":9}\n{}', "ended without"),
    "findings that are none": (b'{"done":true,"size":27}\n{"findings":[{}],"reads":[]}'[:-1], "not JSON"),
    "an empty finding": (b'{"done":true,"size":28}\n{"findings":[{}],"reads":[]}', "not a finding"),
    "no list": (b'{"done":true,"size":26}\n{"findings":{},"reads":[]}', "not a finding"),
    "no reads": (b'{"done":true,"size":15}\n{"findings":[]}', "what it read"),
    "an unknown read": (b'{"done":true,"size":41}\n{"findings":[],"reads":[["__init__",[]]]}', "read what is none"),
    "a read too many": (b'{"done":true,"size":43}\n{"findings":[],"reads":[["latest",["a","b"]]]}'[:-3], "JSON"),
    "the patient's name as an error": (b'{"failed":"Ada Example"}\n', "failed: an error of its own"),
    "a word of Python as an error": (b'{"failed":"print"}\n', "failed: an error of its own"),
}


@pytest.mark.parametrize(("data", "why"), FORGED.values(), ids=FORGED)
def test_a_forged_answer_is_refused(site, data, why):
    site.method(f"import os\ndata = {data!r}\nwhile data: data = data[os.write(4, data):]\nos._exit(0)\nyield")
    assert why in failed(site)


# ---- a wall that does not hold

FALLEN = {
    "close_files": "a file outside can be read",
    "close_kernel": "a network can be reached",
    "close_files = walls.close_kernel": "a file outside can be read",
}


@pytest.mark.parametrize(("wall", "what"), FALLEN.items(), ids=FALLEN)
def test_a_wall_that_does_not_hold_is_noticed_before_anything_of_the_stranger_runs(site, monkeypatch, wall, what):
    fallen = f"import salus.app.sandbox.walls as walls; walls.{wall} = lambda *_: None; walls.unshare = lambda: []"
    monkeypatch.setattr(
        sandbox,
        "_BOOT",
        sandbox._BOOT.replace("from salus.app.sandbox.inside", f"{fallen}; from salus.app.sandbox.inside"),
    )
    site.method("yield", before="while True: pass\n")
    with pytest.raises(MethodError, match=f"cannot be isolated on this system: the walls do not hold: {what}"):
        confined(site.listed, site.pin, (), SHORT)


@pytest.mark.parametrize(
    "lacking", ["raise walls.NotIsolatedError('the kernel has no Landlock')", "raise OSError(38, 'x')"]
)
def test_a_system_that_cannot_isolate_is_named_and_nothing_runs(site, monkeypatch, lacking):
    boot = (
        f"import sys; sys.path.append(sys.argv[1])\nimport salus.app.sandbox.walls as walls\ndef lacks(*_): {lacking}\n"
    )
    boot += "walls.close_files = lacks\nfrom salus.app.sandbox.inside import main; main()"
    monkeypatch.setattr(sandbox, "_BOOT", boot)
    site.method("yield", before="while True: pass\n")
    with pytest.raises(MethodError, match="cannot be isolated on this system"):
        confined(site.listed, site.pin, (), SHORT)


def test_another_system_than_linux_is_refused(site, monkeypatch):
    site.method("yield")
    monkeypatch.setattr(sandbox.sys, "platform", "darwin")
    with pytest.raises(MethodError, match="cannot be isolated on this system"):
        confined(site.listed, site.pin, (), SHORT)
