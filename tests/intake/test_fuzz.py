"""Whatever happens to a file on its way, intake answers with a source taken in or one explained refusal."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from salus.errors import SalusError
from salus.intake.batch import Batch, Unreadable
from salus.intake.read import read
from tests.intake import made

SOURCES = {
    "record.json": {"record.json": made.fhir()},
    "lines.ndjson": {"lines.ndjson": made.fhir() + b"\n" + made.fhir("p2")},
    "genome.vcf": {"genome.vcf": made.vcf()},
    "slice.dcm": {"slice.dcm": made.dicom()[0]},
    "brain.nii": {"brain.nii": made.nifti()},
    "r1.hea": made.ecg(),
    "export.xml": {"export.xml": made.apple()},
    "letter.txt": {"letter.txt": made.note()},
}
PIECES = st.sampled_from(
    [b"", b"\0", b"\xff", b"9" * 70, b'"', b"{", b"\n", b"-", b"1e999", b"\\ud800", b"null", b"[]"]
)
CHANGES = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 40), PIECES | st.binary(max_size=4)))


def changed(data, changes):
    for place, length, piece in changes:
        start = int(place * len(data))
        data = data[:start] + piece + data[start + length :]
    return data


@pytest.mark.parametrize("name", SOURCES)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=CHANGES.filter(bool))
def test_a_damaged_source_is_read_or_refused(tmp_path, name, changes):
    for part, data in SOURCES[name].items():
        (tmp_path / part).write_bytes(changed(data, changes) if part == name else data)
    found = list(read([tmp_path]))
    assert found
    for item in found:
        assert isinstance(item, Batch | Unreadable)
        if isinstance(item, Unreadable):
            assert isinstance(item.error, SalusError)
            assert item.error.what
