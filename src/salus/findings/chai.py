"""A card as an applied model card of the Coalition for Health AI (schema v0.2), in XML.

Element order and names: the coalition's schema, https://mc.chai.org/v0.2/schema.xsd. What is not known reads
"not provided"; a metric that was not measured has the JSON value null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from xml.etree import ElementTree as ET  # writing only: nothing is parsed

from salus import __version__
from salus.findings.cards import NOT_A_DEVICE, NOT_PROVIDED, Card, Measured
from salus.findings.source_attributes import attributes

NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"


def to_xml(card: Card) -> bytes:
    """The card as one XML document, UTF-8."""
    ET.register_namespace("", NAMESPACE)
    root = ET.Element(f"{{{NAMESPACE}}}AppliedModelCard")
    said = {a.key: a.value for a in attributes(card)}
    _add(
        root,
        "BasicInfo",
        ModelName=f"{card.id}: {card.title}",
        ModelDeveloper="The salus authors",
        DeveloperContact=said["details_developer"],
    )
    _add(
        root,
        "ReleaseInfo",
        ReleaseStage=f"Open source, salus {__version__}; {NOT_A_DEVICE}",
        ReleaseDate=NOT_PROVIDED,
        ReleaseVersion=card.version,
        GlobalAvailability=f"Everywhere, under {card.licence}",
        RegulatoryApproval="None",
    )
    summary = _add(root, "ModelSummary", Summary=card.intended_use)
    keywords = _add(summary, "Keywords")
    for word in (card.id.partition(".")[0], *card.inputs):
        _add(keywords, Keyword=word)
    _uses(root, card, said)
    _trust(root, card, said)
    _metrics(root, card, said)
    _add(
        root,
        "Resources",
        PeerReviewedPublications="; ".join(card.references) or NOT_PROVIDED,
        PatientConsentOrDisclosure=(
            "Computed only from what the patient has not closed to processing; every read is decided and logged"
        ),
    )
    _add(root, Bibliography="; ".join(card.references) or NOT_PROVIDED)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _uses(root: ET.Element, card: Card, said: dict[str, str]) -> None:
    _add(
        root,
        "UsesAndDirections",
        IntendedUseAndWorkflow=card.intended_use,
        PrimaryIntendedUsers=said["purpose_intended_users"],
        HowToUse=said["purpose_decision_role"],
        TargetedPatientPopulation=card.population,
        CautionedOutOfScopeSettings=said["cautions_inappropriate_use"],
    )
    _add(
        root,
        "Warnings",
        KnownRisksAndLimitations=said["cautions_risks"],
        KnownBiasesOrEthicalConsiderations=said["fairness_bias_mitigation"],
        ClinicalRiskLevel=NOT_PROVIDED,
    )


def _trust(root: ET.Element, card: Card, said: dict[str, str]) -> None:
    trust = _add(root, "TrustIngredients")
    _add(
        trust,
        "AISystemFacts",
        OutcomesAndOutputs=said["details_output_value"],
        ModelType=said["details_output_type"],
        InputDataSource=", ".join(card.inputs) or NOT_PROVIDED,
        OutputAndInputDataTypes=f"in: {', '.join(card.inputs)}; out: {', '.join(card.produces)}",
        DevelopmentDataCharacterization=said["development_criteria"],
        BiasMitigationApproaches=said["fairness_approach"],
        OngoingMaintenance=said["updates_process"],
    )
    _add(trust, "TransparencyInformation", FundingSource=said["details_funding"], StakeholdersConsulted=NOT_PROVIDED)


def _metrics(root: ET.Element, card: Card, said: dict[str, str]) -> None:
    metrics = _add(root, "KeyMetrics")
    for name, goal, measured in (
        ("UsefulnessUsabilityEfficacy", "Agreement with reference answers of others", card.measured),
        ("FairnessEquity", "Equal performance in subgroups", ()),
        ("SafetyReliability", "Every case answered rightly or refused with a reason", card.measured),
    ):
        metric = _add(metrics, name, MetricGoal=goal)
        results = _add(metric, "Results")
        for label, value in _results(measured, cases=name == "SafetyReliability"):
            _add(results, "MetricResult", Label=label, ValueJson=value)
        _add(metric, Interpretation="; ".join(m.summary for m in measured) or NOT_PROVIDED)
        _add(metric, TestType="Retrospective, on reference data" if measured else NOT_PROVIDED)
        _add(metric, TestingDataDescription=said["validation_data_source"] if measured else NOT_PROVIDED)
        _add(metric, ValidationProcessAndJustification=said["validation_process"] if measured else NOT_PROVIDED)


def _results(measured: Sequence[Measured], *, cases: bool) -> list[tuple[str, str]]:
    if not measured:
        return [(NOT_PROVIDED, "null")]
    if cases:
        return [
            (f"{m.check}: {name.replace('_', ' ')}, of {m.n} cases", _value(k))
            for m in measured
            for name, k in m.outcomes.items()
        ]
    figures = [
        (f"{m.check}: {key}", _value(value))
        for m in measured
        for key, value in m.figures.items()
        if isinstance(value, int | Decimal) and not isinstance(value, bool)
    ]
    return figures or [(NOT_PROVIDED, "null")]


def _value(value: int | Decimal) -> str:
    return json.dumps({"kind": "single", "value": value if isinstance(value, int) else float(value)})


def _add(parent: ET.Element, tag: str | None = None, **texts: str) -> ET.Element:
    """Add an element ``tag`` to ``parent`` (or stay at it) and one text element in it for each of ``texts``."""
    element = parent if tag is None else ET.SubElement(parent, f"{{{NAMESPACE}}}{tag}")
    for name, text in texts.items():
        ET.SubElement(element, f"{{{NAMESPACE}}}{name}").text = text
    return element
