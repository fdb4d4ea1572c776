"""What a file is, told from its content; the name only helps where content cannot tell."""

from __future__ import annotations

import re
import zlib
from pathlib import Path

from salus.formats.dicom_elements import is_dicom
from salus.formats.nifti import is_nifti

HEAD = 8192
_WFDB = re.compile(
    rb"\A(?:\s*#[^\n]*\n)*[\w-]+(?:/\d+)? +\d+(?: +[\d./()e+]+)?"
    rb"(?: +\d+)?(?: +\d+:[\d:.]+)?(?: +[\d/]+)?\s*\r?\n[^\n]+ \d+"
)
_JSON = re.compile(rb"\{|\[\s*([{\[\"\]]|-?\d+\s*[,.\]]|true|false|null|\Z)")
"""An object, or a list of JSON values: a note may begin with a bracket, as in "[Name] was seen" or "[**date**]"."""
_COMPANIONS = frozenset({".dat", ".atr", ".qrs", ".xws", ".flac"})
_SKIPPED = frozenset({".ds_store", "thumbs.db"})


def head_of(path: Path) -> bytes:
    """The first bytes of a file, unpacked where it is gzip or BGZF."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    if head[:2] == b"\x1f\x8b":
        try:
            return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(head, HEAD)
        except zlib.error:
            return head
    return head


def recognise(path: Path) -> str:
    """One of: fhir, ndjson, vcf, dicom, nifti, wfdb, wfdb-companion, apple-health, xml, table, note, empty, unknown."""
    head = head_of(path)
    if not head:
        return "empty"
    if is_dicom(head):
        return "dicom"
    if is_nifti(head):
        return "nifti"
    text = _as_utf8(head).removeprefix(b"\xef\xbb\xbf").lstrip()
    if text.startswith(b"##fileformat=VCF"):
        return "vcf"
    if _JSON.match(text):
        return _json(path, text)
    if text.startswith(b"<"):
        return "apple-health" if b"HealthData" in text else "xml"
    if path.name.lower().endswith((".vcf", ".vcf.gz", ".vcf.bgz")):
        return "vcf"
    if path.suffix.lower() == ".hea" or (_WFDB.match(text) and path.suffix.lower() not in (".txt", ".md")):
        return "wfdb"
    if path.suffix.lower() in _COMPANIONS:
        return "wfdb-companion"
    if path.suffix.lower() in (".json", ".ndjson"):
        return "fhir" if path.suffix.lower() == ".json" else "ndjson"
    if _is_table(head):
        return "table"
    return "note" if _looks_like_text(head) or path.suffix.lower() in (".txt", ".md") else "unknown"


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


def _is_table(head: bytes) -> bool:
    """True for rows of columns (CSV, TSV, raw genotype files): a machine's table, not somebody's note."""
    lines = [line for line in head.splitlines()[:-1] if line.strip() and not line.startswith(b"#")]
    if len(lines) < 3:
        return False
    for separator in (b"\t", b",", b";"):
        columns = [line.count(separator) for line in lines]
        usual = max(set(columns), key=columns.count)
        if usual >= 2 and columns.count(usual) >= 0.9 * len(lines):
            return True
    return False


def is_skipped(path: Path) -> bool:
    """True for what file managers leave behind."""
    return path.name.startswith("._") or path.name.lower() in _SKIPPED
