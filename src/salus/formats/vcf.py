"""VCF 4.x (plain, gzip, BGZF) of one sample, streamed line by line; gVCF reference blocks included.

Specification: The Variant Call Format, versions 4.1 to 4.5 (samtools.github.io/hts-specs). Not read, and refused by
name: BCF. Memory is bounded by one line; a region filter lets a whole genome pass in one stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import BinaryIO

from salus.errors import InputError
from salus.formats.vcf_lines import REMEDY, numbered_lines

MAX_HEADER_LINES = 1_000_000
MAX_POSITION = 2**31 - 1
SAMPLES_LISTED = 20

_FIXED = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")
_META = re.compile(r'(\w[\w.]*)=("(?:[^"\\]|\\.)*"|[^,>]*)')
_BASES = re.compile(r"[ACGTNacgtn]+\Z")
_ASSEMBLY = re.compile(r"(GRCh38|hg38|b38)|(GRCh37|hg19|b37|hs37)", re.IGNORECASE)
_REFSEQ = re.compile(r"NC_0000(\d\d)\.\d+\Z")


@dataclass(frozen=True, slots=True)
class Contig:
    """A ``##contig`` line."""

    name: str
    length: int | None
    assembly: str | None


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the records. ``reference`` is the ``##reference`` line's value, "" without one."""

    version: tuple[int, int]
    contigs: tuple[Contig, ...]
    reference: str
    samples: tuple[str, ...]
    lines: int


@dataclass(frozen=True, slots=True)
class Call:
    """A sample's genotype: allele indices (0 is REF, None is missing), whether phased, its phase set and quality.

    ``phase_set`` is None where PS is not given: all such phased genotypes of a contig form one set. ``filters`` is FT.
    """

    alleles: tuple[int | None, ...]
    phased: bool
    phase_set: str | None = None
    quality: float | None = None
    depth: int | None = None
    filters: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True when no allele is missing (a half call such as 0/. is not complete)."""
        return bool(self.alleles) and None not in self.alleles


@dataclass(frozen=True, slots=True)
class Record:
    """One line. ``contig`` is the plain name (1..22, X, Y, MT); ``end`` the last base, of a reference block its END.

    Coordinates are 1-based, ends included.
    """

    contig: str
    pos: int
    ids: tuple[str, ...]
    ref: str
    alts: tuple[str, ...]
    filters: tuple[str, ...]
    end: int
    call: Call | None
    line: int

    @property
    def passed(self) -> bool:
        """True unless the line or the genotype was marked by a filter ("." means that none was applied)."""
        applied = (*self.filters, *(self.call.filters if self.call else ()))
        return all(name == "PASS" for name in applied)

    @property
    def is_reference_block(self) -> bool:
        """True for a gVCF block: no alternative but the symbolic "any other allele"."""
        return bool(self.alts) and all(alt in ("<NON_REF>", "<*>") for alt in self.alts)


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of one contig (plain name), 1-based, ends included."""

    contig: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Build:
    """The reference build: "GRCh37", "GRCh38" or None (not told); ``basis`` says what it was read from."""

    name: str | None
    basis: str


@dataclass(frozen=True, slots=True)
class Vcf:
    """A VCF being read: header, chosen sample ("" in a file without genotypes), records (to be read once)."""

    header: Header
    sample: str
    records: Iterator[Record] = field(repr=False, compare=False)


def contig_name(name: str) -> str:
    """The plain name of a contig: "chr10", "CHR10" and "NC_000010.11" are "10"; "chrM" is "MT"."""
    accession = _REFSEQ.match(name)
    if accession:
        number = int(accession[1])
        return {23: "X", 24: "Y"}.get(number, str(number))
    if name.startswith("NC_012920"):
        return "MT"
    plain = name[3:] if name[:3].lower() == "chr" else name
    return "MT" if plain in ("M", "MT") else plain.upper() if plain in ("x", "y") else plain


def read_vcf(stream: BinaryIO, sample: str | None = None, regions: Iterable[Region] | None = None) -> Vcf:
    """Read the header now and the records of one sample lazily; with ``regions`` only those that touch one.

    ``stream`` is binary, at its beginning; gzip and BGZF are recognised. Raises :class:`InputError` with the line for
    a broken header or record, a truncated file, an unknown sample, or several samples when none is named. Reading
    ``records`` goes on to the end of the stream, so that a truncation anywhere is found.
    """
    lines = numbered_lines(stream)
    header = _read_header(lines)
    column, chosen = _choose(header, sample)
    return Vcf(header, chosen, _records(lines, header, column, _by_contig(regions)))


def detect_build(header: Header) -> Build:
    """The build from contig lengths, else from assembly or reference names in the header.

    Raises :class:`InputError` when contig lengths of both builds are mixed or lengths contradict the name.
    """
    named = _build_named(header)
    table = _contig_lengths()
    votes: dict[str, str] = {}
    for contig in header.contigs:
        lengths = table.get(contig_name(contig.name))
        if lengths is None or contig.length is None or lengths[0] == lengths[1]:
            continue
        if contig.length in lengths:
            votes["GRCh37" if contig.length == lengths[0] else "GRCh38"] = contig.name
        else:
            votes["another build"] = contig.name
    if len(votes) > 1:
        raise InputError("the header mixes contig lengths of different genome builds", remedy=REMEDY)
    if "another build" in votes:
        return Build(None, f"the length of contig {votes['another build']} is that of neither GRCh37 nor GRCh38")
    if votes:
        name, contig_id = next(iter(votes.items()))
        if named and named != name:
            raise InputError(
                f"contig lengths say {name}, but the header names {named}", remedy="correct the header's assembly"
            )
        return Build(name, f"length of contig {contig_id}")
    return Build(named, "assembly named in the header") if named else Build(None, "the header does not tell")


# ---- header


def _read_header(lines: Iterator[tuple[int, bytes]]) -> Header:
    version: tuple[int, int] | None = None
    contigs: list[Contig] = []
    reference = ""
    for number, raw in lines:
        line = _text(raw, number)
        if version is None:
            version = _version(line, number)
        elif line.startswith("##contig="):
            contigs.append(_contig(line, number))
        elif line.startswith("##reference="):
            reference = line.partition("=")[2]
        elif line.startswith("#CHROM"):
            return Header(version, tuple(contigs), reference, _samples(line, number), number)
        elif not line.startswith("##"):
            raise InputError("a record stands before the #CHROM line", f"line {number}", "put the header back")
        if number > MAX_HEADER_LINES:
            raise InputError("the header does not end", f"line {number}", REMEDY)
    raise InputError("the header has no #CHROM line", remedy="put the header back")


def _text(raw: bytes, number: int) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError("the text is not UTF-8", f"line {number}, byte {error.start}", "save it as UTF-8") from error


def _version(line: str, number: int) -> tuple[int, int]:
    match = re.match(r"##fileformat=VCFv(\d+)\.(\d+)\Z", line)
    if match is None:
        what = "this is BCF, not VCF" if line.startswith("BCF") else "the first line is not ##fileformat=VCFv4.x"
        raise InputError(what, f"line {number}", "give a VCF file (bcftools view turns BCF into VCF)")
    if match[1] != "4":
        raise InputError(f"VCF version {match[1]}.{match[2]} is not read", f"line {number}", "convert it to VCF 4.2")
    return int(match[1]), int(match[2])


def _contig(line: str, number: int) -> Contig:
    fields = {key: value.strip('"') for key, value in _META.findall(line.partition("=<")[2])}
    length = fields.get("length")
    if "ID" not in fields or (length is not None and not re.fullmatch(r"\d{1,12}", length)):
        raise InputError("a ##contig line is malformed", f"line {number}", "write ##contig=<ID=name,length=number>")
    return Contig(fields["ID"], int(length) if length is not None else None, fields.get("assembly"))


def _samples(line: str, number: int) -> tuple[str, ...]:
    columns = tuple(line.split("\t"))
    if columns[: len(_FIXED)] != _FIXED or (len(columns) > 8 and columns[8] != "FORMAT") or len(columns) == 9:
        raise InputError("the #CHROM line does not name the columns of VCF", f"line {number}", "separate them by tabs")
    samples = columns[9:]
    if len(set(samples)) != len(samples):
        raise InputError("two samples have the same name", f"line {number}", "rename one of them")
    return samples


def _choose(header: Header, sample: str | None) -> tuple[int | None, str]:
    """(column of the sample or None, its name)."""
    listed = ", ".join(header.samples[:SAMPLES_LISTED])
    more = len(header.samples) - SAMPLES_LISTED
    listed += f" and {more} more" if more > 0 else ""
    if sample is not None:
        if sample not in header.samples:
            raise InputError(
                "the file has no sample of that name", f"line {header.lines}", f"its samples: {listed or 'none'}"
            )
        return 9 + header.samples.index(sample), sample
    if len(header.samples) > 1:
        raise InputError("the file holds several samples", f"line {header.lines}", f"--sample NAME: one of {listed}")
    return (9, header.samples[0]) if header.samples else (None, "")


@cache
def _contig_lengths() -> Mapping[str, tuple[int, int]]:
    text = files("salus.formats").joinpath("vcf_contigs.csv").read_text("utf-8")
    rows = (line.split(",") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: (int(old), int(new)) for name, old, new in rows}


def _build_named(header: Header) -> str | None:
    found = set()
    for text in (header.reference, *(contig.assembly or "" for contig in header.contigs)):
        match = _ASSEMBLY.search(text)
        if match:
            found.add("GRCh38" if match[1] else "GRCh37")
    if len(found) > 1:
        raise InputError("the header names both GRCh37 and GRCh38", remedy="correct the header's assembly")
    return found.pop() if found else None


# ---- records


def _by_contig(regions: Iterable[Region] | None) -> Mapping[str, tuple[Region, ...]] | None:
    if regions is None:
        return None
    found: dict[str, tuple[Region, ...]] = {}
    for region in regions:
        found[region.contig] = (*found.get(region.contig, ()), region)
    return found


def _records(
    lines: Iterator[tuple[int, bytes]],
    header: Header,
    column: int | None,
    regions: Mapping[str, tuple[Region, ...]] | None,
) -> Iterator[Record]:
    tabs = 7 if not header.samples else 8 + len(header.samples)
    names: dict[bytes, str] = {}
    for number, raw in lines:
        if not raw:
            continue
        if raw.count(b"\t") != tabs:
            what = f"the line has {raw.count(b'	') + 1} columns instead of {tabs + 1}"
            raise InputError(what, f"line {number}", REMEDY)
        given = raw[: raw.index(b"\t")]
        contig = names.get(given)
        if contig is None:
            contig = names[given] = contig_name(_text(given, number))
        wanted = None if regions is None else regions.get(contig)
        if regions is not None and not wanted:
            continue
        record = _record(raw, number, contig, column)
        if wanted is None or any(record.pos <= r.end and record.end >= r.start for r in wanted):
            yield record


def _record(raw: bytes, number: int, contig: str, column: int | None) -> Record:
    fixed = _text(raw, number).split("\t", 9 if column is None else column + 1)
    pos = _integer(fixed[1], number, "POS")
    ref = fixed[3].upper()
    if not _BASES.match(ref):
        raise InputError("REF is not a sequence of bases", f"line {number}", REMEDY)
    alts = () if fixed[4] == "." else tuple(a if a[:1] == "<" else a.upper() for a in fixed[4].split(","))
    if "" in alts:
        raise InputError("ALT holds an empty allele", f"line {number}", REMEDY)
    end = max(pos + len(ref) - 1, _end(fixed[7], number))
    call = None if column is None else _call(fixed[8], fixed[column], len(alts), number)
    return Record(contig, pos, _list(fixed[2], ";"), ref, alts, _list(fixed[6], ";"), end, call, number)


def _list(text: str, separator: str) -> tuple[str, ...]:
    return () if text == "." else tuple(text.split(separator))


def _integer(text: str, number: int, what: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > MAX_POSITION:
        raise InputError(f"{what} is not a position", f"line {number}", REMEDY)
    return int(text)


def _end(info: str, number: int) -> int:
    found = re.search(r"(?:^|;)END=([^;]*)", info)
    return _integer(found[1], number, "INFO/END") if found else 0


def _call(form: str, text: str, alternatives: int, number: int) -> Call:
    values = dict(zip(form.split(":"), text.split(":"), strict=False))
    genotype = values.get("GT", ".")
    alleles = tuple(_allele(part, alternatives, number) for part in re.split(r"[/|]", genotype.lstrip("/|")))
    separators = {mark for mark in genotype.lstrip("/|") if mark in "/|"}
    depth = _number(values.get("MIN_DP", values.get("DP")), number)
    return Call(
        alleles=alleles,
        phased=separators == {"|"},
        phase_set=None if values.get("PS") in (None, ".", "") else values["PS"],
        quality=_number(values.get("GQ"), number),
        depth=None if depth is None else int(depth),
        filters=_list(values.get("FT", "."), ";"),
    )


def _allele(text: str, alternatives: int, number: int) -> int | None:
    if text == ".":
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 4 or int(text) > alternatives:
        raise InputError("GT names an allele that the line does not have", f"line {number}", REMEDY)
    return int(text)


def _number(text: str | None, number: int) -> float | None:
    if text is None or text in (".", ""):
        return None
    if not re.fullmatch(r"-?\d{1,12}(\.\d{1,12})?(e[+-]?\d{1,2})?", text, re.IGNORECASE):
        raise InputError("GQ or DP is not a number", f"line {number}", REMEDY)
    return float(text)
