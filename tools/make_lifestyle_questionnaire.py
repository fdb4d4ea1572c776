"""Make src/salus/intake/questionnaires/lifestyle.json, the FHIR Questionnaire on how a person lives.

    python tools/make_lifestyle_questionnaire.py

Questions on alcohol are those of AUDIT-C (WHO, public domain; Bush et al., Arch Intern Med 1998;158:1789-1795), each
answer 0 to 4 points; those on exercise are the Exercise Vital Sign (Coleman et al., Med Sci Sports Exerc 2012).
"""

from __future__ import annotations

import json
from pathlib import Path

TARGET = Path(__file__).parents[1] / "src" / "salus" / "intake" / "questionnaires" / "lifestyle.json"
ORDINAL = "http://hl7.org/fhir/StructureDefinition/ordinalValue"
UNIT = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
LOW = "http://hl7.org/fhir/StructureDefinition/minValue"
HIGH = "http://hl7.org/fhir/StructureDefinition/maxValue"
SNOMED, LOINC, SALUS, UCUM = "http://snomed.info/sct", "http://loinc.org", "urn:salus:code", "http://unitsofmeasure.org"

SMOKING = (
    ("449868002", "Smokes every day"),
    ("428041000124106", "Smokes on some days"),
    ("8517006", "Stopped smoking"),
    ("266919005", "Never smoked"),
)
HOW_OFTEN = ("never", "monthly or less", "2 to 4 times a month", "2 to 3 times a week", "4 or more times a week")
HOW_MANY = ("1 or 2", "3 or 4", "5 or 6", "7 to 9", "10 or more")
SIX = ("never", "less than monthly", "monthly", "weekly", "daily or almost daily")


def coded(link: str, text: str, loinc: str, options: tuple[tuple[str, str], ...], system: str) -> dict:
    answers = [{"valueCoding": {"system": system, "code": code, "display": display}} for code, display in options]
    return {
        "linkId": link,
        "text": text,
        "type": "choice",
        "code": [{"system": LOINC, "code": loinc}],
        "answerOption": answers,
    }


def points(link: str, text: str, loinc: str, options: tuple[str, ...]) -> dict:
    answers = [
        {
            "valueCoding": {
                "extension": [{"url": ORDINAL, "valueDecimal": score}],
                "system": SALUS,
                "code": display.replace(" ", "-"),
                "display": display,
            }
        }
        for score, display in enumerate(options)
    ]
    return {
        "linkId": link,
        "text": text,
        "type": "choice",
        "code": [{"system": LOINC, "code": loinc}],
        "answerOption": answers,
    }


def number(link: str, text: str, code: tuple[str, str], unit: str, high: int) -> dict:
    return {
        "extension": [
            {"url": UNIT, "valueCoding": {"system": UCUM, "code": unit}},
            {"url": LOW, "valueInteger": 0},
            {"url": HIGH, "valueInteger": high},
        ],
        "linkId": link,
        "text": text,
        "type": "integer",
        "code": [{"system": code[0], "code": code[1]}],
    }


def main() -> None:
    body = {
        "resourceType": "Questionnaire",
        "id": "lifestyle",
        "url": "urn:salus:questionnaire:lifestyle",
        "version": "1.0.0",
        "title": "How you live",
        "status": "active",
        "subjectType": ["Patient"],
        "copyright": "AUDIT-C: World Health Organization, public domain. LOINC codes: see NOTICE. Else Apache-2.0.",
        "item": [
            coded("smoking", "Do you smoke tobacco?", "72166-2", SMOKING, SNOMED),
            points("alcohol-often", "How often do you have a drink containing alcohol?", "68518-0", HOW_OFTEN),
            points(
                "alcohol-drinks", "How many drinks do you have on a typical day when you drink?", "68519-8", HOW_MANY
            ),
            points("alcohol-six", "How often do you have six or more drinks on one occasion?", "68520-6", SIX),
            number(
                "activity-days",
                "On how many days a week do you move so that you sweat or breathe fast?",
                (LOINC, "89555-7"),
                "d/wk",
                7,
            ),
            number("activity-minutes", "For how many minutes on such a day?", (LOINC, "68516-4"), "min/d", 1440),
            number(
                "diet-portions",
                "How many portions of fruit and vegetables do you eat on a usual day?",
                (SALUS, "fruit-vegetable-portions"),
                "/d",
                30,
            ),
            {
                "linkId": "goal",
                "text": "What is important to you? Write down a goal of your own.",
                "type": "text",
                "maxLength": 500,
            },
        ],
    }
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", "utf-8")
    print(TARGET)


if __name__ == "__main__":
    main()
