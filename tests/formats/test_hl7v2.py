"""HL7 v2: what is written is read again, delimiters and character sets, batches, and hostile input."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import InputError
from salus.formats import hl7v2
from salus.formats.hl7v2 import Delimiters, Message, Segment
from salus.formats.hl7v2_ack import Answer, acknowledge

HEAD = b"MSH|^~\\&|APP|FAC|||20260101||ADT^A01|ID1|P|2.5"

text = st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\u0085\u2028\u2029\\"), max_size=8)
part = text.map(str)


def trimmed(values, empty):
    while values and values[-1] == empty:
        values = values[:-1]
    return tuple(values)


component = st.lists(part, min_size=1, max_size=3).map(lambda v: trimmed(v, "") or ("",))
repetition = st.lists(component, max_size=3).map(lambda v: trimmed(v, ("",)))
field = st.lists(repetition, max_size=3).map(lambda v: trimmed(v, ()))
segment = st.builds(
    Segment, st.sampled_from(["PID", "OBX", "ZZ1"]), st.lists(field, max_size=5).map(lambda v: trimmed(v, ()))
)
delimiters = st.sampled_from([Delimiters(), Delimiters("#", "*", "@", "!", "$"), Delimiters("|", "^", "~", "\\", "&")])


@given(delimiters, st.lists(segment, max_size=5))
def test_what_is_written_is_read_again(signs, segments):
    header = Segment("MSH", ((((signs.field,),),), (((signs.encoding,),),), ((("APP",),),)))
    message = Message((header, *segments), signs)
    assert hl7v2.parse(hl7v2.write(message)) == message


@given(st.binary(max_size=300))
def test_any_bytes_after_a_header_are_read_or_refused_in_words(data):
    with contextlib.suppress(InputError):
        assert hl7v2.parse(HEAD + b"\r" + data).control_id == "ID1"


def test_components_repetitions_and_escapes():
    message = hl7v2.parse(HEAD + b"\rPID|||1^^^A&2.3&ISO~2||a\\F\\b\\S\\c\\T\\d\\R\\e\\E\\f\\.br\\g\\X41\\\\H\\h\\N\\")
    pid = message.first("PID")
    assert len(pid[3]) == 2
    assert pid.text(3, 4, 2) == "2.3"
    assert pid.text(5) == "a|b^c&d~e\\f\ngA\\H\\h\\N\\"
    assert pid[9] == ()
    assert message.kind == ("ADT", "A01")
    assert message.control_id == "ID1"


@pytest.mark.parametrize("end", [b"", b"\r", b"\r\n \r", b"\x1c\r", b"\r\x1c\r\n "])
def test_a_blank_at_the_end_is_the_last_fields_and_the_frame_is_nobodys(end):
    message = hl7v2.parse(b"\x0b \r\n" + HEAD + b"\rPID|1| " + end)
    assert [s.name for s in message.segments] == ["MSH", "PID"]
    assert message.first("PID").fields[1] == (((" ",),),)


def test_the_explicit_null_is_no_text():
    assert hl7v2.parse(HEAD + b'\rPID|||""').first("PID").text(3) == ""


@pytest.mark.parametrize(
    ("named", "encoded"), [("8859/1", "Zo\u00eb".encode("latin-1")), ("UNICODE UTF-8", "Zo\u00eb".encode())]
)
def test_the_character_set_of_msh_18_is_used(named, encoded):
    data = HEAD + b"||||||" + named.encode() + b"\rPID|||||" + encoded
    assert hl7v2.parse(data).first("PID").text(5) == "Zo\u00eb"


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"", "segment 1"),
        (b"PID|1", "segment 1"),
        (b"MSH", "MSH-2"),
        (b"MSH|^^\\&|A", "MSH-1, MSH-2"),
        (b"MSH|||||", "MSH-2"),
        (HEAD + b"\rnot a segment", "segment 2"),
        (HEAD + b"||||||KLINGON", "MSH-18"),
        (HEAD + b"\rPID|||\xff", "byte"),
        (HEAD + b"\rPID" + b"|" * 2000, "segment 2"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(data, where):
    with pytest.raises(InputError) as caught:
        hl7v2.parse(data)
    assert where in str(caught.value.where)


def test_a_batch_gives_its_messages_and_must_hold_what_it_states():
    body = HEAD + b"\rPID|1\r" + HEAD + b"\rPID|2\r"
    batch = b"FHS|^~\\&\rBHS|^~\\&\r" + body + b"BTS|2\rFTS|1\r"
    found = [hl7v2.parse(data).first("PID").text(1) for _, data in hl7v2.split(batch)]
    assert found == ["1", "2"]
    with pytest.raises(InputError, match="states 3 and holds 2"):
        list(hl7v2.split(batch.replace(b"BTS|2", b"BTS|3")))
    with pytest.raises(InputError, match="no message"):
        list(hl7v2.split(b"FHS|^~\\&\rFTS|0"))


def segments(data):
    return [(s.name, s.text(3)) for s in hl7v2.parse(data).segments[1:]]


@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_what_ends_the_header_ends_every_segment(end):
    data = end.join([HEAD, b"PID|1||7", b"NTE|1||x", b""])
    assert segments(data) == [("PID", "7"), ("NTE", "x")]


@pytest.mark.parametrize("end", [b"\r", b"\r\n"])
def test_a_line_feed_inside_a_field_is_text_even_where_it_looks_like_a_segment(end):
    data = end.join(
        [HEAD, b"PID|1||7", b"NTE|1||first\nsecond", b"OBX|1|TX|a\nOBX|2|NM|2160-0||9.9|", b"OBX|3|NM|b", b""]
    )
    assert segments(data) == [("PID", "7"), ("NTE", "first\nsecond"), ("OBX", "a\nOBX"), ("OBX", "b")]


def test_a_carriage_return_inside_a_field_is_no_segment_and_refused():
    with pytest.raises(InputError, match="not a segment"):
        hl7v2.parse(HEAD + b"\rOBR|1|||screening\r|||F\r")


@pytest.mark.parametrize("between", [b"", b"\n", b"\r\n\r\n", b"\x1c\r\x0b", b"\r\n\xef\xbb\xbf"])
@pytest.mark.parametrize("end", [b"\r", b"\n", b"\r\n"])
def test_messages_of_a_file_are_told_apart_by_their_headers(end, between):
    one = end.join([HEAD, b"PID|1||7", b"NTE|1||x\ny" if end == b"\r" else b"NTE|1||x", b""])
    found = list(hl7v2.split(one + between + one.replace(b"|7", b"|8")))
    assert [hl7v2.parse(data).first("PID").text(3) for _, data in found] == ["7", "8"]
    assert all(len(hl7v2.parse(data).segments) == 3 for _, data in found)
    assert (one + between + one)[found[1][0] :].startswith(b"MSH")


def test_a_message_without_a_last_end_is_told_from_the_next_by_its_header():
    one = HEAD + b"\rPID|1||7\rNTE|1||MSH is a header"
    found = list(hl7v2.split(one + b"\n" + one))
    assert [len(hl7v2.parse(data).segments) for _, data in found] == [3, 3]


def test_an_encoding_holds_only_where_the_message_names_none():
    data = HEAD + b"\rPID|||Zo\xeb"
    assert hl7v2.parse(data, "latin-1").first("PID").text(3) == "Zo\u00eb"
    with pytest.raises(InputError, match="not UTF-8"):
        hl7v2.parse(data)
    with pytest.raises(InputError, match="not known"):
        hl7v2.parse(data, "klingon")
    with pytest.raises(InputError, match="UNICODE"):
        hl7v2.parse(HEAD + b"||||||UNICODE UTF-8\rPID|||Zo\xeb", "latin-1")


def test_an_encoding_does_not_hold_for_a_message_in_utf8():
    data = HEAD + "\rPID|||Zo\u00eb".encode()
    assert hl7v2.parse(data, "latin-1").first("PID").text(3) == "Zo\u00eb"
    assert hl7v2.parse(data.replace(b"P|2.5", b"P|2.5||||||8859/1"), "").first("PID").text(3) == "Zo\u00c3\u00ab"
    with pytest.raises(InputError, match="not known"):
        hl7v2.parse(data, "klingon")


@given(
    st.text(st.characters(exclude_categories=("Cs",), exclude_characters="MBF\ufeff\r\n\x0b\x1c"), max_size=30),
    st.sampled_from(["\r", "\n", "\r\n"]),
)
def test_splitting_finds_every_message_and_loses_no_text(note, end):
    one = (end.join([HEAD.decode(), "PID|1", f"NTE|1||{note}x"]) + end).encode()
    found = list(hl7v2.split(one * 3))
    assert [begin for begin, _ in found] == [0, len(one), 2 * len(one)]
    assert b"".join(data for _, data in found) == one * 3


def test_an_acknowledgement_goes_back_to_the_sender_with_the_reason():
    from datetime import UTC, datetime

    at = datetime(2026, 1, 1, tzinfo=UTC)
    message = hl7v2.parse(HEAD)
    answer = hl7v2.parse(acknowledge(message, Answer("AE", "no | way", "key"), at=at, control_id="X1"))
    assert [s.name for s in answer.segments] == ["MSH", "MSA", "ERR"]
    assert (answer.header.text(5), answer.header.text(6)) == ("APP", "FAC")
    assert (answer.first("MSA").text(1), answer.first("MSA").text(2)) == ("AE", "ID1")
    assert (answer.first("ERR").text(3), answer.first("ERR").text(8)) == ("204", "no | way")
    unread = hl7v2.parse(acknowledge(None, Answer("AR", "what?", "data"), at=at, control_id="X2"))
    assert unread.first("MSA").text(2) == ""
