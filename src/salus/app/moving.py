"""Moving a store to another engine: from its file into a PostgreSQL database, or back. Keys and folders stay."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from salus.app.config import Configuration
from salus.app.house import House
from salus.errors import ConfigurationError, IntegrityError
from salus.record import moving

FILE = "file"
"""What is written for a target that is the file in the folder of the store."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """A store that was moved: where it is now, and what was moved."""

    configuration: Configuration
    moved: moving.Moved

    @property
    def setting(self) -> str:
        """What has to stand in the settings from now on."""
        return f'database = "{self.configuration.database}"'


def move(configuration: Configuration, to: str, progress: moving.Progress = lambda done, total: None) -> Arrived:
    """Move the store to the address ``to`` of a database, or to the :data:`FILE`. Nobody else may have it open.

    Raises ConfigurationError where it is there already or ``to`` is no address; StoreError and IntegrityError as
    :func:`salus.record.moving.move`. Then the store is where it was.
    """
    target = replace(configuration, database="" if to == FILE else to).check()
    if target.database == configuration.database:
        raise ConfigurationError("the store is there already", where=to)
    moved = moving.move(_place(configuration), _place(target), progress)
    with House(target) as house:  # which holds it to the mark in the folder of the keys
        if house.log.view(house.store.connection, moved.entries).root() != moved.root:
            raise IntegrityError("the log is not the one that was moved", where=to)
    return Arrived(target, moved)


def _place(configuration: Configuration) -> Path | str:
    return configuration.database or configuration.store_file
