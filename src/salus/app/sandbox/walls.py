"""The walls of a sandbox, put up by the child process around itself before it imports what is not ours.

Limits of memory, time and files (setrlimit); namespaces where the system grants them; Landlock for the file system;
a seccomp filter for everything else. Then it tries each thing that must not work: a wall counts when it held.
Only the standard library is used here.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import socket
import struct
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class NotIsolatedError(Exception):
    """The system does not offer what a sandbox needs, or a wall did not hold. Nothing that is not ours was run."""


# ---- limits


def limit(*, memory: int, seconds: int) -> None:
    """Bound address space (bytes), processor time (seconds), files, and what could be written to them.

    Each bound is set for good: soft and hard, for a process that has no privilege to raise it.
    """
    bounds = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_DATA: memory,
        resource.RLIMIT_STACK: 16 << 20,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
    }
    for kind, wanted in bounds.items():
        _, hard = resource.getrlimit(kind)
        bound = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(kind, (bound, bound))


# ---- namespaces

_CLONE = {"user": 0x10000000, "network": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000, "pid": 0x20000000}
"""Flags of unshare(2)."""
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 1, 4, 38, 22


def unshare() -> list[str]:
    """Leave the namespaces that the system lets a process leave, and go on as the first process of new ones.

    Returns what was left: nothing where the system refuses, which Landlock and seccomp make up for.
    """
    every = 0
    for flag in _CLONE.values():
        every |= flag
    if _libc.unshare(ctypes.c_int(every)) != 0:
        return []
    child = os.fork()
    if child:
        signal.signal(signal.SIGTERM, lambda *_: os.kill(child, signal.SIGKILL))  # then its end is waited for
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return list(_CLONE)


def _prctl(option: int, *values: int) -> int:
    given = [ctypes.c_ulong(value) for value in (*values, 0, 0, 0, 0)[:4]]
    return int(_libc.prctl(ctypes.c_int(option), *given))


def drop_privileges() -> None:
    """Give up every capability for good, and every way to get one back. Raises NotIsolatedError."""
    if _prctl(_PR_SET_NO_NEW_PRIVS, 1) != 0:
        raise NotIsolatedError("the system cannot forbid new privileges")
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))  # _LINUX_CAPABILITY_VERSION_3, oneself
    nothing = ctypes.create_string_buffer(bytes(24))
    if _libc.capset(header, nothing) != 0:
        raise NotIsolatedError("the process cannot give up its capabilities")
    _prctl(_PR_SET_DUMPABLE, 0)


# ---- the file system: Landlock (linux/landlock.h)

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
"""The same on every architecture."""
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights of the file system each version knows; later ones none more."""
_NET_RIGHTS, _SCOPES = 0b11, 0b11
"""Binding and connecting TCP (from version 4); abstract sockets and signals out of the domain (from version 6)."""
_SINCE_NET, _SINCE_SCOPES = 4, 6


def close_files(readable: Iterable[str], listable: Iterable[str]) -> None:
    """Let only ``readable`` files and folders be read and ``listable`` folders be listed, and nothing be written.

    Raises NotIsolatedError on a system without Landlock.
    """
    version = int(_libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint(1)))
    if version < 1:
        raise NotIsolatedError("the kernel has no Landlock, which keeps files closed")
    rights = (1 << _FS_RIGHTS.get(version, 16)) - 1
    net = _NET_RIGHTS if version >= _SINCE_NET else 0
    scoped = _SCOPES if version >= _SINCE_SCOPES else 0
    words = (rights, net, scoped)[: 3 if scoped else 2 if net else 1]
    attributes = ctypes.create_string_buffer(struct.pack(f"={len(words)}Q", *words), 8 * len(words))
    ruleset = int(_libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(8 * len(words)), ctypes.c_uint(0)))
    if ruleset < 0:
        raise NotIsolatedError("Landlock refuses its rules")
    for path in readable:
        _allow(ruleset, path, _READ_FILE | _READ_DIR)
    for path in listable:
        _allow(ruleset, path, _READ_DIR)
    if _libc.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint(0)) != 0:
        raise NotIsolatedError("Landlock cannot be put in force")
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        allowed = rights if Path(path).is_dir() else rights & _READ_FILE
        rule = ctypes.create_string_buffer(struct.pack("=Qi", allowed, place), 12)
        if _libc.syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), rule, ctypes.c_uint(0)) != 0:
            raise NotIsolatedError("Landlock refuses a rule")
    finally:
        os.close(place)


# ---- the kernel's other doors: seccomp (linux/seccomp.h, linux/filter.h, linux/audit.h)

_ARCHITECTURES = {"x86_64": 62 | 0x80000000 | 0x40000000, "aarch64": 183 | 0x80000000 | 0x40000000}
_LOAD, _EQUAL, _AND_SET, _RETURN = 0x20, 0x15, 0x45, 0x06  # BPF_LD|W|ABS, JMP|JEQ|K, JMP|JSET|K, RET|K
_KILL, _REFUSE, _GRANT = 0x80000000, 0x00050000, 0x7FFF0000
_NR, _ARCH, _ARGUMENTS = 0, 4, 16
_CLONE_THREAD = 0x10000
_FCNTL = (0, 1, 2, 3, 4, 5, 6, 1030)
"""F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_DUPFD_CLOEXEC; none that sends signals."""
_EPERM, _ENOTTY, _ENOSYS = 1, 25, 38

Step = tuple[int, int, int, int]


def syscalls() -> dict[str, int]:
    """The numbers of the system calls that a sandbox may use on this machine. Raises NotIsolatedError for others."""
    table = tomllib.loads(Path(__file__).with_name("syscalls.toml").read_text("utf-8"))
    found = table.get(platform.machine())
    if found is None or platform.machine() not in _ARCHITECTURES or sys.maxsize <= 1 << 32:
        raise NotIsolatedError(f"no filter of system calls is written for {platform.machine()!r}")
    return {str(name): int(number) for name, number in found.items()}


def program(numbers: dict[str, int], architecture: int) -> list[Step]:
    """The filter: another architecture's calls kill, listed ones pass, some under a condition; the rest is refused."""
    steps: list[Step] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
    ]
    conditional = {
        "clone": [(_LOAD, 0, 0, _ARGUMENTS), (_AND_SET, 0, 1, _CLONE_THREAD)],
        "fcntl": _one_of(_ARGUMENTS + 8, _FCNTL),
        "prlimit64": [
            (_LOAD, 0, 0, _ARGUMENTS + 16),
            (_EQUAL, 0, 3, 0),
            (_LOAD, 0, 0, _ARGUMENTS + 20),
            (_EQUAL, 0, 1, 0),
        ],
    }
    answers = {"clone3": _ENOSYS, "ioctl": _ENOTTY}  # the C library and Python know what to do then
    for name, number in numbers.items():
        if name in answers:
            steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _REFUSE | answers[name])]
            continue
        test = conditional.get(name, [])
        steps += [(_EQUAL, 0, len(test) + (2 if test else 1), number), *test, (_RETURN, 0, 0, _GRANT)]
        if test:
            steps.append((_RETURN, 0, 0, _REFUSE | _EPERM))
    return [*steps, (_RETURN, 0, 0, _REFUSE | _EPERM)]


def _one_of(offset: int, values: Sequence[int]) -> list[Step]:
    """Steps that go on behind themselves for one of ``values``, and one further for any other."""
    tests = [(_EQUAL, len(values) - 1 - n, 0 if n + 1 < len(values) else 1, v) for n, v in enumerate(values)]
    return [(_LOAD, 0, 0, offset), *tests]


def close_kernel() -> None:
    """Put the filter in force for every thread to come. Raises NotIsolatedError."""
    steps = program(syscalls(), _ARCHITECTURES[platform.machine()])
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(buffer)))
    if _libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(2), header, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
        raise NotIsolatedError("the kernel takes no filter of system calls")


# ---- does it hold?


def check(canary: str, parent: int) -> None:
    """Try what must not work. ``canary`` is a file outside that this user could read, ``parent`` salus's process.

    Raises NotIsolatedError naming the first wall that did not hold.
    """
    trials: tuple[tuple[str, Callable[[], object]], ...] = (
        ("a file outside can be read", lambda: Path(canary).read_bytes()),
        ("a folder outside can be listed", lambda: list(Path(canary).parent.iterdir())),
        ("a file can be written", lambda: os.open(f"{canary}.new", os.O_WRONLY | os.O_CREAT, 0o600)),
        ("the working folder can be written", lambda: os.open("written", os.O_WRONLY | os.O_CREAT, 0o600)),
        ("a file can be removed", lambda: Path(canary).unlink()),
        ("the environment of salus can be read", lambda: Path(f"/proc/{parent}/environ").read_bytes()),
        ("its own process can be looked into", lambda: Path("/proc/self/environ").read_bytes()),
        ("a network can be reached", lambda: socket.socket(socket.AF_INET)),
        ("a local socket can be opened", lambda: socket.socket(socket.AF_UNIX)),
        ("a pair of sockets can be opened", socket.socketpair),
        ("a process can be started", _forked),
        ("a program can be started", _executed),
        ("salus's process can be signalled", lambda: os.kill(parent, 0)),
        ("its parent can be signalled", lambda: os.kill(os.getppid(), 0)),
        ("a session can be opened", os.setsid),
        ("memory of others can be read", lambda: _read_memory(parent)),
        ("a process can be traced", lambda: _traced(parent)),
        ("a limit can be raised", _raised),
    )
    for what, trial in trials:
        if _works(trial):
            raise NotIsolatedError(f"the walls do not hold: {what}")
    if os.environ.keys() - {"LC_ALL", "LC_CTYPE", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"}:
        raise NotIsolatedError("the walls do not hold: an environment was inherited")


def _works(trial: Callable[[], object]) -> bool:
    with suppress(OSError, ValueError):
        trial()
        return True
    return False


def _forked() -> None:
    if os.fork() == 0:
        os._exit(0)


def _executed() -> None:
    os.execv(sys.executable, [sys.executable, "-c", ""])  # noqa: S606 - it must fail


def _read_memory(parent: int) -> None:
    _succeed(_libc.process_vm_readv(ctypes.c_int(parent), None, ctypes.c_ulong(0), None, ctypes.c_ulong(0), None))


def _traced(parent: int) -> None:
    _succeed(_libc.ptrace(ctypes.c_long(16), ctypes.c_long(parent), None, None))  # PTRACE_ATTACH


def _succeed(answer: int) -> None:
    if answer < 0:
        raise OSError(ctypes.get_errno(), "refused")


def _raised() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
