"""Keys at hand: the private keys of actors on this machine, enrolment with their public keys, and the master key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from salus.app.acts import Outcome
from salus.app.config import Configuration
from salus.app.house import House
from salus.errors import ConfigurationError, InputError
from salus.trust import policy, vault
from salus.trust.identity import DEMO_PREFIX, Actor, Identity, Kind, identity_path
from salus.trust.wrapping import FILE_VARIABLE, MASTER, PROGRAM_VARIABLE, FileProvider, KeyProvider, ProgramProvider


def identity(configuration: Configuration, name: str) -> Identity:
    """The actor ``name`` with the private key in the identities folder. Raises ConfigurationError where there is none.

    A demonstration actor needs no file.
    """
    return Identity.load(configuration.identities, name)


def new_identity(configuration: Configuration, name: str) -> Identity:
    """A new key pair for ``name``, not saved yet, once it is sure that it can be saved under that name.

    Raises InputError for a name that nobody may have, ConfigurationError where a key of that name is there.
    """
    path = identity_path(configuration.identities, name)
    if name.startswith(DEMO_PREFIX):
        raise InputError(f"names that begin with {DEMO_PREFIX!r} are kept for demonstrations")
    if path.exists():
        raise ConfigurationError("an identity of this name is there already", where=str(path))
    return Identity.generate(name)


def enrol(house: House, name: str, kind: Kind, public_key: bytes, patient: str = "", *, by: str) -> Outcome:
    """Enrol an actor with the 32 bytes of its public key; for the rest see :meth:`House.add_actor`."""
    return house.add_actor(Actor(name, kind, public_key, patient), by=by)


def fingerprint(public_key: bytes) -> str:
    """A public key in a form that two people can compare."""
    return vault.fingerprint(public_key)


def sign_policy(configuration: Configuration, organisation: str, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """A policy document with the organisation's name and signature."""
    return policy.sign({**document, "organisation": organisation}, identity(configuration, organisation))


# ---- the master key


@dataclass(frozen=True, slots=True)
class Rotated:
    """All keys were wrapped anew. ``setting`` is what must stand in the environment from now on, "" for no change."""

    generation: int
    setting: str = ""


def rotate(house: House, by: str, *, to_file: Path | None = None, to_program: Path | None = None) -> Rotated:
    """Wrap all keys anew and destroy what wrapped them before; logged.

    The master key moves to a file or to a program where one is named. Raises InputError for a file inside the store.
    """
    if to_file and to_program:
        raise InputError("one master key, not two", where="--to-file, --to-program")
    if to_file and house.configuration.store.resolve() in to_file.expanduser().resolve().parents:
        raise InputError("the master key would lie inside the store", where="--to-file", remedy="name another folder")
    provider: KeyProvider | None = None
    setting = ""
    if to_file:
        provider = file = FileProvider(to_file.expanduser().absolute())
        file.create()
        setting = f"{FILE_VARIABLE}={file.path}"
    elif to_program:
        place = to_program.expanduser().absolute()
        provider, setting = ProgramProvider(place), f"{PROGRAM_VARIABLE}={place}"
    house.vault.rotate(provider)
    generation = house.vault.generation
    house.note(by, {"reason": "keys-rotated", "generation": generation, "to": house.vault.provider.name})
    return Rotated(generation, setting)


def copy(house: House, target: Path) -> bool:
    """Copy the folder of the keys while nobody changes it. Returns whether the master key lies in the copy."""
    house.vault.copy(target)
    return (target / MASTER).exists()
