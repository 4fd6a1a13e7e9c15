"""Sets up structlog: JSON lines for a service manager, readable text on a terminal; secrets cannot pass.

Lines for the journal of systemd open with their priority, as sd-daemon(3) has it: it is taken off and kept beside them.

Whatever reaches a log line, in whichever field or traceback: the configured secret values and the values of FIX tags
96, 554 and 9407 are masked before any renderer sees them. An event that repeats itself is told so many times a minute;
then a line says how often more it came.
"""

import json
import logging
import os
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, MutableMapping
from datetime import UTC, datetime
from typing import Any, TextIO
from urllib.parse import quote

import structlog

from primefixd.secret import Secret

MASK = "***"
SECRET_CHARS_MIN = 4  # shorter values would blank out ordinary words; `config` warns about them
REPEATS_MAX_PER_MINUTE = 30  # of one event of one session (or portfolio, or client); what is more is only counted
KINDS_MAX = 10_000  # counted apart in one minute; kinds beyond are told without a limit
LEFT_OUT = "left_out"
_KIND = ("event", "level", "portfolio", "session", "client")
_PRIORITIES = {
    "critical": 2,
    "error": 3,
    "warning": 4,
    "info": 6,
    "debug": 7,
}  # of syslog, by our levels; any other is 5
_TAGS = re.compile(r"(?<!\d)(96|554|9407)=[^|\x01]*")


class Masking:
    """A structlog processor that masks `secrets` and secret FIX tags in everything, however deep."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        self._forms: tuple[str, ...] = ()
        self.learn(secrets)

    def learn(self, secrets: Iterable[Secret]) -> None:
        """Mask these, too, from now on; those that were in use before may still turn up, and are not forgotten."""
        forms = {form for secret in secrets for form in _forms(secret.reveal()) if len(form) >= SECRET_CHARS_MIN}
        self._forms = tuple(sorted(forms.union(self._forms), key=lambda form: (-len(form), form)))

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: value if key.startswith("_") else self.mask(value) for key, value in event.items()}

    def mask(self, value: Any) -> Any:
        """`value` with every secret in it replaced; containers are walked, other objects are shown as their text."""
        if isinstance(value, bool | int | float | None):
            return value
        if isinstance(value, dict):
            return {self.mask(key): self.mask(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.mask(each) for each in value]
        return _TAGS.sub(rf"\1={MASK}", self.values(value if isinstance(value, str) else str(value)))

    def values(self, text: str) -> str:
        """`text` with the configured values masked, and tags left alone."""
        for form in self._forms:  # before tags are looked for: a passphrase may hold what ends a field
            if form in text:
                text = text.replace(form, MASK)
        return text


def _forms(text: str) -> Iterator[str]:
    """How a text may look when somebody printed what holds it: in a repr, as JSON, in an address."""
    raw = text.encode("utf-8", "surrogateescape")
    yield text
    for shown in (repr, ascii):
        yield shown(text)[1:-1]
        yield shown(f"{text}'\"")[1:-4]  # as within a text that has quotes of both kinds
    yield repr(raw)[2:-1]
    yield repr(raw + b"'\"")[2:-4]
    yield json.dumps(text)[1:-1]
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield quote(text, safe="", errors="surrogateescape")


class Repetition(logging.Filter):
    """Lets REPEATS_MAX_PER_MINUTE events of one kind through in a minute of the clock, and counts the others.

    A structlog processor for what has a timestamp and a level, and a filter for what the standard library logs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._minute = ""
        self._told: Counter[tuple[str, ...]] = Counter()
        self._left_out: Counter[tuple[str, ...]] = Counter()

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if event["event"] != LEFT_OUT and not self._passes(
            str(event["timestamp"])[:16], tuple(str(event.get(name, "")) for name in _KIND)
        ):
            raise structlog.DropEvent
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether that record of the standard library may be told; its kind is who logs which text."""
        minute = datetime.fromtimestamp(record.created, UTC).isoformat()[:16]
        return self._passes(minute, (str(record.msg), record.levelname.lower(), "", "", record.name))

    def tell(self) -> None:
        """Say what was left out and has not been said yet, a line for each kind."""
        left_out, self._left_out = self._left_out, Counter()
        for kind, times in left_out.items():
            what, *others = kind
            named = {name: value for name, value in zip(_KIND[2:], others[1:], strict=True) if value}
            structlog.get_logger().warning(LEFT_OUT, what=what, times=times, minute=self._minute, **named)

    def _passes(self, minute: str, kind: tuple[str, ...]) -> bool:
        if minute != self._minute:
            self.tell()
            self._minute = minute
            self._told.clear()
        if kind not in self._told and len(self._told) >= KINDS_MAX:
            return True
        self._told[kind] += 1
        if self._told[kind] <= REPEATS_MAX_PER_MINUTE:
            return True
        self._left_out[kind] += 1
        return False


_repetition = Repetition()


def tell_left_out() -> None:
    """Say now which repetitions were left out: for who waits a minute without a line, or ends."""
    _repetition.tell()


def set_up(secrets: Iterable[Secret] = (), *, out: TextIO | None = None, level: str = "info") -> Masking:
    """Log to `out` (stderr if None): text if it is a terminal, else one JSON object a line. Returns what masks it."""
    global _repetition
    out, masking, _repetition = out or sys.stderr, Masking(secrets), Repetition()
    renderer: Any = structlog.processors.JSONRenderer()
    if _is_journal(out):
        renderer = _prioritized(renderer)
    elif out.isatty():
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    finish: list[Any] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        masking,
    ]
    stamp, *finish_ours = finish
    structlog.configure(
        processors=[structlog.processors.add_log_level, stamp, _repetition, *finish_ours, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _adopt(finish, renderer, out)
    return masking


def _is_journal(out: TextIO) -> bool:
    """Whether `out` is the stream that systemd named in $JOURNAL_STREAM, by device and inode (systemd.exec(5))."""
    try:
        found = os.fstat(out.fileno())
    except (OSError, ValueError):  # no file at all, or closed
        return False
    return os.environ.get("JOURNAL_STREAM") == f"{found.st_dev}:{found.st_ino}"


def _prioritized(render: Any) -> Any:
    """`render`, with the priority in front."""

    def rendered(logger: Any, method: str, event: MutableMapping[str, Any]) -> str:
        return f"<{_PRIORITIES.get(event['level'], 5)}>{render(logger, method, event)}"

    return rendered


def _adopt(finish: list[Any], renderer: Any, out: TextIO) -> None:
    """What libraries and `websocket` log with the standard library goes the same way, from warnings up."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.add_log_level],
        processors=[*finish, structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    handler.addFilter(_repetition)
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
