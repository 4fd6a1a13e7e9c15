"""Reads session settings of the QuickFIX family: sections and keys with their lines, no meaning.

The engines agree on the form: `[DEFAULT]` and `[SESSION]` in any case, `KEY=VALUE` lines, `#` before a whole line of
comment, the last of two equal keys counts. A value may be a password, so no message repeats one.
"""

import re
from collections.abc import Iterator

from attrs import field, frozen

from primefixd.strict import shown

FILE_MAX_BYTES = 262_144  # a larger file is no session settings; it is refused
_SECTION = re.compile(r"\[([^\]]*)\]")


@frozen
class Given:
    """A setting where it stands; `key` as it is written. `defaulted` says that it comes from [DEFAULT]."""

    key: str
    value: str = field(repr=False)
    line: int
    defaulted: bool = False


@frozen
class Note:
    """A sentence on a line of the file (from 1), to be read after `FILE:LINE: `."""

    line: int
    what: str


@frozen
class Session:
    """One [SESSION], the defaults beneath it, by key in small letters."""

    line: int
    settings: dict[str, Given]


@frozen
class Sections:
    """What a file holds. `mistakes`: it is not well-formed; `repeated`: keys given again, which counts."""

    sessions: tuple[Session, ...]
    mistakes: tuple[Note, ...]
    repeated: tuple[Note, ...]


@frozen
class _Reading:
    defaults: dict[str, Given] = field(factory=dict)
    sessions: list[Session] = field(factory=list)
    mistakes: list[Note] = field(factory=list)
    repeated: list[Note] = field(factory=list)


def read(content: bytes) -> Sections:
    """The sections of a file; whatever its bytes are, they are answered with notes and nothing is raised."""
    found = _Reading()
    if len(content) > FILE_MAX_BYTES:
        found.mistakes.append(Note(1, f"the file is larger than {FILE_MAX_BYTES} bytes; give session settings"))
    else:
        _take(found, content.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "backslashreplace"))
    sessions = tuple(Session(each.line, found.defaults | each.settings) for each in found.sessions)
    return Sections(sessions, tuple(found.mistakes), tuple(found.repeated))


def _take(found: _Reading, text: str) -> None:
    section: dict[str, Given] | None = None
    for number, line in _lines(text):
        if heading := _SECTION.fullmatch(line):
            section = _section(found, heading[1].strip(), number)
        elif "=" not in line:
            found.mistakes.append(Note(number, "is neither [SECTION] nor KEY=VALUE; write one of them, or # before it"))
        elif section is None:
            found.mistakes.append(Note(number, "stands before any section; put [DEFAULT] or [SESSION] above it"))
        else:
            _setting(found, section, line, number)
    if not found.sessions and not found.mistakes:
        found.mistakes.append(Note(1, "the file has no [SESSION] section; give a QuickFIX session configuration"))


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            yield number, stripped


def _section(found: _Reading, name: str, line: int) -> dict[str, Given]:
    """Where the settings below go; those of a section that nobody knows go nowhere."""
    match name.lower():
        case "default":
            return found.defaults
        case "session":
            found.sessions.append(Session(line, {}))
            return found.sessions[-1].settings
    found.mistakes.append(Note(line, f"[{shown(name)}] is no section of session settings; use [DEFAULT] or [SESSION]"))
    return {}


def _setting(found: _Reading, section: dict[str, Given], line: str, number: int) -> None:
    key, _, value = (part.strip() for part in line.partition("="))
    if not key:
        found.mistakes.append(Note(number, "has no key before the ="))
        return
    if before := section.get(key.lower()):
        what = f"it stands in line {number} again, which counts"
        found.repeated.append(Note(before.line, f"{shown(before.key)}: {what}"))
    section[key.lower()] = Given(key, value, number, defaulted=section is found.defaults)
