"""The filter of system calls, walked through step by step for both architectures, and its table."""

import errno

import pytest

from salus.app.sandbox import walls as sandbox_walls
from salus.app.sandbox.walls import NotIsolatedError, program, syscalls

ARCHITECTURES = sandbox_walls._ARCHITECTURES
X86, ARM = ARCHITECTURES["x86_64"], ARCHITECTURES["aarch64"]
KILL, ALLOW = 0x80000000, 0x7FFF0000
FOREIGN = {
    "x86_64": {
        "socket": 41, "connect": 42, "bind": 49, "fork": 57, "vfork": 58, "execve": 59, "kill": 62, "ptrace": 101,
        "unlink": 87, "rename": 82, "chmod": 90, "tgkill": 234, "execveat": 322, "pidfd_send_signal": 424,
        "io_uring_enter": 426, "memfd_create": 319, "process_vm_writev": 311, "prctl": 157, "setrlimit": 160,
    },
    "aarch64": {
        "socket": 198, "connect": 203, "bind": 200, "execve": 221, "kill": 129, "ptrace": 117, "unlinkat": 35,
        "tgkill": 131, "execveat": 281, "io_uring_enter": 426, "memfd_create": 279, "process_vm_writev": 271,
        "prctl": 167, "setrlimit": 164,
    },
}  # fmt: skip
"""Calls that must not pass: asm/unistd_64.h and asm-generic/unistd.h."""


def walk(steps, number, arguments=(), architecture=X86):
    """The answer of a filter, by the rules of classic BPF (linux/filter.h)."""
    data = {0: number, 4: architecture}
    for n in range(6):
        value = arguments[n] if n < len(arguments) else 0
        data[16 + 8 * n], data[20 + 8 * n] = value & 0xFFFFFFFF, value >> 32
    at = accumulator = 0
    while True:
        code, yes, no, value = steps[at]
        at += 1
        match code:
            case 0x20:
                accumulator = data[value]
            case 0x15:
                at += yes if accumulator == value else no
            case 0x45:
                at += yes if accumulator & value else no
            case 0x06:
                return value


@pytest.fixture(params=ARCHITECTURES)
def machine(request, monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: request.param)
    numbers = syscalls()
    code = ARCHITECTURES[request.param]
    steps = program(numbers, code)
    return request.param, numbers, lambda number, *arguments: walk(steps, number, arguments, code)


def refused(how=errno.EPERM):
    return 0x00050000 | how


def test_what_is_listed_passes_and_nothing_else(machine):
    name, numbers, ask = machine
    special = {"clone", "clone3", "ioctl"}
    for call, number in numbers.items():
        if call not in special:
            assert ask(number) == ALLOW, call
    others = set(range(-0, 1024)) - set(numbers.values())
    assert {ask(number) for number in others} == {refused()}
    assert not set(FOREIGN[name].values()) & set(numbers.values())
    assert ask(0x40000000 + numbers["read"]) == refused()


def test_threads_pass_and_processes_do_not(machine):
    _, numbers, ask = machine
    assert ask(numbers["clone"], 0x10000 | 0x100) == ALLOW
    assert ask(numbers["clone"], 17) == refused()
    assert ask(numbers["clone"], 1 << 48) == refused(), "only the low half holds flags"
    assert ask(numbers["clone3"], 0x10000) == refused(errno.ENOSYS)
    assert ask(numbers["ioctl"], 0, 0x5412) == refused(errno.ENOTTY)


def test_limits_may_be_read_and_not_set(machine):
    _, numbers, ask = machine
    assert ask(numbers["prlimit64"], 0, 7, 0, 1 << 40) == ALLOW
    for new in (1, 1 << 32, 1 << 40):
        assert ask(numbers["prlimit64"], 0, 7, new) == refused()


def test_no_signals_by_fcntl(machine):
    _, numbers, ask = machine
    passing = {command for command in range(2048) if ask(numbers["fcntl"], 3, command) == ALLOW}
    assert passing == {0, 1, 2, 3, 4, 5, 6, 1030}
    assert ask(numbers["fcntl"], 3, 8) == refused()
    assert ask(numbers["fcntl"], 3, 10) == refused()


def test_another_architectures_calls_kill():
    steps = program({"read": 0}, X86)
    assert walk(steps, 0, (), X86) == ALLOW
    assert walk(steps, 0, (), ARM) == KILL
    assert walk(steps, 3, (), 3 | 0x40000000) == KILL, "i386: 3 is read there"


@pytest.mark.parametrize("name", ["riscv64", "i686", "", "arm64e"])
def test_a_machine_without_a_table_is_refused(monkeypatch, name):
    monkeypatch.setattr("platform.machine", lambda: name)
    with pytest.raises(NotIsolatedError, match="no filter of system calls"):
        syscalls()


def test_a_process_of_32_bits_is_refused(monkeypatch):
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr("sys.maxsize", (1 << 31) - 1)
    with pytest.raises(NotIsolatedError):
        syscalls()
