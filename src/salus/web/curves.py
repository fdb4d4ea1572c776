"""The values of a trend as its page hands them to the script that lets a reader go along the curve."""

from __future__ import annotations

from salus.careplan.report.trends import Trend
from salus.fhir import json


def of(trend: Trend) -> str:
    """Lines with their times (seconds since 1970) and values, as JSON."""
    lines = [
        {
            "name": line.name,
            "style": line.style,
            "joined": line.joined,
            "at": [int(sample.at.timestamp()) for sample in line.samples],
            "values": [sample.value for sample in line.samples],
        }
        for line in trend.plot.lines
    ]
    return json.dumps({"lines": lines, "unit": trend.unit}).decode()
