import re
from collections.abc import Iterable

import pytest
import simplefix
from hypothesis import example, given
from hypothesis import strategies as st

from primefixd.fix.codec import (
    BUFFER_MAX_BYTES,
    MESSAGE_MAX_BYTES,
    SAMPLE_MAX_BYTES,
    Decoder,
    Garbled,
    GarbledReason,
    encode,
)
from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.message import Message
from primefixd.fix.tags import DATA_TAGS

# prime-fix.md section 5, as the venue published it.
PUBLISHED = (
    "8=FIX.4.2|9=583|35=8|34=5|49=COIN|50=22d47de1-bc5d-5d17-8028-4ec90e72c1dd|52=20260127-15:55:05.552|"
    "56=22d47de1-bc5d-5d17-8028-4ec90e72c1dd|1=314dbd76-4459-41cd-ba9a-dccdd86b44e2|6=87777.73|"
    "11=b828ec9e-636e-4b14-bad9-3dec955dcd22|14=0.0001|17=e23cba67-fde7-4ec0-8f97-aaf7ce900128|20=0|30=otc|"
    "31=87777.73|32=0.0001|37=f9618938-765c-4834-9361-cdd62a238b2e|38=0.0001|39=2|40=1|54=1|55=BTC-USD|"
    "60=20260127-15:55:05.523|78=1|79=314dbd76-4459-41cd-ba9a-dccdd86b44e2|80=0.0001|12=0.02|13=3|136=3|137=0.02|"
    "138=USD|139=7|137=0|138=USD|139=12|137=0|138=USD|139=14|120=USD|150=2|151=0.0000|8002=8.77|8006=87900|10=158|"
)


def wire(text: str) -> bytes:
    return text.replace("|", "\x01").encode()


def framed(body: bytes, begin: bytes = b"FIX.4.2", length: bytes | None = None) -> bytes:
    """A message made by other means than `encode`: plain arithmetic."""
    head = b"8=" + begin + b"\x019=" + (str(len(body)).encode() if length is None else length) + b"\x01" + body
    return head + b"10=%03d\x01" % (sum(head) % 256)


def messages(items: Iterable[Message | Garbled]) -> list[Message]:
    return [item for item in items if isinstance(item, Message)]


def skipped(items: Iterable[Message | Garbled]) -> int:
    return sum(item.size for item in items if isinstance(item, Garbled))


HEARTBEAT = framed(wire("35=0|49=COIN|56=ME|34=7|52=20260127-15:55:05.552|"))
LATER = framed(wire("35=1|49=COIN|56=ME|34=8|52=20260127-15:55:06.552|112=are you there|"))

text = st.text(st.characters(exclude_characters="\x01", exclude_categories=["Cs"]), min_size=1, max_size=20)
plain_tags = st.integers(1, 999_999_999).filter(
    lambda tag: tag not in {8, 9, 10} and tag not in DATA_TAGS and tag not in DATA_TAGS.values()
)
plain = st.tuples(plain_tags, text).map(lambda field: [field])
raw = st.text(st.characters(exclude_categories=["Cs"]), max_size=30, min_size=1) | st.sampled_from(
    ["\x0110=000\x01", "\x018=FIX.4.2\x019=5\x01", HEARTBEAT.decode(), "\x01"]
)
data_fields = st.tuples(st.sampled_from(sorted(DATA_TAGS.items())), raw).map(
    lambda pair: [(pair[0][0], str(len(pair[1].encode()))), (pair[0][1], pair[1])]
)
bodies = st.tuples(text, st.lists(plain | data_fields, max_size=8)).map(
    lambda drawn: [(35, drawn[0]), *(field for fields in drawn[1] for field in fields)]
)
scraps = st.sampled_from(
    [
        b"8=FIX.4.2\x01",
        b"8=FIX",
        b"9=",
        b"9=5\x01",
        b"9=99999\x01",
        b"10=000\x01",
        b"35=0\x01",
        b"\x01",
        b"=",
        b"96=",
        b"95=400\x01",
        b"58=x",
        b"34=1\x01",
        HEARTBEAT,
        HEARTBEAT[:-3],
        HEARTBEAT[9:],
    ]
)
fragments = st.lists(scraps | st.binary(max_size=12), max_size=12).map(b"".join)
# Everything that could swallow what follows it, except a lie told twice, by BodyLength and a data length together.
lures = st.sampled_from(
    [
        b"",
        b"8",
        b"8=FI",
        b"8=FIX",
        b"8=FIX.4.2\x01",
        b"8=FIX.4.2\x019=",
        b"8=FIX.4.2\x019=9",
        b"8=FIX.4.2\x019=0\x01",
        b"8=FIX.4.2\x019=99999\x01",
        b"8=FIX.4.2\x019=400\x01",
        b"8=FIX.4.2\x019=400\x0135=8\x0158=cut he",
        b"8=FIX.4.2\x019=400\x0135=8\x015",
        b"8=FIX.4.2\x019=000000400\x0135=8\x01",
        b"8=FIX.4.4\x019=30000\x0135=8\x0111=a\x01",
        HEARTBEAT.replace(b"9=", b"9=9"),
        HEARTBEAT.replace(b"9=", b"9=0"),
        HEARTBEAT[:-1] + b"\x02",
        HEARTBEAT[:-4] + b"999\x01",
        HEARTBEAT[:-20],
        LATER[5:],
        b"GET / HTTP/1.1\r\n\r\n",
    ]
) | st.binary(max_size=40)


@given(bodies)
def test_what_is_encoded_is_decoded(fields: list[tuple[int, str]]) -> None:
    assert Decoder().feed(encode(fields)) == [Message([(tag, value.encode()) for tag, value in fields])]


@given(bodies, st.lists(st.integers(1, 40), max_size=20))
def test_a_message_survives_any_cut(fields: list[tuple[int, str]], sizes: list[int]) -> None:
    data, decoder, found = encode(fields), Decoder(), list[Message | Garbled]()
    for piece in cut(data, sizes):
        found += decoder.feed(piece)
    assert found == [Message([(tag, value.encode()) for tag, value in fields])]


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces, at = [], 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


@given(st.binary(max_size=300) | fragments)
def test_any_bytes_never_raise_and_none_vanish(data: bytes) -> None:
    decoder = Decoder()
    items = decoder.feed(data)
    kept = sum(len(framed(b"".join(b"%d=%b\x01" % field for field in m.fields))) for m in messages(items))
    # A BodyLength with leading zeros is longer than its message framed again, so bytes may only be missing then.
    assert kept + skipped(items) + decoder.buffered == len(data) or b"9=0" in data


@given(st.lists(fragments | lures | st.just(HEARTBEAT), max_size=6).map(b"".join), st.lists(st.integers(1, 30)))
def test_any_split_of_a_stream_gives_the_same_messages(data: bytes, sizes: list[int]) -> None:
    whole, split = Decoder(), Decoder()
    at_once = whole.feed(data)
    trickled = [item for piece in cut(data, sizes) for item in split.feed(piece)]
    assert messages(trickled) == messages(at_once)
    assert skipped(trickled) == skipped(at_once)
    assert split.buffered == whole.buffered


@given(st.lists(lures, min_size=1, max_size=6), st.integers(1, 50))
def test_the_next_good_message_is_found_behind_any_garbage(garbage: list[bytes], size: int) -> None:
    stream = b"".join(piece + HEARTBEAT for piece in garbage) + LATER
    decoder = Decoder()
    found = messages(item for piece in cut(stream, [size] * (len(stream) // size)) for item in decoder.feed(piece))
    good = [*Decoder().feed(HEARTBEAT) * len(garbage), *Decoder().feed(LATER)]
    assert [m for m in found if m in good] == good


@pytest.mark.parametrize("length", ["99999", "400", "30000", "000032000"])
def test_a_lying_body_length_does_not_hold_up_the_next_message(length: str) -> None:
    lie = wire(f"8=FIX.4.2|9={length}|35=8|34=6|11=a|")
    decoder = Decoder()
    assert not messages(decoder.feed(lie))
    assert [m.sequence_number for m in messages(decoder.feed(HEARTBEAT))] == [7]
    assert decoder.buffered == 0


def test_a_length_told_wrong_twice_swallows_at_most_one_message_size() -> None:
    decoder = Decoder()
    decoder.feed(wire("8=FIX.4.2|9=32000|35=8|95=31000|96="))
    found = list[Message | Garbled]()
    for _ in range(MESSAGE_MAX_BYTES // len(HEARTBEAT) + 1):
        found += decoder.feed(HEARTBEAT)
        assert decoder.buffered <= BUFFER_MAX_BYTES
    assert len(messages(found)) == MESSAGE_MAX_BYTES // len(HEARTBEAT) + 1


@given(st.lists(fragments | lures | st.binary(max_size=2000), max_size=30))
@example([b"8=FIX.4.2\x019=32000\x0135=8\x0195=31000\x0196="] + [b"x" * 1000] * 40)
@example([b"8=FIX.4.2\x019=32000\x0158="] + [b"x" * 1000] * 40)
def test_the_buffer_is_bounded(pieces: list[bytes]) -> None:
    decoder = Decoder()
    for piece in pieces:
        decoder.feed(piece)
        assert decoder.buffered <= BUFFER_MAX_BYTES


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no FIX at all", GarbledReason.NOISE),
        (wire("8=FIX.4.2|35=0|9=5|34=1|58=abcdefg|"), GarbledReason.HEAD),
        (wire("8=FIX.4.2|9=-5|35=0|34=1|58=abcdefg|"), GarbledReason.HEAD),
        (wire("8=FIX.4.2|9=1000000|35=0|34=1|58=abcdefg|"), GarbledReason.TOO_LONG),
        (framed(wire("35=0|34=1|"), length=b"9"), GarbledReason.BODY_LENGTH),
        (framed(wire("35=0|34=1"), length=b"9"), GarbledReason.BODY_LENGTH),
        (HEARTBEAT[:-4] + b"000\x01", GarbledReason.CHECK_SUM),
        (HEARTBEAT[:-4] + b" 98\x01", GarbledReason.CHECK_SUM),
        (framed(wire("35=0|34|")), GarbledReason.FIELDS),
        (framed(wire("35=0|=1|")), GarbledReason.FIELDS),
        (framed(wire("35=0||34=1|")), GarbledReason.FIELDS),
        (framed(wire("35=0|034=1|")), GarbledReason.FIELDS),
        (framed(wire("35=0|3x=1|")), GarbledReason.FIELDS),
        (framed(wire("35=0|1234567890=1|")), GarbledReason.FIELDS),
        (framed(wire("35=0|9=1|")), GarbledReason.FIELDS),
        (framed(wire("35=A|95=3|96=abcd|")), GarbledReason.FIELDS),
        (framed(wire("35=A|95=3|96=abcd58=x|")), GarbledReason.FIELDS),
        (framed(wire("35=A|95=30|96=abc|")), GarbledReason.FIELDS),
        (framed(wire("35=A|95=x|96=abc|")), GarbledReason.FIELDS),
        (framed(wire("35=A|95=3|58=abc|")), GarbledReason.FIELDS),
        (framed(wire("34=1|35=0|")), GarbledReason.MSG_TYPE),
        (framed(wire("35=|34=1|")), GarbledReason.MSG_TYPE),
        (framed(b""), GarbledReason.MSG_TYPE),
        (framed(wire("35=0|34=1|"), begin=b"FIX.4.4"), GarbledReason.BEGIN_STRING),
        (framed(wire("35=0|34=1|"), begin=b"FIXT.1.1"), GarbledReason.BEGIN_STRING),
    ],
)
def test_each_kind_of_garbage_has_its_reason(data: bytes, reason: GarbledReason) -> None:
    decoder = Decoder()
    items = decoder.feed(data + HEARTBEAT)
    assert isinstance(items[0], Garbled)
    assert items[0].reason is reason
    assert [m.sequence_number for m in messages(items)] == [7]
    assert skipped(items) == len(data)


def test_a_zero_padded_body_length_is_accepted() -> None:
    body = wire("35=0|34=7|")
    assert messages(Decoder().feed(framed(body, length=b"0000%d" % len(body))))[0].sequence_number == 7


def test_an_empty_value_is_read_since_a_fill_must_not_be_lost_for_it() -> None:
    assert messages(Decoder().feed(framed(wire("35=8|34=7|58=|"))))[0].get(58) == ""


def test_raw_data_may_hold_a_whole_message() -> None:
    inner = HEARTBEAT.decode()
    data = encode([(35, "A"), (95, str(len(inner))), (96, inner), (58, "end")])
    decoder = Decoder()
    items = [item for byte in data for item in decoder.feed(bytes([byte]))]
    assert [m.get(96) for m in messages(items)] == [inner]
    assert not skipped(items)


@pytest.mark.parametrize("size", [1, 37, 1448])
def test_samples_show_no_secret(size: int) -> None:
    logon = framed(wire("35=A|34=1|95=9|96=SIGNATURE|554=PASSPHRASE|9407=APIKEY|"))[:-4] + b"xxx\x01"
    decoder = Decoder()
    items = [i for p in cut(logon + HEARTBEAT, [size] * 200) for i in decoder.feed(p)]
    samples = b"".join(item.sample for item in items if isinstance(item, Garbled))
    assert skipped(items) == len(logon)
    assert b"35=A" in samples
    for secret in (b"SIGNATURE", b"PASSPHRASE", b"APIKEY", b"SIG", b"PASS"):
        assert secret not in samples
    assert all(len(item.sample) <= 2 * SAMPLE_MAX_BYTES for item in items if isinstance(item, Garbled))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ([], "must begin with MsgType"),
        ([(34, "1")], "must begin with MsgType"),
        ([(35, "0"), (58, "")], "tag 58 has no value"),
        ([(35, "0"), (58, "a\x01b")], "tag 58 contains SOH"),
        ([(35, "0"), (96, "a\x01b")], "length field"),
        ([(35, "0"), (95, "2"), (96, "abc")], "length field"),
        ([(35, "0"), (95, "2"), (96, "ü€")], "length field"),
        ([(35, "0"), (10, "000")], "tag 10 cannot stand"),
        ([(35, "0"), (-1, "x")], "tag -1 cannot stand"),
        ([(35, "0"), (0, "x")], "tag 0 cannot stand"),
        ([(35, "0"), (58, "\ud800")], "surrogate"),
        ([(35, "0"), (58, "x" * MESSAGE_MAX_BYTES)], "longer than"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(fields: list[tuple[int, str]], problem: str) -> None:
    with pytest.raises(LocalProtocolError, match=re.escape(problem)):
        encode(fields)


def test_the_published_report_parses() -> None:
    body = wire(PUBLISHED.removeprefix("8=FIX.4.2|9=583|").removesuffix("10=158|"))
    (report,) = messages(Decoder().feed(framed(body)))
    assert Decoder().feed(wire(PUBLISHED)) == [report]  # its 9 and 10 are right after all
    assert report.type == "8"
    assert report.sequence_number == 5
    assert [field[0] for field in report.fields][:5] == [35, 34, 49, 50, 52]
    assert report.get(8006) == "87900"
    group = [(tag, raw) for tag, raw in report.fields if tag in (137, 138, 139)]
    assert group == [
        *((137, b"0.02"), (138, b"USD"), (139, b"7")),
        *((137, b"0"), (138, b"USD"), (139, b"12")),
        *((137, b"0"), (138, b"USD"), (139, b"14")),
    ]
    assert encode([(tag, value.decode()) for tag, value in report.fields]) == framed(body)


PARSER = simplefix.FixParser()  # it takes data fields of later FIX for data, too, and writes MsgType only once
simple_tags = plain_tags.filter(lambda tag: tag not in {35, *PARSER.raw_len_tags, *PARSER.raw_data_tags})
simple_fields = st.tuples(simple_tags, text).map(lambda field: [field])
raw_data = data_fields.filter(lambda fields: fields[0][0] == 95)
simple_bodies = st.tuples(text, st.lists(simple_fields | raw_data, max_size=8)).map(
    lambda drawn: [(35, drawn[0]), *(field for fields in drawn[1] for field in fields)]
)


@given(simple_bodies)
def test_simplefix_reads_what_we_write(fields: list[tuple[int, str]]) -> None:
    parser = simplefix.FixParser()
    parser.append_buffer(encode(fields))
    message = parser.get_message()
    assert message is not None
    assert [pair for pair in message.pairs if pair[0] not in (b"8", b"9", b"10")] == [
        (str(tag).encode(), value.encode()) for tag, value in fields
    ]


@given(simple_bodies)
def test_we_read_what_simplefix_writes(fields: list[tuple[int, str]]) -> None:
    message = simplefix.FixMessage()
    message.append_pair(8, "FIX.4.2")
    for tag, value in fields:
        message.append_pair(tag, value)
    assert Decoder().feed(message.encode()) == [Message([(tag, value.encode()) for tag, value in fields])]
