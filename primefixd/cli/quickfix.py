"""What sessions of a QuickFIX file come to here: one venue, portfolios, and a word on everything that is left behind.

A session that the daemon cannot keep is left out with its reason. Values that are not carried over are never repeated:
any of them may be a secret.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from attrs import field, frozen

from primefixd.cli.quickfix_file import Given, Note, Sections, Session
from primefixd.cli.quickfix_leftovers import why_left_out
from primefixd.config.rules import HEARTBEAT_MAX_S
from primefixd.prime.venue import TARGET_COMP_ID
from primefixd.runtime.settings import SESSIONS_PER_PORTFOLIO_MAX, SessionRole, VenueSettings
from primefixd.strict import shown
from primefixd.websocket import is_loopback

BEGIN_STRING = "FIX.4.2"
_ACCOUNT = ("portfolioid", "portfolio_id", "portfolio", "account")
_TLS = ("socketusessl", "sslenable")
_SERVER_NAME = ("sslservername", "snihostname", "socketservername")
_CA_FILE = ("certificationauthoritiesfile", "sslcacertificate", "socketcafile")
_DROP_COPY = "dropcopyflag"
_CARRIED = {
    *("beginstring", "sendercompid", "targetcompid", "sessionqualifier", "connectiontype", "heartbtint", _DROP_COPY),
    *("socketconnecthost", "socketconnectport", *_ACCOUNT, *_TLS, *_SERVER_NAME, *_CA_FILE),
}
_ID = re.compile(r"[!-~]{1,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?|::1")
_YES, _NO = ("y", "yes", "true", "t", "1"), ("n", "no", "false", "f", "0")


@frozen
class Kept:
    """One session; `named` is what its qualifier calls it, None without one."""

    line: int
    service_account_id: str
    portfolio_id: str | None
    named: str | None
    heartbeat_s: int
    role: SessionRole
    venue: VenueSettings


@frozen
class Imported:
    """`sessions` by portfolio id (None: the file does not say), all to one `venue`; `refused` were left out."""

    venue: VenueSettings
    sessions: Mapping[str | None, tuple[Kept, ...]]
    left_out: tuple[Note, ...]
    refused: tuple[Note, ...]


class _Refused(Exception):
    def __init__(self, note: Note) -> None:
        super().__init__(note.what)
        self.note = note


@frozen
class _Settings:
    """The settings of one session, taken by meaning; raises _Refused for a value that cannot be meant."""

    session: Session

    def given(self, *keys: str) -> Given | None:
        """The first of `keys` that has a value."""
        found = (self.session.settings.get(key) for key in keys)
        given = next((each for each in found if each is not None and each.value), None)
        if given is not None and "${" in given.value:
            self._refuse(given, "is a variable of QuickFIX/J; write its value")
        return given

    def text(self, pattern: re.Pattern[str], must: str, *keys: str) -> str | None:
        given = self.given(*keys)
        if given is not None and not pattern.fullmatch(given.value):
            self._refuse(given, f"must be {must}, not {shown(given.value)}")
        return given.value if given else None

    def required(self, name: str) -> Given:
        given = self.given(name.lower())
        if given is None:
            raise _Refused(Note(self.session.line, f"this session has no {name}; give it there or in [DEFAULT]"))
        return given

    def number(self, least: int, most: int, key: str) -> int | None:
        given = self.given(key)
        if given is None:
            return None
        if not re.fullmatch("[0-9]{1,9}", given.value) or not least <= int(given.value) <= most:
            self._refuse(given, f"must be a whole number from {least} to {most}, not {shown(given.value)}")
        return int(given.value)

    def flag(self, *keys: str) -> bool | None:
        given = self.given(*keys)
        if given is None:
            return None
        if given.value.lower() not in (*_YES, *_NO):
            self._refuse(given, f"must be Y or N, not {shown(given.value)}")
        return given.value.lower() in _YES

    def only(self, value: str, why: str, *keys: str) -> None:
        given = self.given(*keys)
        if given is not None and given.value.lower() != value.lower():
            self._refuse(given, f"is {shown(given.value)}; {why}")

    def _refuse(self, given: Given, what: str) -> None:
        raise _Refused(Note(given.line, f"{given.key} {what}"))


@frozen
class _Import:
    kept: list[Kept] = field(factory=list)
    refused: list[Note] = field(factory=list)


def to_primefixd(sections: Sections) -> Imported | tuple[Note, ...]:
    """What becomes of well-formed sections; the reasons alone where no session can be kept."""
    made = _Import()
    for session in sections.sessions:
        try:
            kept = _kept(_Settings(session))
            _fits(kept, made.kept)
            made.kept.append(kept)
        except _Refused as refused:
            if refused.note not in made.refused:  # the same default, of another session
                made.refused.append(refused.note)
    if not made.kept:
        return tuple(made.refused)
    grouped: dict[str | None, tuple[Kept, ...]] = {}
    for kept in made.kept:
        grouped[kept.portfolio_id] = (*grouped.get(kept.portfolio_id, ()), kept)
    left_out = {*sections.repeated, *_left_out(sections.sessions), *_about_tls(sections.sessions, made.kept[0])}
    told = tuple(sorted(left_out, key=lambda note: (note.line, note.what)))
    return Imported(made.kept[0].venue, grouped, told, tuple(made.refused))


def _kept(settings: _Settings) -> Kept:
    begin = "the venue speaks FIX.4.2 only, so this session is left out"
    for name in ("BeginString", "SenderCompID", "SocketConnectHost", "SocketConnectPort"):
        settings.required(name)
    settings.only(BEGIN_STRING, begin, "beginstring")
    settings.only("initiator", "the daemon accepts no FIX connections, so this session is left out", "connectiontype")
    target = f"the venue is {TARGET_COMP_ID}, so this session is to somebody else and left out"
    settings.only(TARGET_COMP_ID, target, "targetcompid")
    an_id = "1 to 64 ASCII characters without blanks"
    drop_copy = settings.flag(_DROP_COPY)
    heartbeat_s = settings.number(1, HEARTBEAT_MAX_S, "heartbtint")
    return Kept(
        line=settings.session.line,
        service_account_id=settings.text(_ID, an_id, "sendercompid") or "",
        portfolio_id=settings.text(_ID, an_id, *_ACCOUNT),
        named=settings.text(_NAME, "letters, digits, '.', '_' and '-'", "sessionqualifier"),
        heartbeat_s=30 if heartbeat_s is None else heartbeat_s,
        role=SessionRole.DROP_COPY if drop_copy else SessionRole.ORDERS,
        venue=_venue(settings),
    )


def _venue(settings: _Settings) -> VenueSettings:
    """A host on this machine is taken for a stunnel, unless the file asks for TLS to it."""
    a_host = "a host name or an IP address"
    host = settings.text(_HOST, a_host, "socketconnecthost") or ""
    tls = bool(settings.flag(*_TLS)) or not is_loopback(host)
    name = settings.text(_HOST, a_host, *_SERVER_NAME)
    ca_file = settings.given(*_CA_FILE)
    if ca_file is not None and not ca_file.value.isprintable():
        raise _Refused(Note(ca_file.line, f"{ca_file.key} must be a path"))
    return VenueSettings(
        host=host,
        port=settings.number(1, 65535, "socketconnectport") or 0,
        tls=tls,
        ca_file=ca_file.value if ca_file and tls else None,
        server_name=name if tls else None,
    )


def _fits(kept: Kept, others: Iterable[Kept]) -> None:
    """A daemon has one venue, and the venue takes one session for each service account."""
    for other in others:
        if kept.venue != other.venue:
            what = f"this session goes to another address, or with other TLS, than that of line {other.line}"
            raise _Refused(Note(kept.line, f"{what}; a daemon has one venue: make another file of it"))
        if kept.service_account_id == other.service_account_id:
            what = f"this session has the SenderCompID of that of line {other.line}"
            raise _Refused(Note(kept.line, f"{what}; the venue takes one session for each service account"))


def _left_out(sessions: Iterable[Session]) -> Iterator[Note]:
    """Each setting once, defaults too."""
    given = {each.line: each for session in sessions for each in session.settings.values()}
    for each in given.values():
        if each.key.lower() not in _CARRIED:
            yield Note(each.line, f"{shown(each.key)}: {why_left_out(each.key)}")


def _about_tls(sessions: Iterable[Session], first: Kept) -> Iterator[Note]:
    """What the venue's settings became, where that is not plain."""
    settings = next(_Settings(session) for session in sessions if session.line == first.line)
    host, flag = settings.given("socketconnecthost"), settings.given(*_TLS)
    if host is not None and not first.venue.tls:
        what = "this machine, so a stunnel is taken to stand there: `tls: false`; the daemon needs none: with"
        yield Note(host.line, f"{host.key}: {what} `host: fix.prime.coinbase.com` and `tls: true` it does TLS itself")
    if flag is not None and first.venue.tls and not settings.flag(*_TLS):
        yield Note(flag.line, f"{flag.key}: the venue takes TLS only, so `tls: true`")
    for each in (settings.given(*_CA_FILE), settings.given(*_SERVER_NAME)):
        if each is not None and not first.venue.tls:
            yield Note(each.line, f"{each.key}: with `tls: false` it is the stunnel that verifies the venue")


def too_many(sessions: tuple[Kept, ...]) -> bool:
    """Whether they are more than the venue takes for a portfolio."""
    return len(sessions) > SESSIONS_PER_PORTFOLIO_MAX
