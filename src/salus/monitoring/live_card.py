"""The card of live monitoring."""

from __future__ import annotations

from salus.findings.capability import Capability

LIVE = Capability(
    id="monitoring.live",
    version="1.0.0",
    title="Live monitoring: readings exactly once, alerts in event time",
    intended_use=(
        "Takes readings of assigned devices into the record exactly once and raises alerts that a person acknowledges. "
        "Not an alarm system: nobody may rely on it for an emergency."
    ),
    inputs=("readings over MQTT or the built-in queue",),
    produces=("Observation", "Flag with its history", "Task for an acknowledgement"),
    population=(
        "Adults who are not pregnant; home readings are held to blood pressure and heart rate rules, NEWS2 only to "
        "readings of a ward inside an open acute encounter."
    ),
    references=(
        "NICE guideline NG136, Hypertension in adults: diagnosis and management",
        "Royal College of Physicians. National Early Warning Score (NEWS) 2. London: RCP, 2017",
        "Akidau T et al. The Dataflow Model. PVLDB 2015; 8:1792-1803",
    ),
    licence="Apache-2.0",
    limits=(
        "An alert opens when the watermark (two minutes behind the newest reading or the clock) has passed it.",
        "Thresholds are the same for everybody: a person's own limits are not known to it.",
        "Exercise, a loose cuff or an irregular pulse break rules like illness does.",
        "Readings that come after the watermark are kept and named, but change no alert that was given.",
    ),
)
