"""How fast execution reports are decoded and encoded, beside simplefix, in one run: python tests/benchmarks/codec.py

Decoding is fed what one read of a socket brings: as much as READ_BYTES when the venue is busy, and once more cut to TCP
segments, the worst case. Both sides verify what they verify by themselves: ours BodyLength and CheckSum of every
message, simplefix neither. Every field of every message is there afterwards on both sides.
"""

from collections.abc import Callable
from timeit import repeat

import simplefix

from primefixd.fix.codec import Decoder, encode
from primefixd.fix.message import Field, Message

SEGMENT_BYTES = 1448
READ_BYTES = 16_384
MESSAGES = 2000
REPEATS = 5
FIELDS = (
    "35=8|34=5123|49=COIN|52=20260127-15:55:05.552|56=22d47de1-bc5d-5d17|1=314dbd76-4459-41cd|6=87777.73|"
    "11=b828ec9e-636e-4b14|14=0.0001|17=e23cba67-fde7-4ec0|20=0|31=87777.73|32=0.0001|37=f9618938-765c|38=0.0001|"
    "39=2|40=1|54=1|55=BTC-USD|60=20260127-15:55:05.523|12=0.02|150=2|151=0.0000|8002=8.77"
)
REPORT: list[Field] = [(int(tag), value) for tag, value in (part.split("=") for part in FIELDS.split("|"))]


def chunks(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def decode_ours(stream: list[bytes]) -> int:
    decoder, count = Decoder(), 0
    for chunk in stream:
        for message in decoder.feed(chunk):
            assert isinstance(message, Message)
            count += 1
    return count


def decode_simplefix(stream: list[bytes]) -> int:
    parser, count = simplefix.FixParser(), 0
    for chunk in stream:
        parser.append_buffer(chunk)
        while parser.get_message() is not None:
            count += 1
    return count


def encode_ours() -> None:
    for _ in range(MESSAGES):
        encode(REPORT)


def encode_simplefix() -> None:
    for _ in range(MESSAGES):
        message = simplefix.FixMessage()
        message.append_pair(8, "FIX.4.2")
        for tag, value in REPORT:
            message.append_pair(tag, value)
        message.encode()


def rate(work: Callable[[], object]) -> float:
    """Messages a second, best of some runs."""
    return MESSAGES / min(repeat(work, number=1, repeat=REPEATS))


def show(what: str, ours: float, theirs: float) -> None:
    print(f"{what:28} primefixd {ours:>9,.0f}/s   simplefix {theirs:>8,.0f}/s   ratio {ours / theirs:.1f}")


def main() -> None:
    one = encode(REPORT)
    print(f"{MESSAGES} execution reports of {len(one)} bytes, {len(REPORT)} fields, best of {REPEATS}")
    for size in (READ_BYTES, SEGMENT_BYTES):
        stream = chunks(one * MESSAGES, size)
        assert decode_ours(stream) == decode_simplefix(stream) == MESSAGES
        ours, theirs = rate(lambda s=stream: decode_ours(s)), rate(lambda s=stream: decode_simplefix(s))
        show(f"decode, reads of {size} bytes", ours, theirs)
    show("encode", rate(encode_ours), rate(encode_simplefix))


if __name__ == "__main__":
    main()
