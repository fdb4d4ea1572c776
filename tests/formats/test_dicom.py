"""DICOM: what is written is read back in its place; what is damaged or ambiguous is refused in one sentence."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian, RLELossless

from salus.errors import InputError
from salus.formats.dicom import read_header, read_images, read_series, uid, write_ct_series
from salus.formats.dicom_elements import DEFLATED, is_dicom
from salus.formats.dicom_pixels import MAX_SAMPLES
from salus.formats.dicom_series import MAX_SERIES
from salus.formats.types import Volume

NAME = "Nemo^Prudence"


def rotation(a: float, b: float, c: float) -> NDArray[np.float64]:
    """A rotation by three angles (rad) about x, y and z."""
    turn = np.eye(3)
    for axis, angle in enumerate((a, b, c)):
        one, two = [i for i in range(3) if i != axis]
        part = np.eye(3)
        part[one, one] = part[two, two] = np.cos(angle)
        part[one, two], part[two, one] = -np.sin(angle), np.sin(angle)
        turn = part @ turn
    return turn


def volume(
    shape: tuple[int, int, int] = (4, 6, 5),
    spacing: tuple[float, float, float] = (2.5, 0.8, 0.7),
    turn: NDArray[np.float64] | None = None,
    seed: int = 0,
) -> Volume:
    """Random HU on a grid; ``spacing`` is (slice, row, column) in mm."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if turn is None else turn) @ np.diag(spacing[::-1])
    affine[:3, 3] = (-120.5, 33.25, -400.0)
    values = np.random.default_rng(seed).integers(-1024, 3000, shape).astype(np.int16)
    return Volume(values, affine, "CT", "[hnsf'U]", window=(40.0, 400.0), description="made up")


def series(vol: Volume | None = None, **options: object) -> list[bytes]:
    """The volume as files of one patient."""
    return write_ct_series(
        vol or volume(),
        patient_id="P-4711",
        patient_name=NAME,
        birth_date="1960-02-03",
        sex="F",
        acquired="2025-03-01",
        seed="test",
        **options,  # type: ignore[arg-type]
    )


def edited(data: bytes, change: Callable[[Dataset], None]) -> bytes:
    """One file with its data set changed."""
    ds = dcmread(BytesIO(data))
    change(ds)
    out = BytesIO()
    ds.save_as(out)
    return out.getvalue()


def refusal(files: list[bytes]) -> str:
    """The message with which a series is refused: one line, without the patient's name."""
    with pytest.raises(InputError) as caught:
        read_series(files)
    message = str(caught.value)
    assert "\n" not in message
    assert caught.value.remedy
    assert "Nemo" not in message
    assert "4711" not in message
    return message


angles = st.floats(-3.1, 3.1)
edges = st.floats(0.2, 9.0)


@settings(max_examples=40, deadline=None)
@given(a=angles, b=angles, c=angles, dz=edges, dy=edges, dx=edges, order=st.randoms(), deflated=st.booleans())
def test_round_trip_keeps_voxels_and_places(
    a: float, b: float, c: float, dz: float, dy: float, dx: float, order: object, deflated: bool
) -> None:
    made = volume((3, 4, 5), (dz, dy, dx), rotation(a, b, c))
    files = series(made, deflated=deflated)
    uids = [read_header(data).sop_instance_uid for data in files]
    order.shuffle(files)  # type: ignore[attr-defined]
    found = read_series(files)
    assert np.array_equal(found.array, made.array)
    np.testing.assert_allclose(found.affine, made.affine, atol=1e-4)
    assert found.sources == tuple(uids)
    assert (found.unit, found.modality, found.window) == ("[hnsf'U]", "CT", (40.0, 400.0))


def test_writing_is_deterministic() -> None:
    assert series() == series()
    assert uid("x") == uid("x") != uid("y")
    assert len(uid("x")) <= 64


def test_header_says_whose_and_what() -> None:
    header = read_header(series(body_part="CHEST", slice_thickness=1.25, contrast="IOMEPROL")[0])
    assert (header.patient_id, header.patient_name, header.birth_date, header.sex) == (
        "P-4711",
        NAME,
        "1960-02-03",
        "F",
    )
    assert (header.acquired, header.study_date, header.modality) == ("2025-03-01", "2025-03-01", "CT")
    assert (header.rows, header.columns, header.frames, header.body_part) == (6, 5, 1, "CHEST")
    assert (header.slice_thickness, header.contrast, header.has_pixel_data) == (1.25, True, True)
    assert header.series_instance_uid == uid("test/series")
    assert header.kept_as == ""


def test_header_of_time_with_and_without_offset() -> None:
    def timed(ds: Dataset) -> None:
        ds.AcquisitionTime = "103015.250"

    def zoned(ds: Dataset) -> None:
        timed(ds)
        ds.TimezoneOffsetFromUTC = "+0130"

    def impossible(ds: Dataset) -> None:
        ds.AcquisitionDate = "20250231"

    assert read_header(edited(series()[0], timed)).acquired == "2025-03-01"
    assert read_header(edited(series()[0], zoned)).acquired == "2025-03-01T10:30:15+01:30"
    assert read_header(edited(series()[0], impossible)).acquired == "2025-03-01"


def test_rescale_is_applied_once_and_keeps_fractions() -> None:
    def slope(ds: Dataset) -> None:
        ds.RescaleSlope, ds.RescaleIntercept = "0.5", "-1000"

    made = volume()
    found = read_series([edited(data, slope) for data in series(made)])
    assert found.array.dtype == np.float32
    np.testing.assert_array_equal(found.array, made.array * 0.5 - 1000)


def test_integers_that_outgrow_16_bit_stay_exact() -> None:
    def slope(ds: Dataset) -> None:
        ds.RescaleSlope, ds.RescaleIntercept = "32", "7"

    made = volume()
    found = read_series([edited(data, slope) for data in series(made)])
    np.testing.assert_array_equal(found.array, made.array.astype(np.int64) * 32 + 7)


def test_rle_is_decoded() -> None:
    made = volume()
    packed = []
    for data in series(made):
        ds = dcmread(BytesIO(data))
        ds.compress(RLELossless)
        out = BytesIO()
        ds.save_as(out)
        packed.append(out.getvalue())
    assert np.array_equal(read_series(packed).array, made.array)


# ---- refusals


@pytest.mark.parametrize("data", [b"", b"DICM", b"\0" * 128 + b"DICM", b"PK\x03\x04" + b"x" * 500])
def test_not_dicom(data: bytes) -> None:
    with pytest.raises(InputError):
        read_header(data)
    assert is_dicom(data) == (data[128:132] == b"DICM")


def without(keyword: str) -> Callable[[Dataset], None]:
    """A change that deletes one element."""
    return lambda ds: ds.__delattr__(keyword)


@pytest.mark.parametrize(
    ("keyword", "tag"),
    [
        ("PixelData", "(7FE0,0010)"),
        ("ImageOrientationPatient", "(0020,0037)"),
        ("ImagePositionPatient", "(0020,0032)"),
        ("PixelSpacing", "(0028,0030)"),
        ("SOPInstanceUID", "(0008,0018)"),
        ("Rows", "(0028,0010)"),
    ],
)
def test_missing_elements_are_named(keyword: str, tag: str) -> None:
    assert tag in refusal([edited(data, without(keyword)) for data in series()])


def test_ct_without_rescale() -> None:
    def bare(ds: Dataset) -> None:
        del ds.RescaleIntercept, ds.RescaleSlope

    assert "(0028,1052)" in refusal([edited(data, bare) for data in series()])


def test_a_missing_slice_is_counted() -> None:
    files = series(volume((8, 4, 4)))
    assert "about 2 slices are missing" in refusal(files[:3] + files[5:])


def test_unequal_spacing() -> None:
    def shifted(ds: Dataset) -> None:
        ds.ImagePositionPatient[2] = float(ds.ImagePositionPatient[2]) + 0.4

    files = series()
    files[1] = edited(files[1], shifted)
    assert "unequally spaced" in refusal(files)


def test_rounded_positions_are_still_equal() -> None:
    def rounded(ds: Dataset) -> None:
        ds.ImagePositionPatient = [round(float(v), 2) for v in ds.ImagePositionPatient]

    made = volume((9, 4, 4), (1.0 / 3, 1.0, 1.0))
    assert read_series([edited(data, rounded) for data in series(made)]).array.shape == (9, 4, 4)


def test_gantry_tilt() -> None:
    made = volume()
    made.affine[:3, 2] += (0, 0.6, 0)
    assert "gantry tilt" in refusal(series(made))


def test_oblique_directions_that_are_no_right_angle() -> None:
    def bent(ds: Dataset) -> None:
        ds.ImageOrientationPatient = [1, 0, 0, 0.6, 0.8, 0]

    assert "(0020,0037)" in refusal([edited(data, bent) for data in series()])


def test_mixed_series_and_turned_slices() -> None:
    other = series(volume(turn=rotation(0, 0, 0.3)))
    files = series()
    assert "different orientation" in refusal([*files[:2], *other[2:]])
    stranger = write_ct_series(volume(), patient_id="P-4711", seed="other")
    assert "mixed series" in refusal(files + stranger)


def test_repeats_are_dropped_and_impostors_refused() -> None:
    files = series()
    assert read_series([*files, files[0]]).losses == ("1 repeated files left out",)

    def repainted(ds: Dataset) -> None:
        ds.PixelData = b"\1" * len(ds.PixelData)

    assert "one identity" in refusal([*files, edited(files[0], repainted)])


def test_two_stacks_in_one_series() -> None:
    def renamed(ds: Dataset) -> None:
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID + ".1"

    files = series()
    assert "where another lies" in refusal(files + [edited(data, renamed) for data in files])


def with_syntax(data: bytes, syntax: str) -> bytes:
    """The file's pixels wrapped as one fragment of a compressed transfer syntax."""
    ds = dcmread(BytesIO(data))
    fragment = b"\xff\x4f\xff\x51" + b"\0" * 60
    ds.PixelData = b"\xfe\xff\x00\xe0\0\0\0\0" + struct.pack("<HHI", 0xFFFE, 0xE000, len(fragment)) + fragment
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    ds.file_meta.TransferSyntaxUID = type(ds.file_meta.TransferSyntaxUID)(syntax)
    out = BytesIO()
    ds.save_as(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("syntax", "package"),
    [
        ("1.2.840.10008.1.2.4.90", "pylibjpeg-openjpeg"),
        ("1.2.840.10008.1.2.4.80", "pyjpegls"),
        ("1.2.840.10008.1.2.4.70", "gdcm"),
        ("1.2.840.10008.1.2.4.51", "gdcm"),
    ],
)
def test_undecodable_syntax_names_what_would_decode_it(
    syntax: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("salus.formats.dicom_pixels.DECODERS", ("pydicom",))
    message = refusal([with_syntax(data, syntax) for data in series()])
    assert "(0002,0010)" in message
    assert package in message


def test_unknown_syntax() -> None:
    assert "(0002,0010)" in refusal([with_syntax(series()[0], "1.2.3.4.5")])


def test_hostile_dimensions_cost_no_memory() -> None:
    def huge(ds: Dataset) -> None:
        ds.Rows = ds.Columns = 20000

    assert str(MAX_SAMPLES) in refusal([edited(series()[0], huge)])
    assert str(MAX_SERIES) in refusal([edited(data, huge) for data in series()])

    def large(ds: Dataset) -> None:
        ds.Rows = ds.Columns = 12000

    assert "bytes of pixels where the header needs" in refusal([edited(series()[0], large)])


def test_a_series_is_bounded_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salus.formats.dicom_series.MAX_SERIES", 4 * 6 * 5 - 1)
    assert "more than 119 pixels" in refusal(series())


def test_deflated_bomb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("salus.formats.dicom_elements.MAX_INFLATED", 1 << 16)
    plain = series(deflated=True)[0]
    end = 144 + int.from_bytes(plain[140:144], "little")
    stream = zlib.compressobj(wbits=-15)
    bomb = plain[:end] + stream.compress(b"\0" * (1 << 22)) + stream.flush()
    assert DEFLATED.encode() in bomb[:end]
    with pytest.raises(InputError, match="grows beyond"):
        read_header(bomb)
    with pytest.raises(InputError, match="cut short"):
        read_header(plain[:-20])


def test_segmentations_and_reports_are_kept_not_read() -> None:
    for stem, kind in (("66.4", "segmentation"), ("88.33", "structured report"), ("481.5", "radiotherapy object")):

        def turned(ds: Dataset, stem: str = stem) -> None:
            ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = f"1.2.840.10008.5.1.4.1.1.{stem}"

        data = edited(series()[0], turned)
        assert read_header(data).kept_as == kind
        assert "kept, not read yet" in refusal([data])


def test_a_film_without_places_is_refused() -> None:
    def film(ds: Dataset) -> None:
        del ds.ImageOrientationPatient
        ds.Modality, ds.NumberOfFrames = "XA", 2
        ds.PixelData = ds.PixelData * 2

    assert "several frames" in refusal([edited(series()[0], film)])


def test_a_mosaic_without_its_private_header_is_refused() -> None:
    def mosaic(ds: Dataset) -> None:
        ds.Modality, ds.ImageType = "MR", ["ORIGINAL", "PRIMARY", "M", "MOSAIC"]

    assert "mosaic" in refusal([edited(series()[0], mosaic)])


# ---- other kinds of image


def radiograph(ds: Dataset) -> None:
    """Makes a slice into a radiograph whose low values are bright."""
    del ds.ImageOrientationPatient, ds.ImagePositionPatient
    ds.Modality, ds.PhotometricInterpretation = "DX", "MONOCHROME1"


def test_a_radiograph_is_flat_and_its_numbers_are_kept() -> None:
    made = volume()
    files = [edited(data, radiograph) for data in series(made)]
    found = read_series(files[:1])
    assert np.array_equal(found.array, made.array[:1])
    assert np.isnan(found.affine).all()
    assert found.unit == "1"
    assert any("MONOCHROME1" in loss for loss in found.losses)
    assert any("flat image" in loss for loss in found.losses)
    assert "separate images" in refusal(files)
    views = read_images([files[1], files[0], files[1]])
    assert [v.array[0].tolist() for v in views] == [made.array[1].tolist(), made.array[0].tolist()]
    assert len(read_images(series(made))) == 1


def test_a_colour_photograph() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (6, 5, 3)).astype(np.uint8)

    def photograph(ds: Dataset) -> None:
        del ds.ImageOrientationPatient, ds.ImagePositionPatient
        ds.Modality, ds.PhotometricInterpretation, ds.SamplesPerPixel = "XC", "RGB", 3
        ds.PlanarConfiguration, ds.PixelRepresentation = 0, 0
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit = 7
        ds.PixelData = pixels.tobytes()

    found = read_series([edited(series()[0], photograph)])
    assert np.array_equal(found.array, pixels[None])


def enhanced(made: Volume) -> bytes:
    """The volume as one enhanced multi-frame file, its frames in reverse."""

    def item(**elements: object) -> Dataset:
        ds = Dataset()
        for keyword, value in elements.items():
            setattr(ds, keyword, value)
        return ds

    source = [dcmread(BytesIO(data)) for data in series(made)][::-1]
    ds = source[0]
    frames = [item(PlanePositionSequence=Sequence([item(ImagePositionPatient=s.ImagePositionPatient)])) for s in source]
    ds.PerFrameFunctionalGroupsSequence = Sequence(frames)
    ds.SharedFunctionalGroupsSequence = Sequence(
        [
            item(
                PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=ds.ImageOrientationPatient)]),
                PixelMeasuresSequence=Sequence([item(PixelSpacing=ds.PixelSpacing)]),
                PixelValueTransformationSequence=Sequence(
                    [item(RescaleSlope="2", RescaleIntercept="-5", RescaleType="HU")]
                ),
            )
        ]
    )
    ds.NumberOfFrames = len(source)
    ds.PixelData = b"".join(s.PixelData for s in source)
    for keyword in ("ImageOrientationPatient", "ImagePositionPatient", "PixelSpacing", "RescaleSlope"):
        delattr(ds, keyword)
    out = BytesIO()
    ds.save_as(out)
    return out.getvalue()


def test_enhanced_multi_frame_is_placed_by_its_groups() -> None:
    made = volume(turn=rotation(0.1, 0.2, -0.3))
    found = read_series([enhanced(made)])
    assert np.array_equal(found.array, made.array.astype(np.int64) * 2 - 5)
    np.testing.assert_allclose(found.affine, made.affine, atol=1e-4)
    assert found.unit == "[hnsf'U]"


def test_enhanced_without_a_group_is_refused() -> None:
    def bare(ds: Dataset) -> None:
        del ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence

    assert "(0028,9110)" in refusal([edited(enhanced(volume()), bare)])


def test_each_frame_is_scaled_by_its_own_group() -> None:
    made = volume((3, 4, 5))

    def own(ds: Dataset) -> None:
        del ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
        for number, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
            scale = Dataset()
            scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = str(1.25 + number), "-0.5", "HU"
            frame.PixelValueTransformationSequence = Sequence([scale])

    found = read_series([edited(enhanced(made), own)])
    slopes = np.array([3.25, 2.25, 1.25])[:, None, None]  # the frames stand in the file in reverse
    np.testing.assert_allclose(found.array, made.array * slopes - 0.5, rtol=2**-23, atol=0)


def test_enhanced_images_of_other_modalities_need_no_scale() -> None:
    made = volume((3, 4, 5))

    def other(ds: Dataset) -> None:
        ds.Modality = "OPT"
        del ds.SharedFunctionalGroupsSequence[0].PixelValueTransformationSequence
        ds.RescaleIntercept = None

    assert np.array_equal(read_series([edited(enhanced(made), other)]).array, made.array)


@pytest.mark.parametrize(("keyword", "kind"), [("FloatPixelData", np.float32), ("DoubleFloatPixelData", np.float64)])
def test_floating_point_pixels_are_not_cut_to_integers(keyword: str, kind: type) -> None:
    values = np.random.default_rng(3).normal(0, 1, (6, 5)).astype(kind)

    def floating(ds: Dataset) -> None:
        del ds.PixelData, ds.BitsStored, ds.HighBit, ds.PixelRepresentation
        ds.BitsAllocated = 8 * values.itemsize
        setattr(ds, keyword, values.tobytes())

    found = read_series([edited(series(slice_thickness=2.5)[0], floating)])
    assert found.array.dtype == kind
    assert np.array_equal(found.array[0], values)
    short = edited(series(slice_thickness=2.5)[0], lambda ds: (floating(ds), setattr(ds, keyword, b"1234"))[0])
    assert "the header needs" in refusal([short])


def palette(ds: Dataset) -> None:
    """A photograph of four palette colours instead of a slice."""
    del ds.ImageOrientationPatient, ds.ImagePositionPatient, ds.RescaleSlope, ds.RescaleIntercept
    ds.Modality, ds.PhotometricInterpretation = "US", "PALETTE COLOR"
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = (np.arange(30, dtype=np.uint8) % 4).tobytes()
    for number, colour in enumerate(("Red", "Green", "Blue")):
        ds.add_new(0x00281101 + number, "US", [4, 0, 16])  # the descriptor
        table = (np.arange(4, dtype="<u2") * 257 * (number + 1)).tobytes()
        setattr(ds, f"{colour}PaletteColorLookupTableData", table)


def test_palette_colours_are_shown_by_the_files_own_table() -> None:
    found = read_series([edited(series()[0], palette)])
    index = np.arange(30).reshape(6, 5) % 4
    assert np.array_equal(found.array[0], np.stack([index * 257 * n for n in (1, 2, 3)], axis=-1))

    def without(ds: Dataset) -> None:
        palette(ds)
        del ds.GreenPaletteColorLookupTableData

    assert "palette" in refusal([edited(series()[0], without)])


def without_group_length(data: bytes) -> bytes:
    """The file as a writer leaves it that omits (0002,0000)."""
    return data[:132] + data[144:]


@pytest.mark.parametrize("deflated", [False, True])
def test_a_file_without_the_length_of_its_meta_information_is_read(deflated: bool) -> None:
    made = volume()
    found = read_series([without_group_length(data) for data in series(made, deflated=deflated)])
    assert np.array_equal(found.array, made.array)


def test_numbers_written_as_text_are_read_and_decimal_commas_refused() -> None:
    def as_text(value: str) -> Callable[[Dataset], None]:
        def change(ds: Dataset) -> None:
            del ds.PixelSpacing
            ds.add_new(0x00280030, "UT", value)

        return change

    found = read_series([edited(series(slice_thickness=2.5)[0], as_text("0.8\\0.7"))])
    assert np.linalg.norm(found.affine[:3, 1]) == pytest.approx(0.8)
    assert "PixelSpacing" in refusal([edited(series(slice_thickness=2.5)[0], as_text("0,8\\0,7"))])


def test_a_single_slice_takes_its_thickness() -> None:
    found = read_series(series(slice_thickness=2.5)[:1])
    assert found.array.shape == (1, 6, 5)
    assert np.linalg.norm(found.affine[:3, 2]) == pytest.approx(2.5)
    assert any("single slice" in loss for loss in found.losses)


# ---- damage

WHOLE = series(volume((1, 4, 4)))[0]
PACKED = series(volume((1, 4, 4)), deflated=True)[0]


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([WHOLE, PACKED]), st.integers(0, 2000))
def test_truncation_raises_nothing_but_input_errors(data: bytes, length: int) -> None:
    cut = data[:length]
    if length >= len(data):
        read_series([cut])
        return
    with pytest.raises(InputError):
        read_series([cut])


@settings(max_examples=400, deadline=None)
@given(st.sampled_from([WHOLE, PACKED]), st.lists(st.tuples(st.integers(132, 1500), st.integers(0, 255)), max_size=8))
def test_flipped_bytes_raise_nothing_but_input_errors(data: bytes, flips: list[tuple[int, int]]) -> None:
    damaged = bytearray(data)
    for place, value in flips:
        damaged[place % len(data)] = value
    for reader in (read_header, lambda b: read_series([b])):
        try:
            reader(bytes(damaged))
        except InputError as error:
            leaked = "Nemo" in str(error)
        else:
            leaked = False
        assert not leaked


def test_the_writer_refuses_what_16_bit_cannot_hold() -> None:
    made = volume()
    wide = Volume(made.array.astype(np.int64) * 100, made.affine, "CT", "[hnsf'U]")
    with pytest.raises(InputError, match="16 bit"):
        series(wide)
    assert dcmread(BytesIO(series()[0])).file_meta.TransferSyntaxUID == ExplicitVRLittleEndian
