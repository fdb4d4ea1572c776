"""Make the terminology tables that salus ships: ``src/salus/terminology/data/terminology.sqlite`` and ``concepts.tsv``.

    python tools/make_terminology.py ../shared/data [--pack PACK.sqlite]

Reads the facts tables of ``DATA/terminology`` (diagnoses, medicines, labs; its README names the origin and licence of
each) and writes one SQLite file whose bytes depend on the input alone. Rows whose source is not open stay out; with
``--pack`` they go to a file of the same form, which a user may load beside the shipped one.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterable
from pathlib import Path

import make_terminology_conditions as conditions
import make_terminology_measures as measures
import make_terminology_medicines as medicines
from make_terminology_read import Origin, Table, origins, write

HOME = Path(__file__).resolve().parent.parent / "src" / "salus" / "terminology" / "data"


def notice(sources: Iterable[Origin]) -> str:
    """The notices of every source in the shipped file, as Markdown."""
    lines = ["# Sources of the terminology tables", "", "Made by tools/make_terminology.py.", ""]
    for origin in sorted(sources, key=lambda o: o.name):
        lines += [f"## {origin.name}", "", f"Version {origin.version}. Licence: {origin.licence}.", ""]
        lines += [origin.notice, ""] if origin.notice else []
    return "\n".join(lines)


def main() -> None:
    """Read the facts, write the files, print what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, nargs="?", default=Path("../shared/data"))
    parser.add_argument("--pack", type=Path, help="also write the rows without an open licence to this file")
    arguments = parser.parse_args()
    folder = arguments.data / "terminology"
    conditions.write_concepts(folder, HOME / "concepts.tsv")
    shipped, pack = Table(), Table()
    conditions.build(folder / "diagnoses", shipped, pack)
    medicines.build(folder / "medicines", shipped, pack)
    measures.build(folder / "labs", shipped, pack)
    sources = origins(folder)
    HOME.mkdir(exist_ok=True)
    write(HOME / "terminology.sqlite", shipped, [o for o in sources if not o.pack])
    (HOME / "NOTICE.md").write_text(notice(o for o in sources if not o.pack), "utf-8")
    medicines.write_classes(folder / "medicines", HOME / "classes.tsv")
    medicines.write_class_codes(folder / "medicines", HOME / "class_codes.tsv")
    print({name: len(rows) for name, rows in shipped.rows().items()})
    print(
        (HOME / "terminology.sqlite").stat().st_size,
        hashlib.sha256((HOME / "terminology.sqlite").read_bytes()).hexdigest(),
    )
    if arguments.pack:
        write(arguments.pack, pack, [o for o in sources if o.pack])


if __name__ == "__main__":
    main()
