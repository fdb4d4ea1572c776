"""Codes of code systems, and the URIs of the systems salus writes. What a code means stands in ``terminology/``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SYSTEMS: Mapping[str, str] = {
    "loinc": "http://loinc.org",
    "snomed": "http://snomed.info/sct",
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "icd10cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "salus": "urn:salus:code",
}


@dataclass(frozen=True, slots=True)
class Code:
    """One code of one code system."""

    system: str
    code: str
    display: str = ""
