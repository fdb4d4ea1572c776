"""The VCF reader: what it reads, what it refuses and where, and that it does so for any input."""

from __future__ import annotations

import contextlib
import gzip
import io
import struct
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from salus.errors import InputError
from salus.formats import vcf_lines
from salus.formats.vcf import Build, Record, Region, Vcf, contig_name, detect_build, read_vcf

HEADER = """##fileformat=VCFv4.2
##contig=<ID=chr10,length=133797422,assembly=GRCh38.p14,species="Homo, sapiens">
##contig=<ID=chr12>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1"""


def text(*rows: str, header: str = HEADER, end: str = "\n") -> bytes:
    return (end.join((*header.splitlines(), *("\t".join(row.split()) for row in rows))) + end).encode()


def bgzf(data: bytes, *, block: int = 100, finish: bool = True) -> bytes:
    """BGZF (SAM specification, section 4.1): gzip members with their size in an extra field, then an empty one."""
    chunks = [data[i : i + block] for i in range(0, len(data), block)] + ([b""] if finish else [])
    found = b""
    for chunk in chunks:
        packer = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = packer.compress(chunk) + packer.flush()
        size = 18 + len(body) + 8 - 1
        head = struct.pack("<4BI2BH2BHH", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, size)
        found += head + body + struct.pack("<II", zlib.crc32(chunk), len(chunk))
    return found


def read(data: bytes, sample: str | None = None, regions: list[Region] | None = None) -> Vcf:
    return read_vcf(io.BytesIO(data), sample, regions)


def records(data: bytes, sample: str | None = None, regions: list[Region] | None = None) -> list[Record]:
    return list(read(data, sample, regions).records)


ROW = "chr10 94781859 rs4244285 G A,T 50 PASS . GT:GQ:DP:PS 0|1:99:30:7"


def test_a_record_with_all_its_parts() -> None:
    (record,) = records(text(ROW))
    assert (record.contig, record.pos, record.end, record.ref, record.alts) == (
        "10",
        94781859,
        94781859,
        "G",
        ("A", "T"),
    )
    assert record.ids == ("rs4244285",)
    assert record.line == 5
    call = record.call
    assert call is not None
    assert (call.alleles, call.phased, call.phase_set, call.quality, call.depth) == ((0, 1), True, "7", 99, 30)
    assert record.passed
    assert call.complete


@pytest.mark.parametrize("pack", [lambda d: d, gzip.compress, bgzf], ids=["plain", "gzip", "bgzf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_plain_gzip_bgzf_and_both_line_ends_read_the_same(pack: object, end: str) -> None:
    data = pack(text(ROW, ROW, end=end))  # type: ignore[operator]
    assert [r.pos for r in records(data)] == [94781859, 94781859]


def test_the_last_line_may_lack_its_newline() -> None:
    assert len(records(text(ROW).rstrip(b"\n"))) == 1


@pytest.mark.parametrize(
    ("genotype", "alleles", "phased", "complete"),
    [
        ("0/1", (0, 1), False, True),
        ("1|0", (1, 0), True, True),
        ("1", (1,), False, True),
        (".", (None,), False, False),
        ("./.", (None, None), False, False),
        ("0/.", (0, None), False, False),
        ("0/1|2", (0, 1, 2), False, True),
        ("|0|1", (0, 1), True, True),
    ],
)
def test_genotypes(genotype: str, alleles: tuple[int | None, ...], phased: bool, complete: bool) -> None:
    (record,) = records(text(f"chr10 5 . G A,T . . . GT {genotype}"))
    call = record.call
    assert call is not None
    assert (call.alleles, call.phased, call.complete) == (alleles, phased, complete)


def test_filters_of_line_and_genotype() -> None:
    rows = ["chr10 5 . G A . . . GT 0/1", "chr10 5 . G A . LowQual;x . GT 0/1", "chr10 5 . G A . PASS . GT:FT 0/1:bad"]
    found = records(text(*rows))
    assert [r.passed for r in found] == [True, False, False]
    assert found[1].filters == ("LowQual", "x")


def test_gvcf_block_reaches_to_its_end() -> None:
    block = "chr10 100 . G <NON_REF> . . DP=3;END=250 GT:DP:MIN_DP:GQ 0/0:40:22:60"
    (record,) = records(text(block), regions=[Region("10", 240, 240)])
    assert (record.pos, record.end, record.is_reference_block) == (100, 250, True)
    assert record.call is not None
    assert record.call.depth == 22
    assert records(text(block), regions=[Region("10", 251, 260)]) == []


def test_regions_keep_what_touches_them_and_deletions_that_reach_in() -> None:
    rows = [f"chr10 {pos} . GAC G . . . GT 0/1" for pos in (10, 98, 99, 105)] + ["chr12 100 . G A . . . GT 0/1"]
    assert [r.pos for r in records(text(*rows), regions=[Region("10", 100, 102)])] == [98, 99]


def test_star_symbolic_and_breakend_alleles_are_kept_as_written() -> None:
    (record,) = records(text("chr10 5 . G *,<DEL>,G]chr2:321681] . . . GT 1/2"))
    assert record.alts[:2] == ("*", "<DEL>")


def test_sample_must_be_named_when_there_are_several() -> None:
    header = HEADER + "\tS2\tS3"
    data = text("chr10 5 . G A . . . GT 0/0 0/1 1/1", header=header)
    with pytest.raises(InputError, match=r"several samples.*--sample.*S1, S2, S3"):
        read(data)
    (record,) = records(data, "S2")
    assert record.call is not None
    assert record.call.alleles == (0, 1)
    with pytest.raises(InputError, match="no sample of that name"):
        read(data, "S9")


def test_a_file_without_genotypes_has_no_calls() -> None:
    header = HEADER.replace("\tFORMAT\tS1", "")
    found = read(text("chr10 5 . G A . . .", header=header))
    assert found.sample == ""
    assert [r.call for r in found.records] == [None]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\n", "fileformat"),
        (b"not a vcf\n", "line 1"),
        (b"BCF\x02\x02", "BCF"),
        (b"##fileformat=VCFv3.3\n", "version 3.3"),
        (b"##fileformat=VCFv4.2\n", "no #CHROM line"),
        (b"##fileformat=VCFv4.2\nchr1\t1\n", "line 2"),
        (b"##fileformat=VCFv4.2\n#CHROM POS ID REF ALT QUAL FILTER INFO\n", "line 2"),
        (b"##fileformat=VCFv4.2\n##contig=<length=5>\n#CHROM", "malformed"),
        (b"##fileformat=VCFv4.2\n##contig=<ID=1,length=x>\n", "malformed"),
        (b"##fileformat=VCFv4.2\n##x=\xff\n", "not UTF-8"),
        (text(header=HEADER + "\tS1"), "same name"),
        (text("chr10 5 . G A . . . GT"), "line 5: the line has 9 columns"),
        (text("chr10 x . G A . . . GT 0/1"), "POS"),
        (text("chr10 -5 . G A . . . GT 0/1"), "POS"),
        (text("chr10 99999999999 . G A . . . GT 0/1"), "POS"),
        (text("chr10 5 . 5 A . . . GT 0/1"), "REF"),
        (text("chr10 5 . G A, . . . GT 0/1"), "ALT"),
        (text("chr10 5 . G A . . . GT 0/2"), "GT names an allele"),
        (text("chr10 5 . G A . . . GT 0/x"), "GT names an allele"),
        (text("chr10 5 . G A . . END=1e9 GT 0/1"), "END"),
        (text("chr10 5 . G A . . . GT:GQ 0/1:1e999999"), "GQ"),
        (gzip.compress(text(ROW), mtime=0)[:-9], "truncated or damaged"),
        (gzip.compress(text(ROW), mtime=0)[:20], "truncated or damaged"),
        (b"\x1f\x8bnonsense", "truncated or damaged"),
        (bgzf(text(ROW), finish=False), "lacks its end marker"),
        (bgzf(text(ROW))[:-30], "truncated or damaged"),
    ],
)
def test_broken_input_is_refused_with_its_place(data: bytes, words: str) -> None:
    with pytest.raises(InputError) as caught:
        records(data)
    assert words in str(caught.value)
    assert caught.value.remedy


def test_a_truncation_after_the_region_is_found_too() -> None:
    rows = [f"chr10 {pos} . G A . . . GT 0/1" for pos in range(1, 2000)]
    cut = gzip.compress(text(*rows))[:-200]
    with pytest.raises(InputError, match="truncated"):
        records(cut, regions=[Region("10", 1, 1)])


def test_an_endless_line_is_refused_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vcf_lines, "MAX_LINE", 1000)
    with pytest.raises(InputError, match="longer than 1000 bytes"):
        records(b"##fileformat=VCFv4.2\n##" + b"x" * 5000)


class Counting(io.RawIOBase):
    """A stream of a million lines that notes how far ahead it was read."""

    def __init__(self) -> None:
        self.lines: Iterator[bytes] = iter(())
        self.given = 0
        self.rest = text()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self.rest) < size:
            self.rest += b"chr10\t5\t.\tG\tA\t.\t.\t.\tGT\t0/1\n" * 100
        data, self.rest = self.rest[:size], self.rest[size:]
        self.given += len(data)
        return data


def test_records_are_read_as_they_are_asked_for() -> None:
    stream = Counting()
    found = read_vcf(stream)  # type: ignore[arg-type]
    assert next(found.records).pos == 5
    assert stream.given < 200_000


@pytest.mark.parametrize(
    ("given", "plain"),
    [("chr10", "10"), ("10", "10"), ("CHR10", "10"), ("NC_000010.11", "10"), ("NC_000023.11", "X"), ("chrM", "MT"),
     ("M", "MT"), ("MT", "MT"), ("NC_012920.1", "MT"), ("chrX", "X"), ("x", "X"), ("GL000192.1", "GL000192.1")],
)  # fmt: skip
def test_contig_names(given: str, plain: str) -> None:
    assert contig_name(given) == plain


def build(*lines: str) -> Build:
    header = "\n".join(("##fileformat=VCFv4.3", *lines, HEADER.splitlines()[-1]))
    return detect_build(read(text(header=header)).header)


def test_build_from_lengths_and_names() -> None:
    assert build("##contig=<ID=10,length=135534747>").name == "GRCh37"
    assert build("##contig=<ID=chr10,length=133797422>").name == "GRCh38"
    assert build("##contig=<ID=chr10,assembly=hg19>").name == "GRCh37"
    assert build("##reference=file:///ref/GRCh38_full_analysis_set.fa").name == "GRCh38"
    assert build().name is None
    assert build("##contig=<ID=MT,length=16569>").name is None
    other = build("##contig=<ID=10,length=1234>")
    assert other.name is None
    assert "neither" in other.basis


@pytest.mark.parametrize(
    "lines",
    [
        ("##contig=<ID=10,length=135534747>", "##contig=<ID=12,length=133275309>"),
        ("##contig=<ID=10,length=135534747,assembly=GRCh38>",),
        ("##contig=<ID=10,assembly=GRCh38>", "##reference=hg19.fa"),
    ],
)
def test_contradicting_builds_are_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(InputError):
        build(*lines)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.sampled_from(["raw", "gzip", "after-header"]))
def test_any_bytes_give_records_or_an_input_error(data: bytes, how: str) -> None:
    given_bytes = {"raw": data, "gzip": gzip.compress(data), "after-header": text() + data}[how]
    try:
        for record in records(given_bytes):
            assert record.end >= record.pos >= 0
    except InputError:
        return


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_valid_file_with_one_byte_changed_never_leaks_another_error(data: st.DataObject) -> None:
    base = bytearray(data.draw(st.sampled_from([text(ROW, ROW), gzip.compress(text(ROW)), bgzf(text(ROW))])))
    base[data.draw(st.integers(0, len(base) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InputError):
        assert len(records(bytes(base))) <= 2


bases = st.text("ACGT", min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["chr1", "chr10", "X", "chrM"]), st.integers(1, 2**28), bases,
            st.lists(bases, min_size=1, max_size=3, unique=True), st.sampled_from("/|"),
            st.tuples(st.integers(0, 1), st.integers(0, 1)), st.integers(0, 99),
        ),
        max_size=8,
    ),
    st.sampled_from([lambda d: d, gzip.compress, bgzf]),
)  # fmt: skip
def test_what_was_written_is_what_is_read(rows: list[tuple], pack: object) -> None:  # type: ignore[type-arg]
    lines = [
        f"{contig} {pos} . {ref} {','.join(alts)} . PASS . GT:GQ {a}{mark}{b}:{quality}"
        for contig, pos, ref, alts, mark, (a, b), quality in rows
    ]
    found = records(pack(text(*lines)))  # type: ignore[operator]
    assert [(r.contig, r.pos, r.ref, list(r.alts), r.call.alleles, r.call.quality) for r in found if r.call] == [
        (contig_name(contig), pos, ref, alts, genotype, quality)
        for contig, pos, ref, alts, _, genotype, quality in rows
    ]
    assert [r.call.phased for r in found if r.call] == [mark == "|" for _, _, _, _, mark, _, _ in rows]
