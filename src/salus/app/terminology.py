"""The house's terminology: the shipped tables, and the user's own releases in the knowledge folder laid over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from salus.app.config import Configuration
from salus.errors import InputError, UnitError
from salus.fhir.codes import SYSTEMS, Code
from salus.terminology import doses, units
from salus.terminology.meaning import Origin
from salus.terminology.reader import Terminology, shipped
from salus.terminology.tables import File

if TYPE_CHECKING:
    from salus.terminology.releases.load import Loaded

FOLDER = "terminology"
SUFFIX = ".sqlite"


def folder_of(configuration: Configuration) -> Path:
    """The folder of the user's own releases."""
    return configuration.knowledge / FOLDER


def packs(configuration: Configuration) -> list[Path]:
    """The files of the user's own releases, in the order of their names; the later lies over the earlier."""
    folder = folder_of(configuration)
    return sorted(folder.glob(f"[!.]*{SUFFIX}")) if folder.is_dir() else []


def terminology_of(configuration: Configuration) -> Terminology:
    """What codes and words mean in this house."""
    found = packs(configuration)
    return Terminology(found) if found else shipped()


def load(configuration: Configuration, path: Path, kind: str | None = None, name: str | None = None) -> Loaded:
    """Read the release at ``path`` into a pack; an earlier pack of the same name is replaced.

    A pack that is already there and cannot be opened is no hindrance. Raises InputError for what cannot be read.
    """
    from salus.terminology.releases.load import load as read_release  # imported when asked: a load is rare

    return read_release(path, folder_of(configuration), kind, name)


def remove(configuration: Configuration, name: str) -> None:
    """Remove the pack called ``name``. Raises InputError where there is none."""
    found = {path.stem: path for path in packs(configuration)}
    if name not in found:
        known = ", ".join(found) or "there is none"
        raise InputError(f"no pack {name[:80]!r}", remedy=f"packs: {known}")
    found[name].unlink()


def origins(configuration: Configuration) -> Iterator[tuple[str, Origin]]:
    """(name of the pack, origin) of every source: first those of the shipped tables, whose pack is "", then each pack's
    in the order in which they lie over each other."""
    for origin in shipped().origins:
        yield "", origin
    for path in packs(configuration):
        for origin in File(path).origins():
            yield path.stem, origin


@dataclass(frozen=True, slots=True)
class Reading:
    """One way in which salus reads what was asked: as what, and what it makes of it."""

    kind: str
    words: str


def lookup(asked: str, terminology: Terminology) -> list[Reading]:
    """What salus makes of a code or of words: as diagnosis, medicine, measurement, unit and dose.

    A code is asked as "system|code", the system by its URI or one of the short names of the terminology. Only the kinds
    in which it is understood are given; an empty list: nobody understands it.
    """
    system, bar, code = asked.partition("|")
    codes = (Code(SHORT.get(system.lower(), system), code),) if bar else ()
    text = "" if bar else asked
    found = []
    for kind, meaning in (
        ("diagnosis", terminology.diagnosis(codes, text)),
        ("procedure", terminology.procedure(codes, text)),
    ):
        if meaning.understood:
            named = ", ".join(sorted(meaning.narrow)) or "none of salus's concepts"
            found.append(Reading(kind, f"{named} ({meaning.aspect}, by {meaning.basis})"))
    medicine = terminology.medicine(codes, text)
    if medicine.understood or medicine.nothing:
        named = " + ".join(medicine.ingredients) or ("no medicine is taken" if medicine.nothing else "no ingredient")
        classes = f"; classes: {', '.join(sorted(medicine.classes))}" if medicine.classes else ""
        strength = f"; {medicine.strength.normalize():f} mg" if medicine.strength is not None else ""
        notes = "".join(f"; {note}" for note in medicine.notes)
        found.append(Reading("medicine", f"{named}{strength}{classes}{notes} (by {medicine.basis})"))
    measure = terminology.measure(codes, text)
    if measure.understood:
        named = ", ".join(sorted(measure.concepts)) or "none of salus's concepts"
        found.append(Reading("measurement", f"{named} (by {measure.basis})"))
    return found if bar else [*found, *_unit(text), *_dose(text)]


SHORT = {**SYSTEMS, "icd10": "http://hl7.org/fhir/sid/icd-10", "icd9cm": "http://hl7.org/fhir/sid/icd-9-cm",
         "atc": "http://www.whocc.no/atc", "unii": "http://fdasis.nlm.nih.gov"}  # fmt: skip
"""Short names of code systems on the command line."""


def _unit(text: str) -> list[Reading]:
    try:
        return [Reading("unit", f"{units.canonical(text)} in UCUM")]
    except UnitError:
        return []


def _dose(text: str) -> list[Reading]:
    dose = doses.read_text(text)
    if not dose.understood or (dose.daily_low is None and dose.low is None):
        return []
    bounds = {f"{v.normalize():f}" for v in (dose.daily_low, dose.daily_high) if v is not None}
    daily = f"{' to '.join(sorted(bounds, key=float))} {dose.unit} a day" if bounds else "no daily amount"
    return [Reading("dose", f"{daily}{', only as needed' if dose.as_needed else ''}")]
