"""Messages survive every way of being cut, and what is no message is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.wire import MESSAGE_LIMIT, Decoder, WireError, encode, mark

MESSAGES = [{"id": 1, "op": "hello"},
            {"id": 2, "reply": {"text": "\udcff \u0000 ü \n"}}, {"id": 3, "event": {"n": 1.5}}]


@given(st.lists(st.integers(0, 200), max_size=20))
def test_messages_survive_any_cut(cuts: list[int]) -> None:
    stream = b"".join(map(encode, MESSAGES))
    places = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    decoder = Decoder()
    got = [m for a, b in zip(places, places[1:], strict=False) for m in decoder.feed(stream[a:b])]
    assert got == MESSAGES


def test_a_message_is_one_line_of_ascii() -> None:
    line = encode({"id": 1, "text": "a\nb\udc80"})
    assert line.count(b"\n") == 1 and line.endswith(b"\n") and line.isascii()


def test_empty_lines_are_nothing() -> None:
    assert Decoder().feed(b"\n  \n" + encode({"id": 7})) == [{"id": 7}]


@pytest.mark.parametrize("line", [b"{", b"[]", b"{}", b'{"id": "1"}', b"\xff\xfe", b"panic: oops"])
def test_what_is_no_message_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        Decoder().feed(line + b"\n")


def test_an_endless_line_is_refused() -> None:
    decoder = Decoder()
    with pytest.raises(WireError, match="longer"):
        for _ in range(10):
            decoder.feed(b"x" * (MESSAGE_LIMIT // 8))


def test_a_mark_names_token_phase_and_edge() -> None:
    assert mark("0123", "step 3", "begin") == "lab: 0123 step 3 begin"
