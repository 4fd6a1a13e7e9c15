"""FIX messages are found in whatever holds them, however it is cut, and what is wrong with them is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from primefixd.cli.transcript import MESSAGE_MAX_BYTES, Transcript
from primefixd.fix.codec import encode

ORDER = encode([(35, "D"), (49, "me"), (56, "COIN"), (34, "2"), (11, "a"), (58, "x|y"), (44, "50000")])
LOGON = encode([(35, "A"), (34, "1"), (95, "12"), (96, "a\x0155=b\n10=00"), (554, "hush"), (9407, "key")])


def found(data, *, size=None):
    transcript = Transcript()
    cuts = range(0, len(data), size) if size else [0]
    messages = [message for at in cuts for message in transcript.feed(data[at : at + size] if size else data)]
    return [*messages, *transcript.end()]


def tags(message):
    return [tag for tag, _ in message.fields]


@pytest.mark.parametrize("separator", [b"\x01", b"|", b"^A", b"\\x01", b"\\u0001"])
def test_a_message_is_read_with_any_separator_and_its_line_says_where_from(separator):
    line = b"12:00:01 out " + encode([(35, "0"), (34, "2")]).replace(b"\x01", separator) + b" sent\n"
    (message,) = found(line)
    assert message.prefix == "12:00:01 out"
    assert message.fields == ((8, b"FIX.4.2"), (9, b"10"), (35, b"0"), (34, b"2"), (10, b"164"))
    assert message.problems == ()


def test_data_may_hold_separators_line_ends_and_what_looks_like_an_end():
    (message,) = found(b"in " + LOGON + b"\n")
    assert dict(message.fields)[96] == b"a\x0155=b\n10=00"
    assert message.problems == ()


def test_text_that_holds_the_log_s_separator_stays_whole():
    (message,) = found(ORDER.replace(b"\x01", b"|"))
    assert dict(message.fields)[58] == b"x|y"
    assert message.problems == ()


@pytest.mark.parametrize("size", [1, 2, 7, 64])
def test_it_makes_no_difference_how_the_bytes_arrive(size):
    data = b"noise 8=FI\n" + ORDER + LOGON + b"a: " + ORDER.replace(b"\x01", b"^A") + b"\n35=A|34=1|98=0\n" + ORDER[:40]
    assert found(data, size=size) == found(data)
    assert len(found(data)) == 5


def test_a_wrong_length_and_a_wrong_sum_are_told_with_what_would_be_right():
    (message,) = found(ORDER.replace(b"9=45", b"9=54").replace(b"44=5", b"44=6"))
    assert message.problems == (
        "BodyLength (9) is 54, and the body has 45 bytes",
        "CheckSum (10) is 195, and the bytes add up to 196",
    )
    assert dict(message.fields)[44] == b"60000"


def test_a_message_that_is_cut_short_says_so_and_hides_none_of_the_next():
    cut, whole = found(ORDER[:50] + b"\n" + ORDER + b"\n")
    assert cut.problems == ("it is cut short: no CheckSum (10) at its end",)
    assert tags(cut)[:3] == [8, 9, 35]
    assert whole.problems == ()


def test_a_head_out_of_order_is_told():
    (message,) = found(b"8=FIX.4.2|35=0|9=5|10=000|\n")
    assert message.problems[0] == "it does not begin with BeginString (8), BodyLength (9) and MsgType (35)"


def test_messages_without_a_frame_are_read_from_the_quotes_of_a_log():
    (message,) = found(b'{"session": "main-1", "message": "35=A|34=1|58=it\'s|108=30", "level": "info"}\n')
    assert message.fields == ((35, b"A"), (34, b"1"), (58, b"it's"), (108, b"30"))
    assert message.prefix == '{"session": "main-1", "message": "'


def test_secrets_before_a_message_are_masked():
    (message,) = found(b"554=hush 9407=key|96=abc " + ORDER)
    assert message.prefix == "554=… 9407=…|96=…"


def test_an_endless_message_is_cut_at_the_bound():
    first, *_ = found(b"8=FIX.4.2|9=5|35=0|58=" + b"x" * (2 * MESSAGE_MAX_BYTES), size=9000)
    assert sum(len(value) for _, value in first.fields) < MESSAGE_MAX_BYTES
    assert "cut short" in first.problems[0]


@given(st.lists(st.one_of(st.binary(max_size=30), st.sampled_from([ORDER, LOGON, b"8=FIX.4.2|", b"35=D|9=", b"\n"]))))
def test_any_bytes_are_read_without_a_mishap(pieces):
    for message in found(b"".join(pieces)):
        assert message.fields
