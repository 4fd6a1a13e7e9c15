"""What a configuration must satisfy beyond its types: one table of checks of single values, and the rules among values.

They look at the tree itself and take only what has the right type, so that a mistake in one place hides none in
another. Limits of the venue are those of prime-fix.md sections 1 and 2.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import time
from difflib import get_close_matches
from urllib.parse import urlsplit

from primefixd.config.document import Document
from primefixd.control.settings import Right
from primefixd.dispatch.calendar import Schedule
from primefixd.dispatch.risk import BRAKE_LONGEST_S
from primefixd.runtime.settings import SESSIONS_PER_PORTFOLIO_MAX, SessionRole
from primefixd.secret import Secret
from primefixd.strict import Check, Path, Problem, Wrong, between, matching, shown
from primefixd.websocket import is_loopback

HEARTBEAT_MAX_S = 300  # prime-fix.md section 2
RETENTION_MAX_DAYS = 3650
QUIET_ASK_MAX_S = 60
RECONCILE_GRACE_MAX_S = 600
RECONCILE_LONGEST_S = 3600
LAST_ORDER_LEAD_MAX_S = 300
FIX_LOG_MAX_MB = 10_000
FIX_LOGS_KEPT_MAX = 1_000
RATE_MAX = 1000  # a second; above RATE_OF_VENUE a warning
RATE_OF_VENUE = 50
MARGIN_MAX_MS = 500
UNIX_PATH_MAX_BYTES = 107  # sun_path of Linux, less its closing zero

OPEN_ORDERS_MOST = 1_000_000
REFERENCE_AGE_MAX_S = 3600
_LIMITED = ("portfolios[]", "control.clients[]")  # what may have limits of its own

SECRETS = (
    "control.clients[].token",
    "portfolios[].sessions[].api_key",
    "portfolios[].sessions[].api_secret",
    "portfolios[].sessions[].passphrase",
)

_NAME = matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", "must be 1 to 64 letters, digits, '.', '_' and '-'")
_ID = matching(r"[!-~]{1,64}", "must be 1 to 64 ASCII characters without blanks, as the venue gave it")
_HOST = matching(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?|::1", "must be a host name or an IP address")
_TOKEN = Check(
    "is no token: it must be ASCII characters without blanks, since it travels in an HTTP header",
    lambda secret: re.fullmatch("[!-~]+", secret.reveal()) is not None,
)
_PATH = Check("must be a path", lambda text: text.isprintable() and text != "")
_RISK_CHECKS: tuple[tuple[str, type, Check], ...] = (
    ("reference_max_age_s", int, between(1, REFERENCE_AGE_MAX_S)),
    ("reference_max_age_s", float, between(0.1, REFERENCE_AGE_MAX_S)),
    ("open_orders_max", int, between(0, OPEN_ORDERS_MOST)),
    ("new_orders_per_second_max", int, between(0, RATE_MAX)),
    *((f"{brake}.max", int, between(1, OPEN_ORDERS_MOST)) for brake in ("identical_orders", "rejects")),
    *((f"{brake}.per_s", int, between(1, BRAKE_LONGEST_S)) for brake in ("identical_orders", "rejects")),
    *((f"{brake}.per_s", float, between(0.1, BRAKE_LONGEST_S)) for brake in ("identical_orders", "rejects")),
)
_CHECKS: tuple[tuple[str, type, Check], ...] = (
    ("venue.host", str, _HOST),
    ("venue.port", int, between(1, 65535)),
    ("venue.server_name", str, _HOST),
    ("venue.ca_file", str, _PATH),
    ("rest.ca_file", str, _PATH),
    ("state_dir", str, _PATH),
    ("control.clients[].name", str, _NAME),
    ("control.clients[].uid", int, between(0, 2**32 - 2)),
    ("control.clients[].token", Secret, _TOKEN),
    ("retention_days", int, between(1, RETENTION_MAX_DAYS)),
    ("quiet_ask_s", int, between(1, QUIET_ASK_MAX_S)),
    ("quiet_ask_s", float, between(0.1, QUIET_ASK_MAX_S)),
    ("reconcile_grace_s", int, between(1, RECONCILE_GRACE_MAX_S)),
    ("reconcile_grace_s", float, between(0.1, RECONCILE_GRACE_MAX_S)),
    ("reconcile_max_s", int, between(1, RECONCILE_LONGEST_S)),
    ("reconcile_max_s", float, between(1, RECONCILE_LONGEST_S)),
    ("schedule.last_order_lead_s", int, between(0, LAST_ORDER_LEAD_MAX_S)),
    ("schedule.last_order_lead_s", float, between(0, LAST_ORDER_LEAD_MAX_S)),
    ("fix_log.file", str, _PATH),
    ("fix_log.max_mb", int, between(1, FIX_LOG_MAX_MB)),
    ("fix_log.keep", int, between(1, FIX_LOGS_KEPT_MAX)),
    ("portfolios[].name", str, _NAME),
    ("portfolios[].portfolio_id", str, _ID),
    ("portfolios[].rate.messages_per_second", int, between(1, RATE_MAX)),
    ("portfolios[].rate.orders_per_second", int, between(1, RATE_MAX)),
    ("portfolios[].rate.margin_ms", int, between(0, MARGIN_MAX_MS)),
    ("portfolios[].halt_on.in_doubt_max", int, between(0, OPEN_ORDERS_MOST)),
    ("portfolios[].sessions[].name", str, _NAME),
    ("portfolios[].sessions[].service_account_id", str, _ID),
    ("portfolios[].sessions[].heartbeat_s", int, between(1, HEARTBEAT_MAX_S)),
    *((f"{each}.risk.{key}", kind, check) for each in _LIMITED for key, kind, check in _RISK_CHECKS),
)
_UNIQUE: tuple[tuple[str, type, str], ...] = (
    ("control.listen[]", str, "an address can be listened on once"),
    ("control.clients[].name", str, "every client needs a name of its own"),
    ("control.clients[].uid", int, "a user id must tell which client it is"),
    ("control.clients[].token", Secret, "every client needs a token of its own"),
    ("portfolios[].name", str, "every portfolio needs a name of its own"),
    ("portfolios[].portfolio_id", str, "write all its sessions under one portfolio"),
    ("portfolios[].sessions[].name", str, "every session needs a name of its own, across all portfolios"),
    ("portfolios[].sessions[].service_account_id", str, "the venue takes one session for each; make another"),
    ("portfolios[].sessions[].api_key", Secret, "the venue takes one session for each API key; make another"),
)
_FEWEST: tuple[tuple[str, int | None, str], ...] = (
    ("control.listen", None, "must name at least one address"),
    ("control.clients[].portfolios", None, 'must name at least one portfolio, or be "*"'),
    ("control.clients[].may", None, f"must grant at least one of {', '.join(Right)}"),
    ("portfolios", None, "must hold at least one portfolio"),
    (
        "portfolios[].sessions",
        SESSIONS_PER_PORTFOLIO_MAX,
        f"must hold 1 to {SESSIONS_PER_PORTFOLIO_MAX} sessions, which is what the venue takes",
    ),
)


def problems(document: Document) -> list[Problem]:
    """Every rule that the document breaks."""
    return [problem for rule in _RULES for problem in rule(document)]


def warnings(document: Document) -> list[Problem]:
    """What is allowed and likely not meant."""
    return [problem for rule in _WARNINGS for problem in rule(document)]


def window_times(text: str) -> tuple[time, time]:
    """Start and end of a window written as "17:00-17:05"; raises Wrong."""
    if re.fullmatch(r"[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}", text):
        with suppress(ValueError):
            start, end = (time.fromisoformat(part) for part in text.split("-"))
            if start != end:
                return start, end
    raise Wrong('must be two times of day such as "17:00-17:05"')


# Rules


def _single_values(document: Document) -> Iterator[Problem]:
    for pattern, kind, check in _CHECKS:
        found: Iterator[tuple[Path, object]] = document.found(pattern, kind)
        for path, value in found:
            if not check.holds(value):
                yield Problem(path, check.must + ("" if kind is Secret else f", not {shown(str(value))}"))


def _unique_values(document: Document) -> Iterator[Problem]:
    for pattern, kind, why in _UNIQUE:
        first: dict[object, Path] = {}
        found: Iterator[tuple[Path, object]] = document.found(pattern, kind)
        for path, value in found:
            before = first.setdefault(value, path)
            if before != path:
                there = f"{Problem(before, '').field} in line {document.line(before)}"
                yield Problem(path, f"is the same as {there}; {why}")


def _counts(document: Document) -> Iterator[Problem]:
    for pattern, most, must in _FEWEST:
        for path, value in document.found(pattern, list):
            if not value or (most is not None and len(value) > most):
                yield Problem(path, f"{must}, not {len(value)}")


def _clients(document: Document) -> Iterator[Problem]:
    for path, client in document.found("control.clients[]", dict):
        if client.get("token") is None and client.get("uid") is None:
            yield Problem(path, "has neither token nor uid, so nobody could be it; give one")


def _known_portfolios(document: Document) -> Iterator[Problem]:
    names = [name for _, name in document.found("portfolios[].name", str)]
    for path, name in document.found("control.clients[].portfolios[]", str):
        if name not in names:
            near = get_close_matches(name, names, n=1)
            advice = f"did you mean {near[0]}?" if near else f"configured are: {', '.join(names) or 'none'}"
            yield Problem(path, f"names the portfolio {shown(name)}, which is not configured; {advice}")


def _risk_written(document: Document) -> Iterator[Problem]:
    """Nobody runs without limits by oversight."""
    for path, portfolio in document.found("portfolios[]", dict):
        if portfolio.get("risk") is None:
            name = shown(str(portfolio.get("name")))
            yield Problem((*path, "risk"), f"of the portfolio {name} is not there; write its limits, or risk: none")


def _listening(document: Document) -> Iterator[Problem]:
    for path, address in document.found("control.listen[]", str):
        if what := _listen_problem(address):
            yield Problem(path, what)
    for path, address in document.found("metrics.listen", str):
        if what := _address_problem(
            address, "HOST:PORT, such as 127.0.0.1:9417", "this machine alone may ask for them"
        ):
            yield Problem(path, what)
        elif any(address == other for _, other in document.found("control.listen[]", str)):
            yield Problem(path, "is in control.listen as well; an address can be listened on once")


def _listen_problem(address: str) -> str | None:
    if address.startswith("unix:"):
        place = address.removeprefix("unix:")
        fits = place.startswith("/") and place.isprintable() and len(place.encode()) <= UNIX_PATH_MAX_BYTES
        return None if fits else f"must be unix: and an absolute path of at most {UNIX_PATH_MAX_BYTES} bytes"
    either = "HOST:PORT, such as 127.0.0.1:8417, or unix:PATH"
    return _address_problem(address, either, "orders are taken from this machine only")


def _address_problem(address: str, form: str, why: str) -> str | None:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\[\]:]+)):([0-9]{1,5})", address)
    if match is None or int(match[3]) > 65535:
        return f"must be {form}"
    if not is_loopback(match[1] or match[2]):
        return f"is not on the loopback, and {why}; use 127.0.0.1:PORT{' or unix:PATH' if 'unix' in form else ''}"
    return None


def _plain_text(document: Document) -> Iterator[Problem]:
    for path, tls in document.found("venue.tls", bool):
        for _, host in document.found("venue.host", str):
            if not tls and not is_loopback(host):
                what = "is false, and the host is another machine: secrets would travel in clear"
                yield Problem(path, f"{what}; use a stunnel on 127.0.0.1, or true")


def _times(document: Document) -> Iterator[Problem]:
    for path, text in document.found("schedule.window", str):
        try:
            window_times(text)
        except Wrong as error:
            yield Problem(path, f"{error}, not {shown(text)}")
    for path, zone in document.found("schedule.zone", str):
        try:
            Schedule(zone, time(0), time(1))
        except ValueError:
            yield Problem(path, f"is not a time zone: {shown(zone)}; use a name such as America/New_York")


def _addresses(document: Document) -> Iterator[Problem]:
    for path, origin in document.found("control.origins[]", str):
        if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]{1,255}", origin):
            yield Problem(path, f"must be an origin such as http://localhost:3000, not {shown(origin)}")
    for path, url in document.found("rest.url", str):
        if not _is_rest(url):
            yield Problem(path, f"must be an https address (http on the loopback only), not {shown(url)}")


def _is_rest(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    trusted = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return trusted and bool(host) and url.isprintable() and not (parts.username or parts.query or parts.fragment)


# Warnings


def _roles(document: Document) -> Iterator[Problem]:
    has_rest = any(value is not None for _, value in document.found("rest", object))
    for path, portfolio in document.found("portfolios[]", dict):
        sessions = [session for session in _listed(portfolio.get("sessions")) if isinstance(session, dict)]
        roles = {session.get("role", SessionRole.ORDERS) for session in sessions}
        if sessions and SessionRole.DROP_COPY not in roles and not has_rest:
            yield Problem(
                path, "has no session with role drop_copy and there is no rest: a report may be missed for good"
            )
        if sessions and SessionRole.ORDERS not in roles:
            yield Problem(path, "has no session with role orders; every order will be refused")


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _rates(document: Document) -> Iterator[Problem]:
    for name in ("messages_per_second", "orders_per_second"):
        for path, rate in document.found(f"portfolios[].rate.{name}", int):
            if rate > RATE_OF_VENUE:
                yield Problem(path, f"is more than the {RATE_OF_VENUE} that the venue takes; it rejects the rest")


def _callers(document: Document) -> Iterator[Problem]:
    clients = [client for _, client in document.found("control.clients[]", object)]
    if not clients:
        yield Problem(("control", "clients"), "is empty; nobody can connect")
    unix = any(address.startswith("unix:") for _, address in document.found("control.listen[]", str))
    for path, _ in document.found("control.clients[].uid", int):
        if not unix:
            yield Problem(path, "has no effect; control.listen names no unix: address")


_Rule = Callable[[Document], Iterator[Problem]]
_RULES: tuple[_Rule, ...] = (
    _single_values,
    _unique_values,
    _counts,
    _clients,
    _known_portfolios,
    _risk_written,
    _listening,
    _plain_text,
    _times,
    _addresses,
)
_WARNINGS: tuple[_Rule, ...] = (_roles, _rates, _callers)
