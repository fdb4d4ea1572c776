"""A method from outside: pulse pressure (systolic minus diastolic) of the newest blood pressure."""

from salus.fhir.quantity import Quantity, convert
from salus.findings.model import Evidence, Finding


class PulsePressure:
    id, version, title = "example.pulse-pressure", "1.0", "Pulse pressure"
    intended_use = "An example of a method from outside; not for use in care."
    inputs, produces, consumes = ("record", "signal"), ("pulse-pressure",), ()
    population = "Everybody with a recorded blood pressure."
    references, licence, limits = (), "Apache-2.0", ("One measurement says little.",)

    def run(self, chart, context):
        newest = chart.latest("blood-pressure")
        parts = newest.components if newest else {}
        pair = [parts.get(name) for name in ("systolic-bp", "diastolic-bp")]
        if not all(isinstance(value, Quantity) for value in pair):
            yield Finding(
                "pulse-pressure",
                "Pulse pressure: not assessable.",
                status="not-assessable",
                reason="no blood pressure is recorded",
                needs=("measure the blood pressure",),
            )
            return
        high, low = (convert(value, "mm[Hg]").value for value in pair)
        yield Finding("pulse-pressure", f"The pulse pressure was {high - low} mmHg.", Quantity(high - low, "mm[Hg]"),
                      no_uncertainty="a difference of two single readings", evidence=(Evidence(newest.source),),
                      effective=(newest.effective.text, newest.effective.text))  # fmt: skip
