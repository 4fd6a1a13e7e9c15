"""Sets up structlog: JSON lines for a service manager, readable text on a terminal; secrets cannot pass.

Lines for the journal of systemd open with their priority, as sd-daemon(3) has it: it is taken off and kept beside them.

Whatever reaches a log line, in whichever field or traceback: the configured secret values and the values of FIX tags
96, 554 and 9407 are masked before any renderer sees them.
"""

import logging
import os
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any, TextIO

import structlog

from primefixd.secret import Secret

MASK = "***"
SECRET_CHARS_MIN = 4  # shorter values would blank out ordinary words; `config` warns about them
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

    def __init__(self, secrets: Iterable[Secret]) -> None:
        texts = sorted({s.reveal() for s in secrets if len(s.reveal()) >= SECRET_CHARS_MIN}, key=len, reverse=True)
        self._secrets = re.compile("|".join(map(re.escape, texts))) if texts else None

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        return {key: value if key.startswith("_") else self.mask(value) for key, value in event.items()}

    def mask(self, value: Any) -> Any:
        """`value` with every secret in it replaced; containers are walked, other objects are shown as their text."""
        if isinstance(value, bool | int | float | None):
            return value
        if isinstance(value, dict):
            return {key: self.mask(each) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.mask(each) for each in value]
        text = _TAGS.sub(rf"\1={MASK}", value if isinstance(value, str) else str(value))
        return self._secrets.sub(MASK, text) if self._secrets else text


def set_up(secrets: Iterable[Secret] = (), *, out: TextIO | None = None, level: str = "info") -> None:
    """Log to `out` (stderr if None): text if it is a terminal, else one JSON object a line."""
    out = out or sys.stderr
    renderer: Any = structlog.processors.JSONRenderer()
    if _is_journal(out):
        renderer = _prioritized(renderer)
    elif out.isatty():
        renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    finish: list[Any] = [
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        Masking(secrets),
    ]
    structlog.configure(
        processors=[structlog.processors.add_log_level, *finish, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    _adopt(finish, renderer, out)


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
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
