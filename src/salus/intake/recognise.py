"""What a file is, told from its content; the name only helps where content cannot tell."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from salus.formats.content import File
from salus.formats.dicom_elements import is_dicom
from salus.formats.nifti import is_nifti

HEAD = 8192
_WFDB = re.compile(
    rb"\A(?:\s*#[^\n]*\n)*[\w-]+(?:/\d+)? +\d+(?: +[\d./()e+]+)?"
    rb"(?: +\d+)?(?: +\d+:[\d:.]+)?(?: +[\d/]+)?\s*\r?\n[^\n]+ \d+"
)
_JSON = re.compile(rb"\{|\[\s*([{\[\"\]]|-?\d+\s*[,.\]]|true|false|null|\Z)")
"""An object, or a list of JSON values: a note may begin with a bracket, as in "[Name] was seen" or "[**date**]"."""
_MAGIC = (
    (b"%PDF-", "pdf"),
    (b"{\\rtf", "rtf"),
    (b"MSH|", "hl7v2"),
    (b"FHS|", "hl7v2"),
    (b"BHS|", "hl7v2"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "office"),
)
"""How files begin that are not read: they are named, so that none is filed as a note or called broken JSON."""
_PATIENT = re.compile(rb'"resourceType"\s*:\s*"Patient"')
_TABLES = (".csv", ".tsv", ".tab", ".csv.gz", ".tsv.gz", ".tab.gz")
_SEPARATORS = tuple(re.compile(sign) for sign in (rb"\t", rb",(?! )", rb";(?! )"))
"""Before a blank a comma or semicolon is punctuation: prose has as many in a line by chance."""
_DATA_SECTION = re.compile(rb"^\[data\][\t,; ]*\r?$", re.I | re.M)
_ROWS = 3
_TAIL_ROWS = 20
_GZIP = b"\x1f\x8b"
_COMPANIONS = frozenset({".dat", ".atr", ".qrs", ".xws", ".flac"})
_SKIPPED = frozenset({".ds_store", "thumbs.db"})


def _first_bytes(file: File) -> bytes:
    with file.open() as stream:
        return stream.read(HEAD)


def _unpacked(head: bytes) -> bytes:
    """``head``, unpacked where it is gzip or BGZF; as it is where that is damaged."""
    if not head.startswith(_GZIP):
        return head
    try:
        return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD)
    except zlib.error:
        return head


def recognise(file: File) -> str:
    """What a file is.

    One of those that are read (fhir, ndjson, vcf, dicom, nifti, wfdb, apple-health, hl7v2, note) or that are refused by
    name (wfdb-companion, cda, xml, table, pdf, rtf, zip, office, gzip-dicom, gzip-note, empty, unknown).
    """
    raw, path = _first_bytes(file), file.path
    head = _unpacked(raw)
    if not head:
        return "empty"
    kind = _by_content(path, head) or _by_name(path, head)
    return f"gzip-{kind}" if kind in ("dicom", "note") and raw.startswith(_GZIP) and head is not raw else kind


def _by_content(path: Path, head: bytes) -> str:
    """The kind where the first bytes tell it, else ""."""
    if is_dicom(head):
        return "dicom"
    if is_nifti(head):
        return "nifti"
    text = _text_of(head)
    if text.startswith(b"##fileformat=VCF"):
        return "vcf"
    for start, kind in _MAGIC:
        if text.startswith(start):
            return kind
    if _JSON.match(text):
        return _json(path, text)
    if text.startswith(b"<"):
        return "apple-health" if b"HealthData" in text else "cda" if b"<ClinicalDocument" in text else "xml"
    return ""


def _by_name(path: Path, head: bytes) -> str:
    """The kind where the name has to help."""
    name, suffix, text = path.name.lower(), path.suffix.lower(), _text_of(head)
    if name.endswith((".vcf", ".vcf.gz", ".vcf.bgz")):
        return "vcf"
    if suffix == ".hea" or (_WFDB.match(text) and suffix not in (".txt", ".md")):
        return "wfdb"
    if suffix in _COMPANIONS:
        return "wfdb-companion"
    if suffix in (".json", ".ndjson"):
        return "fhir" if suffix == ".json" else "ndjson"
    readable = _looks_like_text(head)
    if (readable and name.endswith(_TABLES)) or _is_table(text, whole=len(head) < HEAD):
        return "table"
    return "note" if readable or suffix in (".txt", ".md") else "unknown"


def _text_of(head: bytes) -> bytes:
    return _as_utf8(head).removeprefix(b"\xef\xbb\xbf").lstrip()


def _as_utf8(head: bytes) -> bytes:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return head


def _json(path: Path, text: bytes) -> str:
    """One JSON value, or one a line: told by the suffix, else by a first line that is closed with more after it."""
    if path.suffix.lower() in (".ndjson", ".jsonl") or path.name.lower().endswith(".ndjson.gz"):
        return "ndjson"
    first, newline, rest = text.partition(b"\n")
    closed = first.rstrip().endswith(b"}") and first.count(b"{") == first.count(b"}")
    return "ndjson" if newline and closed and rest.lstrip().startswith(b"{") else "fhir"


def _looks_like_text(head: bytes) -> bool:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return True
    if b"\0" in head:
        return False
    controls = sum(byte < 32 and byte not in b"\t\n\r\f" for byte in head)
    return controls * 100 < len(head)


def _is_table(text: bytes, *, whole: bool) -> bool:
    """True for rows of columns (CSV, TSV, raw genotype files): a machine's table, not somebody's note.

    What stands before the rows is passed over: comments, all up to a line "[Data]" (Illumina's reports), and any other
    preamble where many rows follow it. ``whole`` is False when the last line may be cut off.
    """
    section = _DATA_SECTION.search(text) if text[:8].lower().startswith((b"[header]", b"[data]")) else None
    found = text[section.end() if section else 0 :].splitlines()
    lines = [line for line in (found if whole else found[:-1]) if line.strip() and not line.startswith(b"#")]
    if len(lines) < _ROWS:
        return False
    for separator in _SEPARATORS:
        columns = [len(separator.findall(line)) for line in lines]
        usual = max(set(columns), key=columns.count)
        if usual >= 2 and columns.count(usual) >= 0.9 * len(lines):
            return True
        rows = next((n for n, count in enumerate(reversed(columns)) if count != columns[-1]), len(columns))
        if columns[-1] >= 2 and rows >= max(_TAIL_ROWS, 0.75 * len(lines)):
            return True
    return False


def begins_with_patient(file: File) -> bool:
    """True for a file of JSON lines whose first is a Patient, as far as its head tells."""
    line = _text_of(_unpacked(_first_bytes(file))).partition(b"\n")[0]
    return _PATIENT.search(line) is not None


def is_skipped(path: Path) -> bool:
    """True for what file managers leave behind."""
    return path.name.startswith("._") or path.name.lower() in _SKIPPED
