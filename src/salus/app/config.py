"""Settings: ``salus.toml`` and ``SALUS_*`` variables. Secrets are only ever named by file, never beside the store."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from salus.errors import ConfigurationError
from salus.record.schema import missing, moved_away

STORE_FILE = "record.sqlite"


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its name in salus.toml, the variable that overrides it, its default and what it means."""

    name: str
    variable: str
    default: str
    meaning: str


SETTINGS = (
    Setting("store", "SALUS_STORE", "~/.local/share/salus", "folder of the store"),
    Setting("keys", "SALUS_KEYS", "~/.config/salus/keys", "folder of the store's keys; never inside the store"),
    Setting("identities", "SALUS_IDENTITIES", "~/.config/salus/identities", "folder of your own private keys"),
    Setting("knowledge", "SALUS_KNOWLEDGE", "~/.config/salus/knowledge", "folder of knowledge files for methods"),
    Setting("database", "SALUS_DATABASE", "", "address of a PostgreSQL database for the store, if not a file"),
)


@dataclass(frozen=True, slots=True)
class Configuration:
    """Where things are."""

    store: Path
    keys: Path
    identities: Path
    knowledge: Path
    database: str = ""
    """The address of a database of PostgreSQL; "" where the store is a file."""

    @property
    def made(self) -> bool:
        """Whether there is a store. Of a database, only who opens it can tell."""
        return bool(self.database) or self.store_file.is_file()

    def check_made(self) -> None:
        """Raise StoreError where there is no store."""
        if not self.made:
            raise missing(self.store_file)

    @property
    def moved_away(self) -> Path | None:
        """The file in which the store was before it was moved into a database, while it is still there."""
        place = moved_away(self.store_file)
        return place if place.exists() else None

    @property
    def store_file(self) -> Path:
        """The store's SQLite file."""
        return self.store / STORE_FILE

    def told(self) -> dict[str, str]:
        """As another process is told of it."""
        return {setting.name: str(getattr(self, setting.name)) for setting in SETTINGS}

    @classmethod
    def of(cls, told: Mapping[str, str]) -> Configuration:
        """Inverse of :meth:`told`."""
        places = {name: Path(told[name]) for name in ("store", "keys", "identities", "knowledge")}
        return cls(**places, database=told["database"])

    def check(self) -> Configuration:
        """Refuse keys that would lie inside the store's folder, where a copied store would take them along.

        And an address of a database that is none, or tells a password: it would stand in a file that is no secret.
        """
        if self.database:
            parts = urlsplit(self.database)
            if parts.scheme not in ("postgresql", "postgres") or parts.password or "password" in parts.query:
                remedy = "postgresql://USER@HOST/NAME, and the password in a file: see PGPASSFILE"
                raise ConfigurationError("not an address of PostgreSQL without a password", "database", remedy)
        for name in ("keys", "identities"):
            folder: Path = getattr(self, name).resolve()
            if folder == self.store.resolve() or self.store.resolve() in folder.parents:
                raise ConfigurationError(
                    f"the folder of the {name} lies inside the store",
                    where=str(folder),
                    remedy=f"move {name} elsewhere",
                )
        return self


def load(file: Path | None = None, environment: Mapping[str, str] = os.environ) -> Configuration:
    """Settings from ``file`` (default: ./salus.toml where there is one), overridden by the environment."""
    path = file or Path("salus.toml")
    written: dict[str, object] = {}
    if file is not None or path.is_file():
        try:
            written = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError as error:
            raise ConfigurationError("no such settings file", where=str(path)) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"settings that cannot be read: {error}", where=str(path)) from error
    unknown = set(written) - {s.name for s in SETTINGS}
    if unknown:
        known = ", ".join(s.name for s in SETTINGS)
        raise ConfigurationError(f"unknown setting {sorted(unknown)[0]!r}", where=str(path), remedy=f"one of {known}")
    values = {}
    for setting in SETTINGS:
        value = environment.get(setting.variable) or written.get(setting.name, setting.default)
        if not isinstance(value, str):
            raise ConfigurationError(f"{setting.name} must be a text", where=str(path))
        values[setting.name] = value
    database = values.pop("database")
    return Configuration(**{n: Path(v).expanduser() for n, v in values.items()}, database=database).check()


def at_folder(folder: Path) -> Configuration:
    """Everything under one folder (store, keys, identities, knowledge side by side): for demonstrations and tests."""
    return Configuration(folder / "store", folder / "keys", folder / "identities", folder / "knowledge")
