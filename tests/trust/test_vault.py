"""The vault: keys survive kills between any two steps, dropped ones are gone, and old copies open nothing."""

import fcntl
import hashlib
import hmac
import os
import shutil
import stat
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.keywrap import aes_key_wrap
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from salus.cli.keys import keys as keys_command
from salus.cli.main import cli
from salus.errors import ConfigurationError, InputError, IntegrityError, SalusError
from salus.trust import keyring, vault, wrapping
from salus.trust.vault import SYSTEM, Vault
from salus.trust.wrapping import FILE_VARIABLE, PROGRAM_VARIABLE, FileProvider, ProgramProvider, chosen, derive

CONTEXT = b"a place"
PROGRAM = """#!{python}
import json, os, sys
from pathlib import Path
folder = Path(__file__).parent / "token"
operation, given = sys.argv[1], json.load(sys.stdin)
keys = sorted(folder.glob("*"), key=lambda p: int(p.name))
def mask(key, data):
    return bytes(a ^ b for a, b in zip(data, key))
if operation == "describe":
    answer = {{"name": "a token", "renewable": True}}
elif operation == "wrap":
    key = keys[-1].read_bytes()
    answer = {{"wrapped": keys[-1].name.zfill(4) + mask(key, bytes.fromhex(given["key"])).hex() + given["context"]}}
elif operation == "unwrap":
    text = given["wrapped"]
    if text[68:] != given["context"]:
        sys.exit(3)
    answer = {{"key": mask((folder / str(int(text[:4]))).read_bytes(), bytes.fromhex(text[4:68])).hex()}}
elif operation == "renew":
    folder.mkdir(exist_ok=True)
    (folder / str(int(keys[-1].name) + 1 if keys else 1)).write_bytes(os.urandom(32))
    answer = {{}}
elif operation == "retire":
    for key in keys[:-1]:
        key.unlink()
    answer = {{}}
print(json.dumps(answer))
"""


@pytest.fixture(autouse=True)
def no_named_master(monkeypatch):
    for variable in (FILE_VARIABLE, PROGRAM_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def sealed(keys, *patients):
    """Something sealed for each patient."""
    for patient in patients:
        keys.create(patient)
    return {patient: keys.seal(patient, patient.encode(), CONTEXT) for patient in patients}


def opens(keys, patient, data):
    try:
        return keys.unseal(patient, data, CONTEXT) == patient.encode()
    except IntegrityError:
        return False


def program(folder):
    """A stand-in for a token, renewable."""
    path = folder / "token-program"
    path.write_text(PROGRAM.format(python=sys.executable))
    path.chmod(0o700)
    provider = ProgramProvider(path)
    provider.renew()
    return provider


def earlier(folder, patients):
    """A key folder as release 0.1 made it. Returns what was sealed under its keys."""
    master, data = os.urandom(32), {}
    vault.write_durably(folder / "house.key", os.urandom(32))
    vault.write_durably(folder / "master.key", master)
    for patient in patients:
        key = os.urandom(32)
        name = hmac.digest(derive(master, "names"), patient.encode(), "sha256").hex()
        place = folder / "patients" / name[:2] / f"{name[2:]}.key"
        vault.write_durably(place, aes_key_wrap(derive(master, "wrap"), key))
        data[patient] = wrapping.lock(derive(key, "seal"), patient.encode(), CONTEXT)
        data[f"mac {patient}"] = hmac.digest(derive(key, "mac"), b"x", "sha256")
    data["system"] = wrapping.lock(derive(derive(master, "system"), "seal"), b"house", CONTEXT)
    data["blind"] = hmac.digest(derive(master, "index"), b"t", "sha256")[:16]
    return data


# ---- kills


class Fatal:
    """Ends the process, without any clean-up, at one of the operations on files."""

    def __init__(self, monkeypatch, at):
        self.at, self.count = at, 0
        for owner, name in ((os, "fsync"), (os, "pwrite"), (os, "utime"), (Path, "replace"), (Path, "unlink")):
            monkeypatch.setattr(owner, name, self.watched(getattr(owner, name)))

    def watched(self, operation):
        def run(*arguments, **named):
            self.count += 1
            if self.count == self.at:
                os._exit(9)
            return operation(*arguments, **named)

        return run


def killed_at(step, action):
    """Run ``action`` in a process of its own that dies at file operation ``step``. True where it came to its end."""
    child = os.fork()
    if child == 0:
        with pytest.MonkeyPatch.context() as patch:
            Fatal(patch, step)
            try:
                action()
            except BaseException:
                os._exit(7)
            os._exit(0)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, 9), code
    return code == 0


def tidy(folder):
    """Nothing is left of an interrupted rewrap, nor of earlier generations."""
    names = sorted(p.name for p in folder.iterdir())
    assert not list(folder.rglob(".*")), names
    assert [n for n in names if n.startswith("pack.")] == [f"pack.{Vault(folder).generation}"]
    assert (folder / "master.key").stat().st_size == 32
    assert not {"rewrap", "house.key"} & {*names}


def test_a_shred_killed_at_any_step_loses_no_survivor_and_is_completed(tmp_path):
    start = tmp_path / "start"
    keys = Vault.make(start)
    packed = sealed(keys, "a", "b", "c")
    keys.rotate()
    loose = sealed(keys, "d", "e")
    data = {**packed, **loose}
    steps, done = 0, False
    outcomes = set()
    while not done:
        steps += 1
        folder = tmp_path / str(steps)
        shutil.copytree(start, folder)
        done = killed_at(steps, lambda folder=folder: Vault(folder).shred("b", "d"))
        begun = done or (folder / "rewrap").exists() or Vault(folder).generation > keys.generation
        again = Vault(folder)
        assert all(opens(again, p, data[p]) for p in ("a", "c", "e")), f"a survivor was lost at step {steps}"
        gone = [p for p in ("b", "d") if not opens(again, p, data[p])]
        assert gone == (["b", "d"] if begun else []), f"step {steps}"
        assert [again.shredded(p) for p in ("b", "d")] == [begun] * 2
        outcomes.add(begun)
        again.rotate()
        tidy(folder)
        assert opens(Vault(folder), "e", data["e"])
        shutil.rmtree(folder)
    assert steps > 25, "the kills did not reach into the work"
    assert outcomes == {True, False}


@pytest.mark.parametrize("elsewhere", [False, True])
def test_keys_of_the_release_before_are_brought_over_whatever_step_is_killed(tmp_path, monkeypatch, elsewhere):
    start = tmp_path / "start"
    data = earlier(start, ["a", "b"])
    house = (start / "house.key").read_bytes()
    steps, done = 0, False
    while not done:
        steps += 1
        folder = tmp_path / str(steps)
        shutil.copytree(start, folder)
        if elsewhere:
            monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / f"{steps}-master"))
        done = killed_at(steps, lambda folder=folder: Vault(folder))
        keys = Vault(folder)
        assert all(opens(keys, p, data[p]) for p in ("a", "b")), f"a key was lost at step {steps}"
        assert keys.mac("a", b"x") == data["mac a"]
        assert keys.unseal(SYSTEM, data["system"], CONTEXT) == b"house"
        assert keys.blind("t") == data["blind"]
        assert keys.house.private_bytes_raw() == house
        assert not (folder / "rewrap").exists()
        assert not (folder / "house.key").exists()
        assert not list(folder.glob("patients/*/*.key"))
        if elsewhere:
            assert not (folder / "master.key").exists()
        else:
            tidy(folder)
        shutil.rmtree(folder)
    assert steps > 15, "the kills did not reach into the work"


def test_a_damaged_key_of_the_release_before_stops_the_bringing_over_and_is_named(tmp_path):
    folder = tmp_path / "keys"
    earlier(folder, ["a", "b"])
    place = next(folder.glob("patients/*/*.key"))
    place.write_bytes(bytes(40))
    before = {p: p.read_bytes() for p in folder.rglob("*.key")}
    with pytest.raises(IntegrityError, match=place.name):
        Vault(folder)
    assert {p: p.read_bytes() for p in folder.rglob("*.key")} == before


# ---- several processes


def test_another_process_notices_a_new_generation_at_once(tmp_path):
    keys = Vault.make(tmp_path / "keys")
    data = sealed(keys, "a", "b")
    worker = Vault(tmp_path / "keys")
    assert opens(worker, "a", data["a"])
    assert opens(worker, "b", data["b"])
    keys.shred("a")
    assert worker.marked("a")
    with pytest.raises(IntegrityError, match="missing"):
        worker.unseal("a", data["a"], CONTEXT)
    assert opens(worker, "b", data["b"])
    worker.create("c")
    more = worker.seal("c", b"c", CONTEXT)
    assert opens(keys, "c", more)
    keys.create("a")
    assert not worker.shredded("a")
    assert worker.mac("a", b"x") == keys.mac("a", b"x")
    assert not opens(worker, "a", data["a"])


def test_who_reads_a_key_while_it_moves_into_a_pack_gets_it(tmp_path, monkeypatch):
    keys, worker = Vault.make(tmp_path / "keys"), Vault(tmp_path / "keys")
    data = sealed(keys, "a")
    found = keyring._content
    moved = []

    def moving(path):
        if not moved:
            moved.append(path)
            keys.rotate()
        return found(path)

    with monkeypatch.context() as patch:
        patch.setattr(keyring, "_content", moving)
        assert opens(worker, "a", data["a"])
    assert moved


def test_a_key_that_is_made_in_the_moment_of_a_new_generation_is_of_that(tmp_path, monkeypatch):
    keys, worker = Vault.make(tmp_path / "keys"), Vault(tmp_path / "keys")
    locked = worker._ring.locked

    def late():
        keys.rotate()
        return locked()

    monkeypatch.setattr(worker._ring, "locked", late)
    data = sealed(worker, "a")
    assert opens(Vault(tmp_path / "keys"), "a", data["a"])
    assert opens(keys, "a", data["a"])


def test_who_makes_a_key_completes_first_what_was_begun(tmp_path):
    folder = tmp_path / "keys"
    keys = Vault.make(folder)
    old = sealed(keys, "a")["a"]
    assert any(not killed_at(n, lambda: Vault(folder).shred("a")) and (folder / "rewrap").exists() for n in range(2, 9))
    assert keys.generation == 1
    new = sealed(keys, "a")["a"]
    assert not opens(keys, "a", old)
    assert opens(Vault(folder), "a", new)
    tidy(folder)


def test_keys_that_are_made_while_others_shred_survive(tmp_path):
    folder = tmp_path / "keys"
    keys = Vault.make(folder)
    sealed(keys, *(f"old-{n}" for n in range(20)))
    child = os.fork()
    if child == 0:
        try:
            other = Vault(folder)
            for n in range(20):
                other.shred(f"old-{n}")
        finally:
            os._exit(0)
    data = {}
    running = True
    while running or len(data) < 20:
        running = running and os.waitpid(child, os.WNOHANG) == (0, 0)
        data |= sealed(keys, f"new-{len(data)}")
    fresh = Vault(folder)
    assert fresh.generation == 21
    assert all(opens(fresh, p, d) for p, d in data.items())
    assert not any(fresh.holds(f"old-{n}") for n in range(20))


# ---- old copies


def test_an_old_copy_of_the_folder_opens_nothing_once_the_master_key_elsewhere_was_renewed(tmp_path, monkeypatch):
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "elsewhere" / "master"))
    folder, old = tmp_path / "keys", tmp_path / "old"
    keys = Vault.make(folder)
    data = sealed(keys, "a", "b")
    shutil.copytree(folder, old)
    assert opens(Vault(old), "a", data["a"])
    keys.shred("a")
    with pytest.raises(IntegrityError, match="master key"):
        Vault(old)
    assert opens(Vault(folder), "b", data["b"])


def test_a_copy_is_whole_and_is_made_while_nobody_changes_the_folder(tmp_path, monkeypatch):
    keys = Vault.make(tmp_path / "keys")
    data = sealed(keys, "a")
    (tmp_path / "keys" / ".ring-left").touch()
    held = []
    copytree = shutil.copytree

    def watched(*arguments, **named):
        with pytest.raises(BlockingIOError), (tmp_path / "keys" / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held.append(True)
        return copytree(*arguments, **named)

    monkeypatch.setattr(shutil, "copytree", watched)
    keys.copy(tmp_path / "copy")
    assert held
    assert opens(Vault(tmp_path / "copy"), "a", data["a"])
    assert stat.S_IMODE((tmp_path / "copy" / "ring").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "copy").stat().st_mode) == 0o700
    assert not list((tmp_path / "copy").glob(".*"))
    with pytest.raises(ConfigurationError, match="already"):
        keys.copy(tmp_path / "copy")


def test_parts_of_an_old_copy_give_an_erased_key_back_to_nobody(tmp_path):
    folder, old = tmp_path / "keys", tmp_path / "old"
    keys = Vault.make(folder)
    data = sealed(keys, "a", "b")
    shutil.copytree(folder, old)
    keys.shred("a")
    shutil.copytree(old / "patients", folder / "patients", dirs_exist_ok=True)
    with pytest.raises(IntegrityError, match="another copy"):
        Vault(folder).unseal("a", data["a"], CONTEXT)
    assert opens(Vault(folder), "b", data["b"])
    shutil.copy(old / "pack.1", folder / "pack.2")
    with pytest.raises(IntegrityError, match="damaged"):
        Vault(folder)


def test_a_whole_old_copy_with_its_master_key_still_opens_everything(tmp_path):
    """This is what threats.md warns of: where the master key lies in the folder, copies of it are to be destroyed."""
    folder, old = tmp_path / "keys", tmp_path / "old"
    keys = Vault.make(folder)
    data = sealed(keys, "a")
    shutil.copytree(folder, old)
    keys.shred("a")
    assert opens(Vault(old), "a", data["a"])


def test_what_wrapped_the_keys_before_is_overwritten(tmp_path):
    folder = tmp_path / "keys"
    keys = Vault.make(folder)
    sealed(keys, "a")
    kept = {}
    for name in ("ring", "master.key"):
        os.link(folder / name, tmp_path / name)  # the same blocks of the disk
        kept[name] = (folder / name).read_bytes()
    keys.rotate()
    for name, before in kept.items():
        assert (tmp_path / name).read_bytes() == bytes(len(before))
        assert (folder / name).read_bytes() != before
        assert stat.S_IMODE((folder / name).stat().st_mode) == 0o600


# ---- providers


def test_a_program_holds_the_master_key(tmp_path):
    provider = program(tmp_path)
    keys = Vault.make(tmp_path / "keys", provider)
    data = sealed(keys, "a", "b")
    old = tmp_path / "old"
    shutil.copytree(tmp_path / "keys", old)
    keys.shred("a")
    assert [p.name for p in (tmp_path / "token").iterdir()] == ["2"]
    again = Vault(tmp_path / "keys", ProgramProvider(tmp_path / "token-program"))
    assert opens(again, "b", data["b"])
    assert not (tmp_path / "keys" / "master.key").exists()
    with pytest.raises(SalusError):
        Vault(old, ProgramProvider(tmp_path / "token-program"))
    with pytest.raises(ConfigurationError, match="wrapped by program a token, not by file"):
        Vault(tmp_path / "keys")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("exit 5", "exit status 5"),
        ("echo '[]'", "no JSON object"),
        ("echo secret", "no JSON"),
        ("""echo '{"renewable": true}'""", "no name"),
    ],
)
def test_a_program_that_fails_is_named_and_not_quoted(tmp_path, body, told):
    path = tmp_path / "program"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o700)
    with pytest.raises(ConfigurationError, match=told) as caught:
        ProgramProvider(path)
    assert "secret" not in str(caught.value)
    path.unlink()
    with pytest.raises(ConfigurationError, match="FileNotFoundError"):
        ProgramProvider(path)


def test_the_environment_names_the_master_key(tmp_path):
    assert chosen(tmp_path, {}).path == tmp_path / "master.key"
    assert chosen(tmp_path, {FILE_VARIABLE: "/somewhere/else"}).path == Path("/somewhere/else")
    program(tmp_path)
    assert chosen(tmp_path, {PROGRAM_VARIABLE: str(tmp_path / "token-program")}).name == "program a token"
    with pytest.raises(ConfigurationError, match="two master keys"):
        chosen(tmp_path, {FILE_VARIABLE: "a", PROGRAM_VARIABLE: "b"})


def test_a_master_key_that_is_handed_over_as_a_descriptor_is_read_once_and_never_renewed(tmp_path):
    reading, writing = os.pipe()
    os.write(writing, bytes(range(32)))
    os.close(writing)
    provider = FileProvider(Path(f"/dev/fd/{reading}"))
    keys = Vault.make(tmp_path / "keys", provider)
    data = sealed(keys, "a", "b")
    keys.shred("a")
    os.close(reading)
    assert not provider.renewable
    again = Vault(tmp_path / "keys", provider)
    assert opens(again, "b", data["b"])
    assert not opens(again, "a", data["a"])


def test_the_master_key_moves_to_another_holder_and_the_file_is_destroyed(tmp_path):
    folder = tmp_path / "keys"
    keys = Vault.make(folder)
    data = sealed(keys, "a")
    target = FileProvider(tmp_path / "first")
    target.create()
    keys.rotate(target)
    assert not (folder / "master.key").exists()
    with pytest.raises(ConfigurationError, match="master key file"):
        Vault(folder)
    keys = Vault(folder, target)
    keys.rotate(program(tmp_path))
    assert not (tmp_path / "first").exists()
    assert opens(Vault(folder, ProgramProvider(tmp_path / "token-program")), "a", data["a"])


@pytest.mark.parametrize("damage", [b"", bytes(31), bytes(33)])
def test_a_damaged_master_key_is_named(tmp_path, damage):
    folder = tmp_path / "keys"
    Vault.make(folder)
    (folder / "master.key").write_bytes(damage)
    with pytest.raises(ConfigurationError, match=r"master\.key: .*damaged"):
        Vault(folder)


def test_every_bit_of_the_ring_and_the_pack_is_guarded(tmp_path):
    folder = tmp_path / "keys"
    keys = Vault.make(folder)
    data = sealed(keys, "a")
    keys.rotate()
    for name in ("ring", "pack.2"):
        whole = (folder / name).read_bytes()
        for place in range(0, len(whole), 7):
            changed = bytearray(whole)
            changed[place] ^= 1
            (folder / name).write_bytes(bytes(changed))
            try:
                again = Vault(folder)
            except (IntegrityError, ConfigurationError):
                continue
            assert opens(again, "a", data["a"]), (name, place)  # a letter of a hex digit's case, say
        (folder / name).write_bytes(whole)


def test_keys_are_made_once(tmp_path):
    Vault.make(tmp_path / "keys")
    with pytest.raises(ConfigurationError, match="already"):
        Vault.make(tmp_path / "keys")
    with pytest.raises(ConfigurationError, match="missing"):
        Vault(tmp_path / "nothing")
    assert Vault.unused(tmp_path / "keys")
    (tmp_path / "keys" / "log.checkpoint").touch()
    assert not Vault.unused(tmp_path / "keys")


def test_a_making_that_was_interrupted_is_made_whole(tmp_path):
    steps, done = 0, False
    while not done:
        steps += 1
        folder = tmp_path / str(steps)
        done = killed_at(steps, lambda folder=folder: Vault.make(folder))
        keys = Vault(folder) if Vault.unused(folder) else Vault.make(folder)
        assert opens(keys, "a", sealed(keys, "a")["a"])
    assert steps > 5


def test_secrets_have_the_sizes_that_they_are_cut_by():
    secrets = keyring.Secrets.fresh()
    assert {len(getattr(secrets, f.name)) for f in fields(secrets)} == {32}
    assert keyring.Secrets.from_bytes(secrets.to_bytes()) == secrets
    assert hashlib.sha256(secrets.to_bytes()).digest() != hashlib.sha256(keyring.Secrets.fresh().to_bytes()).digest()


def test_what_is_veiled_names_nobody_and_ends_with_its_key(tmp_path):
    keys = Vault.make(tmp_path / "keys")
    told = {"id": "pat", "patient": "p1", "name": "Ada Example"}
    first, second = keys.veil(told), keys.veil(told)
    assert first["key"] != second["key"]
    assert not any(word in repr(first) for word in ("pat", "p1", "Ada"))
    assert keys.unveil(first) == keys.unveil(second) == told
    keys.shred(first["key"])
    assert keys.unveil(first) is None
    assert Vault(tmp_path / "keys").unveil(second) == told
    with pytest.raises(IntegrityError, match="changed"):
        keys.unveil({**second, "sealed": "00" * 40})
    with pytest.raises(IntegrityError, match="missing"):
        keys.unveil({**second, "key": "veil:of another folder"})


# ---- any order of events


class Machine(RuleBasedStateMachine):
    """Keys are made, dropped, made again and wrapped anew, by two processes; a model says what must open."""

    @initialize(folder=st.builds(lambda: None))
    def begin(self, folder):
        import tempfile

        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name) / "keys"
        self.vaults = [Vault.make(self.folder), Vault(self.folder)]
        self.alive, self.dead, self.marked = {}, [], set()

    @rule(who=st.integers(0, 1), patient=st.sampled_from("abcde"))
    def create(self, who, patient):
        keys = self.vaults[who]
        keys.create(patient)
        self.alive.setdefault(patient, []).append(keys.seal(patient, patient.encode(), CONTEXT))

    @rule(who=st.integers(0, 1), patients=st.sets(st.sampled_from("abcde"), max_size=3))
    def shred(self, who, patients):
        self.vaults[who].shred(*patients)
        for patient in patients:
            self.dead += [(patient, data) for data in self.alive.pop(patient, [])]
        self.marked |= patients

    @rule(who=st.integers(0, 1))
    def rotate(self, who):
        self.vaults[who].rotate()

    @rule(who=st.integers(0, 1))
    def reopen(self, who):
        self.vaults[who] = Vault(self.folder)

    @invariant()
    def what_lives_opens_and_what_is_dead_does_not(self):
        if not hasattr(self, "vaults"):
            return
        for keys in self.vaults:
            assert all(opens(keys, p, data) for p, found in self.alive.items() for data in found)
            assert not any(opens(keys, p, data) for p, data in self.dead)
            for patient in "abcde":
                assert keys.holds(patient) == (patient in self.alive)
                assert keys.marked(patient) == (patient in self.marked)
                assert keys.shredded(patient) == (patient in self.marked and patient not in self.alive)

    def teardown(self):
        if hasattr(self, "home"):
            self.home.cleanup()


Machine.TestCase.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestMachine = Machine.TestCase


def test_the_commands(tmp_path, monkeypatch):
    for name in ("STORE", "KEYS", "IDENTITIES", "KNOWLEDGE"):
        monkeypatch.setenv(f"SALUS_{name}", str(tmp_path / name.lower()))
    run = CliRunner()
    assert run.invoke(cli, ["init"], obj={}).exit_code == 0

    def told(*words):
        done = run.invoke(keys_command, [*words, "--as", "operator"], obj={"config": None})
        assert done.exit_code == 0, done.output
        return done.output

    def refused(*words):
        return run.invoke(keys_command, [*words, "--as", "operator"], obj={"config": None}).exception

    assert "master key file, renewed at each erasure\ngeneration 1\n" in told("show")
    assert "the master key lies in it" in told("copy", str(tmp_path / "copy"))
    assert "generation 2" in told("rotate")
    assert isinstance(refused("rotate", "--to-file", str(tmp_path / "store" / "x")), InputError)
    assert isinstance(refused("rotate", "--to-file", "a", "--to-program", "b"), InputError)
    moved = told("rotate", "--to-file", str(tmp_path / "else" / "master"))
    assert f"{FILE_VARIABLE}={tmp_path / 'else' / 'master'}" in moved
    assert isinstance(refused("show"), ConfigurationError)
    monkeypatch.setenv(FILE_VARIABLE, str(tmp_path / "else" / "master"))
    assert "generation 3" in told("show")
    assert "elsewhere" in told("copy", str(tmp_path / "copy-2"))
    done = run.invoke(cli, ["verify"], obj={})
    assert "as written" in done.output
