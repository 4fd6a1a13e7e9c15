"""The FIX log: every message in and out, one line each, written aside so that neither a link nor the loop ever waits.

    2026-03-02T15:00:00.123456Z main-1 out 8=FIX.4.2|9=65|35=0|…|10=161|

Links hand over what leaves and comes; one task writes it, and masks secrets before: tags 96, 554 and 9407 whatever they
hold, and every configured value wherever it turns up. What a kill may cost is the last GATHER_S seconds.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial

import structlog
import trio
from attrs import field, frozen

from primefixd.fix.codec import Decoder, Garbled, framed
from primefixd.fix.message import SECRET_TAGS, Message
from primefixd.runtime.ports import RunBlocking
from primefixd.runtime.rotated import Rotated
from primefixd.runtime.settings import FixLogSettings

GATHER_S = 0.1  # what comes within it is written together
RETRY_S = 1.0  # between attempts while the disk does not take it
LAST_S = 5.0  # for what waits at a stop; a thread that hangs in the disk is waited for all the same
WAITING_MAX_BYTES = 16_000_000  # of memory, about; what comes beyond is dropped, counted, and told in both logs
GROUP_MAX_LINES = 2_000  # in one writing
MASK = b"***"

_LINE_BYTES = 300  # of memory for a line, beside its text
_FIELD_BYTES = 100  # and for a field of a decoded message
_LIKE_A_FIELD = re.compile(r"\|(?=[0-9]{1,9}=)")
_log = structlog.get_logger()


@frozen
class _Line:
    at: datetime
    session: str
    told: bytes | Message | Garbled = field(repr=False)  # bytes: a message that leaves
    weight: int


class FixLog:
    """A `WireLog`; `mask` takes the configured secrets out of a text. `dropped` counts the lines that were lost."""

    def __init__(self, settings: FixLogSettings, mask: Callable[[str], str], blocking: RunBlocking) -> None:
        self.dropped = 0
        self._mask, self._blocking = mask, blocking
        self._file = Rotated(settings.file, settings.max_mb * 1_000_000, settings.keep)
        self._waiting: list[_Line] = []
        self._weight = 0
        self._untold = 0  # dropped, and the file does not say so yet
        self._failing = False
        self._work = trio.Event()

    def sent(self, session: str, data: bytes, at: datetime) -> None:
        """These bytes of one message are about to leave."""
        self._put(_Line(at, session, data, len(data) + _LINE_BYTES))

    def received(self, session: str, items: Sequence[Message | Garbled], at: datetime) -> None:
        """These messages have come, and these bytes that were none."""
        for item in items:
            self._put(_Line(at, session, item, _weight(item)))

    async def run(self) -> None:
        """Write group after group, until cancelled; then what still waits, if the disk takes it."""
        try:
            while True:
                await self._work.wait()
                await trio.sleep(GATHER_S)
                if not await self._write():
                    await trio.sleep(RETRY_S)
        finally:
            with trio.move_on_after(LAST_S, shield=True):
                while self._waiting and await self._write():
                    pass

    def _put(self, line: _Line) -> None:
        if self._weight + line.weight > WAITING_MAX_BYTES:
            if not self._untold:
                _log.error("fix_log_full", file=str(self._file.file), waiting_bytes=self._weight)
            self.dropped, self._untold = self.dropped + 1, self._untold + 1
            return
        self._weight += line.weight
        self._waiting.append(line)
        self._work.set()

    async def _write(self) -> bool:
        """Write one group. False if that failed: then it waits, and nothing of it is in the file."""
        group = self._waiting[:GROUP_MAX_LINES]
        dropped = self._untold if len(group) == len(self._waiting) else 0  # they came after all that waits
        try:
            await self._blocking(partial(self._append, group, dropped))
        except OSError as error:
            if not self._failing:
                why = f"{error.strerror}; make room, or let the user that runs primefixd write there"
                _log.error("fix_log_not_writable", file=str(self._file.file), error=why)
            self._failing = True
            return False
        if self._failing:
            _log.info("fix_log_writable", file=str(self._file.file))
        self._failing = False
        self._settle(group, dropped)
        return True

    def _settle(self, group: list[_Line], dropped: int) -> None:
        if dropped:
            self._untold -= dropped
            _log.error("fix_log_dropped", file=str(self._file.file), lines=dropped)
        del self._waiting[: len(group)]
        self._weight -= sum(line.weight for line in group)
        if not self._waiting:
            self._work = trio.Event()

    def _append(self, group: list[_Line], dropped: int) -> None:
        lines = [f"{_time(line.at)} {line.session} {self._text(line.told)}\n" for line in group]
        if dropped:
            lines.append(f"{_time(group[-1].at)} - dropped {dropped} lines: the disk did not keep up\n")
        self._file.append("".join(lines).encode("utf-8", "backslashreplace"))

    def _text(self, told: bytes | Message | Garbled) -> str:
        match told:
            case Garbled(reason=reason, size=size):
                return f"in garbled {size} bytes: {reason.value}"
            case Message():
                return f"in {self._shown(told)}"
        decoded = Decoder().feed(told)
        return f"out {self._shown(decoded[0])}" if isinstance(decoded[0], Message) else f"out {len(told)} bytes"

    def _shown(self, message: Message) -> str:
        """The message with its frame as it was on the wire; a masked one shows the sums of what it really held."""
        wire = framed(b"".join(b"%d=%b\x01" % each for each in message.fields))
        head, end = wire.index(b"\x01", 10), wire.rindex(b"10=")
        shown = "\x01".join((wire[:head].decode(), *_fields(message), wire[end:-1].decode(), ""))
        return _one_line(self._mask(shown))


def _weight(item: Message | Garbled) -> int:
    if isinstance(item, Garbled):
        return _LINE_BYTES
    return _LINE_BYTES + sum(_FIELD_BYTES + len(value) for _, value in item.fields)


def _fields(message: Message) -> Iterator[str]:
    for tag, raw in message.fields:
        value = (MASK if tag in SECRET_TAGS else raw).decode("utf-8", "backslashreplace")
        yield f"{tag}={value}" if "\x01" not in value else f"{tag}={value}".replace("\x01", r"\x01")


def _one_line(text: str) -> str:
    """Fields parted by `|`; what would break the line, or look like a field and is none, is escaped."""
    text = _LIKE_A_FIELD.sub(r"\\x7c", text).replace("\x01", "|")
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"
