"""Notes: bytes to text without a guess."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.formats.note import MAX_BYTES, read_note

TEXT = st.text(st.characters(blacklist_characters="\0\ufeff", blacklist_categories=("Cs",)))


@given(TEXT)
def test_utf8_comes_back_unchanged_line_ends_included(text: str) -> None:
    assert read_note(text.encode()).text == text
    assert read_note(codecs.BOM_UTF8 + text.encode()).text == text


@given(TEXT, st.sampled_from([("utf-16-le", codecs.BOM_UTF16_LE), ("utf-16-be", codecs.BOM_UTF16_BE)]))
def test_utf16_with_mark_comes_back(text: str, form: tuple[str, bytes]) -> None:
    codec, mark = form
    note = read_note(mark + text.encode(codec))
    assert (note.text, note.encoding) == (text, codec)


@given(st.binary(max_size=200))
def test_any_bytes_give_text_or_one_clear_error(data: bytes) -> None:
    try:
        text = read_note(data).text
    except InputError as error:
        text = ""
        place = error.where
    else:
        place = "none"
    assert place
    assert "\0" not in text


def test_carriage_returns_stay_so_that_offsets_hold() -> None:
    assert read_note(b"a\r\nb\rc\n").text == "a\r\nb\rc\n"


def test_bytes_of_another_encoding_are_refused_with_their_position() -> None:
    with pytest.raises(InputError) as caught:
        read_note("Müller has asthma".encode("windows-1252"), name="Note/1")
    assert caught.value.where == "Note/1, byte 1"
    assert "windows-1252" in str(caught.value.remedy)


def test_a_position_counts_the_byte_order_mark() -> None:
    with pytest.raises(InputError, match="byte 4"):
        read_note(codecs.BOM_UTF8 + b"a\xff")


@pytest.mark.parametrize("encoding", ["windows-1252", "latin-1"])
def test_a_named_encoding_is_used(encoding: str) -> None:
    assert read_note("Müller".encode(encoding), encoding).text == "Müller"


def test_utf16_named_with_mark_loses_only_the_mark() -> None:
    assert read_note("Ωμέγα".encode("utf-16"), "utf-16").text == "Ωμέγα"


@pytest.mark.parametrize("encoding", ["klingon", "rot13", "base64", "a\0b"])
def test_an_encoding_that_is_none_is_refused(encoding: str) -> None:
    with pytest.raises(InputError, match="encoding"):
        read_note(b"abc", encoding)


def test_nul_is_refused_with_its_place() -> None:
    with pytest.raises(InputError, match="character 3"):
        read_note(b"abc\0def")


def test_utf32_and_truncated_utf16_are_refused() -> None:
    with pytest.raises(InputError, match="UTF-32"):
        read_note("abc".encode("utf-32"))
    with pytest.raises(InputError, match="byte 4"):
        read_note(codecs.BOM_UTF16_LE + b"a\0b")


def test_too_large_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(InputError, match="limit"):
        read_note(b"\xff" * 11, limit=10)
    assert MAX_BYTES == 16 * 1024 * 1024


def test_empty_is_empty() -> None:
    assert read_note(b"").text == ""


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
def test_what_is_utf8_by_its_bytes_stays_so_whatever_is_named(mark: bytes) -> None:
    note = read_note(mark + "Müller, 37 °C".encode(), "latin-1")
    assert (note.text, note.encoding) == ("Müller, 37 °C", "utf-8")


@pytest.mark.parametrize("encoding", ["latin-1", "windows-1251", "koi8-r", "cp1253"])
@given(text=st.text("абвгдежзиклмнопрстуфхäöüßéèñçαβγδε .,", min_size=4))
def test_text_of_a_named_encoding_is_read_in_it(encoding: str, text: str) -> None:
    data = text.encode(encoding, errors="ignore")
    assert read_note(data, encoding).text == data.decode(encoding)


def test_ascii_alone_is_read_in_the_named_encoding() -> None:
    note = read_note("痛み".encode("iso2022_jp"), "iso2022_jp")
    assert (note.text, note.encoding) == ("痛み", "iso2022_jp")


def test_an_unknown_encoding_is_refused_for_utf8_too() -> None:
    with pytest.raises(InputError, match="encoding"):
        read_note("Müller".encode(), "klingon")


def test_two_bytes_each_with_a_nul_are_no_utf8() -> None:
    text = "\u80c3 a"  # its bytes in UTF-16 are valid UTF-8 with three NULs
    data = text.encode("utf-16-le")
    assert b"\0" in data
    assert read_note(data, "utf-16-le").text == text
