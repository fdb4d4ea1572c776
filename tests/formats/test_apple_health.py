"""Apple Health export: readings with unit and offset, losses counted, hostile files refused in bounded memory."""

from __future__ import annotations

import io
import tracemalloc
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.fhir.columns import exact, moment
from salus.formats.apple_health import AppleHealthExport
from salus.formats.apple_health_values import Clock, device_name
from salus.formats.apple_health_values import moment as clock_time

DEVICE = (
    "&lt;&lt;HKDevice: 0x281a3b4c0&gt;, name:Apple Watch, manufacturer:Apple Inc., model:Watch, "
    "hardware:Watch6,2, software:9.1&gt;"
)
PLAIN_DTD = """<!DOCTYPE HealthData [
<!-- HealthKit Export Version: 14 -->
<!ELEMENT HealthData (ExportDate,Me,(Record|Correlation)*)>
<!ATTLIST Record
  type CDATA #REQUIRED
  unit CDATA #IMPLIED
>
]>
"""


def row(kind: str, value: str, unit: str = "count/min", start: str = "2024-05-01 07:10:00 +0200", **more: str) -> str:
    extra = "".join(f' {k}="{v}"' for k, v in more.items())
    return (
        f'<Record type="HKQuantityTypeIdentifier{kind}" sourceName="Health" unit="{unit}" '
        f'startDate="{start}" endDate="{start}" value="{value}"{extra}/>'
    )


def pressure(systolic: str = "131", diastolic: str = "84") -> str:
    pair = row("BloodPressureSystolic", systolic, "mmHg") + row("BloodPressureDiastolic", diastolic, "mmHg")
    return (
        '<Correlation type="HKCorrelationTypeIdentifierBloodPressure" sourceName="Cuff" '
        f'startDate="2024-05-01 07:10:00 +0200" endDate="2024-05-01 07:10:00 +0200">{pair}</Correlation>'
    )


def export(body: str, head: str = "") -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{head}<HealthData locale="en_GB">\n{body}</HealthData>\n'.encode()


class Told(NamedTuple):
    """One reading of an export, as the tests look at it."""

    code: str
    values: dict[str, Decimal]
    unit: str
    start: datetime
    length: int
    device: str
    source: str
    mark: str

    @property
    def value(self) -> Decimal:
        (value,) = self.values.values()
        return value


def readings_of(reader: AppleHealthExport) -> list[Told]:
    """Every reading, kind by kind in the order in which the kinds came, each in order of time."""
    return [
        Told(
            track.concept,
            {name: exact(*value) for name, value in zip(track.units, values, strict=True)},
            next(iter(track.units.values())),
            moment(start, zone),
            length,
            track.device,
            track.source,
            mark,
        )
        for track in reader.tracks
        for start, length, values, zone, mark in track.rows()
    ]


def read(data: bytes, **options: bool) -> tuple[list[Told], dict[str, int]]:
    reader = AppleHealthExport(data, **options)
    reader.read()
    return readings_of(reader), dict(reader.losses)


def test_values_units_offsets_and_devices() -> None:
    readings, losses = read(
        export(
            row("HeartRate", "61", device=DEVICE)
            + row("BodyMass", "154.3235835294143", "lb")
            + row("OxygenSaturation", "0.97", "%")
            + row("BodyTemperature", "98.6", "degF")
            + row("StepCount", "412", "count")
        )
    )
    assert not losses
    assert [(r.code, r.unit) for r in readings] == [
        ("heart-rate", "/min"),
        ("body-weight", "kg"),
        ("oxygen-saturation", "%"),
        ("body-temperature", "Cel"),
        ("step-count", "{count}"),
    ]
    values = [r.value for r in readings]
    assert values[0] == 61
    assert abs(values[1] - Decimal(70)) < Decimal("1e-9")  # type: ignore[operator]
    assert values[2] == 97
    assert abs(values[3] - Decimal(37)) < Decimal("1e-9")  # type: ignore[operator]
    assert readings[0].start.isoformat() == "2024-05-01T07:10:00+02:00"
    assert readings[0].device == "Apple Watch (Apple Inc., Watch, Watch6,2)"
    assert readings[1].device == "Health"


def test_device_keeps_its_name_when_the_address_changes() -> None:
    text = DEVICE.replace("&lt;", "<").replace("&gt;", ">")
    assert device_name({"device": text}) == device_name({"device": text.replace("0x281a3b4c0", "0x1")})
    assert "0x" not in device_name({"device": text})


def test_blood_pressure_comes_once_as_a_pair() -> None:
    twins = row("BloodPressureSystolic", "131", "mmHg") + row("BloodPressureDiastolic", "84", "mmHg")
    readings, losses = read(export(twins + pressure()))
    assert [r.code for r in readings] == ["blood-pressure"]
    assert readings[0].values == {"systolic-bp": Decimal(131), "diastolic-bp": Decimal(84)}
    assert readings[0].unit == "mm[Hg]"
    assert not losses


def test_single_pressures_are_losses_and_never_paired_by_guess() -> None:
    readings, losses = read(export(row("BloodPressureSystolic", "131", "mmHg")))
    assert not readings
    assert losses == {"HKQuantityTypeIdentifierBloodPressureSystolic without its correlation": 1}
    readings, losses = read(export(pressure(diastolic="high")))
    assert not readings
    assert losses == {"HKCorrelationTypeIdentifierBloodPressure: not both pressures readable": 1}


def test_what_is_not_known_is_counted_by_type() -> None:
    body = row("VO2Max", "41") * 3 + '<Workout duration="3"><WorkoutEvent/></Workout>' + '<Me x="1"/>'
    readings, losses = read(export(body))
    assert not readings
    assert losses == {"HKQuantityTypeIdentifierVO2Max": 3, "Workout": 1}


@pytest.mark.parametrize(
    "record",
    [
        row("HeartRate", "NaN"),
        row("HeartRate", "1e999999999"),
        row("HeartRate", "1e99"),
        row("HeartRate", "61e-99"),
        row("HeartRate", ""),
        row("HeartRate", "61", "furlong"),
        row("HeartRate", "61", ""),
        row("OxygenSaturation", "97", "%"),
        row("HeartRate", "61", start="yesterday"),
        row("HeartRate", "61", start="2024-02-31 07:10:00 +0200"),
        row("HeartRate", "61", start="2024-02-01 07:10:00"),
    ],
)
def test_unreadable_records_are_losses(record: str) -> None:
    readings, losses = read(export(record + row("HeartRate", "60")))
    assert [r.value for r in readings] == [60]
    assert sum(losses.values()) == 1


def test_person_and_date_are_given() -> None:
    reader = AppleHealthExport(
        export(
            '<ExportDate value="2024-06-01 10:00:00 +0200"/>'
            '<Me HKCharacteristicTypeIdentifierDateOfBirth="1966-05-01" '
            'HKCharacteristicTypeIdentifierBiologicalSex="HKBiologicalSexFemale"/>'
        )
    )
    reader.read()
    assert readings_of(reader) == []
    assert reader.me == {"DateOfBirth": "1966-05-01", "BiologicalSex": "HKBiologicalSexFemale"}
    assert reader.export_date == "2024-06-01 10:00:00 +0200"


def test_apples_own_declaration_is_read_only_when_allowed() -> None:
    data = export(row("HeartRate", "61"), PLAIN_DTD)
    with pytest.raises(InputError, match=r"line 2, byte \d+: the file has a document type.*accept-apple-dtd"):
        read(data)
    readings, _ = read(data, allow_plain_dtd=True)
    assert [r.value for r in readings] == [61]


@pytest.mark.parametrize(
    ("head", "words"),
    [
        ('<!DOCTYPE HealthData [<!ENTITY a "x">]>', "declares an entity"),
        ('<!DOCTYPE HealthData [<!ENTITY % a "x">%a;]>', "declares an entity"),
        ("<!DOCTYPE HealthData [%a;]>", "uses an entity"),
        ('<!DOCTYPE HealthData [<!ENTITY a SYSTEM "file:///etc/passwd">]>', "declares an entity"),
        ('<!DOCTYPE HealthData SYSTEM "http://example.org/x.dtd">', "refers to another file"),
        ('<!DOCTYPE HealthData PUBLIC "a" "http://example.org/x.dtd">', "refers to another file"),
        ('<!DOCTYPE HealthData [<!NOTATION n SYSTEM "x">]>', "declares a notation"),
        ('<!DOCTYPE HealthData [<!ATTLIST Record value CDATA "99">]>', "default value"),
        ("<!DOCTYPE HealthData [<?go now?>]>", "an instruction"),
    ],
)
@pytest.mark.parametrize("allow", [False, True])
def test_hostile_declarations_are_always_refused(head: str, words: str, allow: bool) -> None:
    with pytest.raises(InputError, match=words if allow else "document type|DOCTYPE"):
        read(export(row("HeartRate", "61"), head), allow_plain_dtd=allow)


def test_undefined_entity_is_refused() -> None:
    with pytest.raises(InputError, match="undefined entity"):
        read(export("&lol;"))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "truncated"),
        (b"<x/>", "not an Apple Health export"),
        (b"PK\x03\x04", "not well-formed"),
        (b'{"a": 1}', "not well-formed|truncated"),
        (export("<a>" * 30), "nested more than"),
        (export(f'<Record type="{"x" * 70_000}"/>'), "too long attributes"),
    ],
)
def test_foreign_files_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(data)


@given(cut=st.integers(0, len(export(row("HeartRate", "61") + pressure())) - 15))
def test_every_truncation_is_found_with_line_and_byte(cut: int) -> None:
    with pytest.raises(InputError, match=r"line \d+, byte \d+"):
        read(export(row("HeartRate", "61") + pressure())[:cut])


@given(data=st.binary(max_size=400))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        readings, _ = read(b"<HealthData>" + data)
    except InputError:
        return
    assert all(r.value.is_finite() for r in readings)


@given(text=st.text(max_size=40))
def test_times_are_exact_or_nothing(text: str) -> None:
    found = clock_time(text)
    assert found is None or found.strftime("%Y-%m-%d %H:%M:%S %z").endswith(text[-5:])


class Endless(io.RawIOBase):
    """A stream that begins well and then never ends a tag."""

    def __init__(self) -> None:
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        self.given += size
        return b'<HealthData><Record x="' if self.given == size else b"x" * size


def test_a_tag_without_end_stops_early() -> None:
    stream = Endless()
    with pytest.raises(InputError, match="a tag or text of more than"):
        AppleHealthExport(stream).read()  # type: ignore[arg-type]
    assert stream.given < 10_000_000


class Long(io.RawIOBase):
    """An export of many records made while it is read."""

    def __init__(self, records: int) -> None:
        self.left, self.state = records, 0

    def read(self, size: int = -1) -> bytes:
        if self.state == 0:
            self.state = 1
            return b"<HealthData>"
        if self.left > 0:
            self.left -= 100
            return row("HeartRate", "61").encode() * 100
        self.state += 1
        return b"</HealthData>" if self.state == 2 else b""


def test_a_reading_takes_few_bytes_of_memory() -> None:
    tracemalloc.start()
    reader = AppleHealthExport(Long(20_000))  # type: ignore[arg-type]
    reader.read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (track,) = reader.tracks
    assert len(track.starts) == 20_000
    assert peak < 4_000_000


TIMES = st.builds(
    lambda at, zone: f"{at:%Y-%m-%d %H:%M:%S} {zone}",
    st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)),
    st.sampled_from(["+0000", "+0200", "-0330", "+1400", "-1200", "+1401", "+9900", "0200", "+02:00", ""]),
)


@given(texts=st.lists(st.one_of(TIMES, st.text(max_size=25)), max_size=30))
def test_times_that_were_read_before_are_read_the_same(texts: list[str]) -> None:
    clock = Clock()
    for text in [*texts, *texts]:
        found, zone = clock.read(text)
        wanted = clock_time(text)
        assert (None if found is None else moment(found, zone)) == wanted
        assert wanted is None or moment(found or 0, zone).utcoffset() == wanted.utcoffset()


def test_times_whose_parts_are_known_but_that_are_none() -> None:
    clock = Clock()
    assert clock.read("2024-02-29 10:00:00 +0200")[0] is not None
    assert clock.read("2024-02-28 23:59:59 +0000")[0] is not None
    for text in ("2024-02-29T10:00:00 +0200", "2024-02-29 10:00:60 +0200", "2024-02-29 10:00:00 +0200 ", "2024-02-29"):
        assert clock.read(text) == (None, 0)


def test_a_reading_that_ends_before_it_begins_or_whose_zone_cannot_be_is_a_loss() -> None:
    late = row("StepCount", "5", "count").replace('endDate="2024-05-01 07:10:00', 'endDate="2024-05-01 07:09:59')
    far = row("HeartRate", "61", start="2024-05-01 07:10:00 +1500")
    readings, losses = read(export(late + far + row("HeartRate", "60")))
    assert [r.value for r in readings] == [60]
    assert sum(losses.values()) == 2
    assert all("time not readable" in why for why in losses)


def test_steps_last_a_time() -> None:
    told = row("StepCount", "412", "count").replace('endDate="2024-05-01 07:10:00', 'endDate="2024-05-01 07:12:30')
    ((reading,), _) = read(export(told))
    assert (reading.length, reading.value) == (150_000_000, 412)


def test_what_somebody_typed_in_is_marked() -> None:
    typed = row("BodyMass", "71", "kg")[:-2] + '><MetadataEntry key="HKWasUserEntered" value="1"/></Record>'
    other = row("BodyMass", "72", "kg")[:-2] + '><MetadataEntry key="HKWasUserEntered" value="0"/></Record>'
    note = '<MetadataEntry key="HKWasUserEntered" value="1"/>'
    cuff = pressure().replace("</Correlation>", f"{note}</Correlation>")
    lost = row("VO2Max", "41")[:-2] + f">{note}</Record>"
    damaged = row("BodyMass", "x", "kg")[:-2] + f">{note}</Record>"
    readings, _ = read(export(typed + other + damaged + cuff + lost))
    assert [(r.code, r.mark) for r in readings] == [
        ("body-weight", "user-entered"),
        ("body-weight", ""),
        ("blood-pressure", "user-entered"),
    ]


def test_one_device_is_one_series_whatever_its_address_and_order() -> None:
    later = DEVICE.replace("0x281a3b4c0", "0x99")
    rows = row("HeartRate", "62", start="2024-05-01 08:00:00 +0200", device=DEVICE) + row(
        "HeartRate", "61", device=later
    )
    reader = AppleHealthExport(export(rows))
    reader.read()
    (track,) = reader.tracks
    assert [r.value for r in readings_of(reader)] == [61, 62]
    assert (track.device, track.source) == ("Apple Watch (Apple Inc., Watch, Watch6,2)", "Health")


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("apple_health", "apple_health_values"):
        monkeypatch.setattr(f"salus.formats.{module}.REMEMBERED", 3)
    rows = [
        row("HeartRate", str(50 + n), start=f"2024-05-{n + 1:02} 07:10:00 +0200", device=f"name:Watch{n // 7}")
        for n in range(28)
    ]
    reader = AppleHealthExport(export("".join(rows)))
    reader.read()
    assert sorted(r.value for r in readings_of(reader)) == [50 + n for n in range(28)]
    assert len(reader._kinds) <= 3
    assert len(reader._clock._days) <= 3
    assert all(len(kind.known) <= 3 for kind in reader._kinds.values())


def test_too_many_devices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salus.formats.apple_health.MAX_SERIES", 3)
    rows = "".join(row("HeartRate", "61").replace("Health", f"App{n}") for n in range(4))
    with pytest.raises(InputError, match="too many devices"):
        read(export(rows))


@given(
    st.lists(
        st.tuples(
            st.sampled_from([("HeartRate", "count/min"), ("BodyMass", "lb"), ("OxygenSaturation", "%")]),
            st.sampled_from(["0.97", "61", "1", "x", "0.9700"]),
        ),
        max_size=30,
    )
)
def test_a_value_that_was_read_before_is_read_the_same(rows: list[tuple[tuple[str, str], str]]) -> None:
    together, _ = read(export("".join(row(k, v, u) for (k, u), v in rows)))
    single = [r for (k, u), v in rows for r in read(export(row(k, v, u)))[0]]
    assert sorted((r.code, r.value) for r in together) == sorted((r.code, r.value) for r in single)


def test_loss_kinds_are_bounded() -> None:
    _, losses = read(export("".join(row(f"Made{n}", "1") for n in range(3000))))
    assert sum(losses.values()) == 3000
    assert len(losses) <= 1001


def test_an_encoding_that_nobody_knows_is_refused():
    data = b'<?xml version="1.0" encoding="UTF9999-8"?>\n<HealthData locale="en_GB"></HealthData>\n'
    with pytest.raises(InputError, match="encoding"):
        read(data)
