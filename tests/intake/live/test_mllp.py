"""MLLP: frames out of any cutting of the stream, and what a bad sender gets."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from salus.errors import ConfigurationError
from salus.intake.live.mllp import END, START, Frames, Limits, Server, connect, framed

payload = st.binary(max_size=40).filter(lambda b: END not in b and not b.endswith(END[:1]))


@given(st.lists(payload, max_size=5), st.lists(st.integers(1, 30), max_size=30))
def test_any_cutting_of_the_stream_gives_the_same_frames(messages, cuts):
    stream = b"".join(framed(m) for m in messages)
    frames, found = Frames(100), []
    for size in [*cuts, len(stream)]:
        found += frames.feed(stream[:size])
        stream = stream[size:]
    assert found == messages


def test_a_frame_beyond_the_limit_is_refused_before_it_is_complete():
    with pytest.raises(OverflowError):
        Frames(10).feed(START + b"x" * 11)


def test_bytes_before_a_frame_are_skipped_in_any_cutting():
    stream = b"\n" + framed(b"one") + b"\r\n\x00noise" + framed(b"two") + b"\n"
    for size in range(1, len(stream)):
        frames = Frames(100)
        found = [f for start in range(0, len(stream), size) for f in frames.feed(stream[start : start + size])]
        assert found == [b"one", b"two"]


def test_noise_without_end_is_refused_and_a_frame_begins_the_count_anew():
    with pytest.raises(ValueError, match="outside"):
        Frames(10).feed(b"GET / HTTP/1.1\r\n")
    frames = Frames(10)
    assert frames.feed(b"x" * 9 + framed(b"a") + b"x" * 9 + framed(b"b")) == [b"a", b"b"]
    assert frames.feed(b"x" * 6) == []
    with pytest.raises(ValueError, match="outside"):
        frames.feed(b"x" * 6)


def talk(conversation, **limits):
    """Run ``conversation(reader, writer, server)`` against a server that answers every frame in capitals."""

    async def all_of_it():
        server = Server(lambda frame: frame.upper(), lambda reason: reason.encode(), Limits(**limits))
        port = await server.start("127.0.0.1", 0)
        reader, writer = await connect("127.0.0.1", port)
        try:
            return await asyncio.wait_for(conversation(reader, writer, port), 5)
        finally:
            writer.close()
            await server.stop()

    return asyncio.run(all_of_it())


def test_several_messages_of_one_connection_are_answered_in_order():
    async def conversation(reader, writer, port):
        writer.write(framed(b"one") + framed(b"two")[:3])
        first = await reader.readuntil(END)
        writer.write(framed(b"two")[3:])
        return first, await reader.readuntil(END)

    assert talk(conversation) == (framed(b"ONE"), framed(b"TWO"))


def test_what_is_too_large_is_told_and_the_connection_closed():
    async def conversation(reader, writer, port):
        writer.write(START + b"x" * 200)
        return await reader.read()

    assert b"more than 100 bytes" in talk(conversation, frame_bytes=100)


def test_a_silent_or_senseless_connection_is_closed():
    async def conversation(reader, writer, port):
        return await reader.read()

    assert talk(conversation, idle_seconds=0.05) == b""

    async def senseless(reader, writer, port):
        writer.write(b"GET / HTTP/1.1\r\n" * 1000)
        return await reader.read()

    assert talk(senseless) == b""


def test_one_connection_too_many_is_closed_and_the_first_goes_on():
    async def conversation(reader, writer, port):
        writer.write(framed(b"a"))
        await reader.readuntil(END)
        other, other_writer = await connect("127.0.0.1", port)
        refused = await other.read()
        other_writer.close()
        writer.write(framed(b"b"))
        return refused, await reader.readuntil(END)

    assert talk(conversation, connections=1) == (b"", framed(b"B"))


def test_a_port_in_use_is_one_clear_error():
    async def conversation(reader, writer, port):
        with pytest.raises(ConfigurationError, match="cannot listen"):
            await Server(lambda f: f, lambda r: b"").start("127.0.0.1", port)

    talk(conversation)
