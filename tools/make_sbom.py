"""Write the bill of materials of salus and what it depends on, as installed here, in CycloneDX 1.6 JSON.

python tools/make_sbom.py TARGET.json [EXTRA …]
"""

from __future__ import annotations

import importlib.metadata as metadata
import sys
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT_NAME = "salus"


def needed(name: str, extras: tuple[str, ...] = ()) -> list[str]:
    """Names of the installed distributions that ``name`` with ``extras`` requires directly here."""
    found = []
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        wanted = [{"extra": extra} for extra in (*extras, "")]
        if requirement.marker is None or any(requirement.marker.evaluate(w) for w in wanted):
            try:
                metadata.distribution(requirement.name)
            except metadata.PackageNotFoundError:
                continue
            found.append(canonicalize_name(requirement.name))
    return found


def component(name: str) -> Component:
    """The component of an installed distribution, with the licence that it states."""
    about = metadata.metadata(name)
    stated = about.get("License-Expression") or about.get("License") or ""
    classified = [c.rpartition(" :: ")[2] for c in about.get_all("Classifier") or [] if c.startswith("License ::")]
    words = stated if stated and "\n" not in stated else (classified[0] if classified else "")
    version = metadata.version(name)
    return Component(
        type=ComponentType.APPLICATION if name == ROOT_NAME else ComponentType.LIBRARY,
        name=name,
        version=version,
        purl=PackageURL("pypi", name=name, version=version),
        bom_ref=f"{name}@{version}",
        licenses=[LicenseFactory().make_from_string(words)] if words else [],
    )


def bill(extras: tuple[str, ...]) -> Bom:
    """Everything that salus reaches through its declared dependencies."""
    edges = {ROOT_NAME: needed(ROOT_NAME, extras)}
    waiting = list(edges[ROOT_NAME])
    while waiting:
        name = waiting.pop()
        if name not in edges:
            edges[name] = needed(name)
            waiting.extend(edges[name])
    parts = {name: component(name) for name in edges}
    bom = Bom(components=[part for name, part in parts.items() if name != ROOT_NAME])
    bom.metadata.component = parts[ROOT_NAME]
    for name, targets in edges.items():
        bom.register_dependency(parts[name], [parts[t] for t in sorted(set(targets))])
    return bom


def main() -> int:
    if len(sys.argv) < 2:
        print(__doc__, file=sys.stderr)
        return 2
    target, extras = Path(sys.argv[1]), tuple(sys.argv[2:])
    bom = bill(extras)
    text = JsonV1Dot6(bom).output_as_string(indent=1)
    error = JsonStrictValidator(JsonV1Dot6(bom).schema_version).validate_str(text)
    if error:
        print(f"not valid CycloneDX: {error}", file=sys.stderr)
        return 1
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text + "\n", "utf-8")
    print(f"{target}: {len(bom.components)} components")
    return 0


if __name__ == "__main__":
    sys.exit(main())
