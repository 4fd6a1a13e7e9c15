"""The venue's REST interface as values: what is asked and how it is signed, what its replies say (prime-fix.md 6).

It settles what FIX cannot. There is no look-up by ClOrdID, so orders are paged and compared; an order becomes a
snapshot that the ledger judges as a status answer, and only FAILED is a word of its own, the venue's rejection. Nothing
here waits or opens anything. Members that nobody asks for are ignored; what lacks the shape it must have is Malformed.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from hmac import digest
from types import MappingProxyType
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

from attrs import evolve, frozen

from primefixd.fix import tags
from primefixd.orders.model import OrderType, Side, TimeInForce
from primefixd.orders.reports import RejectReason, Report, ReportKind, RestFill, Transaction, VenueStatus
from primefixd.prime.logon import Credentials
from primefixd.prime.reading import read_number
from primefixd.strict import NotJson, parse_json, repetitions, shown

PAGE_LIMIT: Final = 500  # items of a page; the venue takes up to 3 000, and a page is parsed in one go
_SPAN: Final = (("limit", str(PAGE_LIMIT)), ("sort_direction", "ASC"))  # what is new then comes on the last page
STATUS_EXEC_ID: Final = "0"  # no execution: order-rules.md 3

_S = TypeVar("_S", bound=StrEnum)
_V = TypeVar("_V")
_STATUSES: Final[Mapping[str, VenueStatus]] = MappingProxyType(
    {
        "PENDING": VenueStatus.PENDING_NEW,
        "OPEN": VenueStatus.NEW,  # or PARTIALLY_FILLED, which REST does not tell apart
        "FILLED": VenueStatus.FILLED,
        "CANCELLED": VenueStatus.CANCELLED,
        "EXPIRED": VenueStatus.EXPIRED,
        "FAILED": VenueStatus.REJECTED,
    }
)


class Malformed(Exception):
    """A reply of the venue that cannot be used; the text is one sentence that says why."""


# What is asked


@frozen
class Ask:
    """One GET. `path` is what stands behind the address of the interface, quoted as it is signed and sent."""

    path: str
    query: tuple[tuple[str, str], ...] = ()

    def after(self, cursor: str) -> "Ask":
        """The same, for the page that a reply named as the next one."""
        kept = tuple(pair for pair in self.query if pair[0] != "cursor")
        return evolve(self, query=(*kept, ("cursor", cursor)))

    @property
    def target(self) -> str:
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def open_orders(portfolio_id: str) -> Ask:
    """Every open order, on one page; the venue refuses when there are more than a few thousand."""
    return Ask(f"{_place(portfolio_id)}/open_orders")


def orders(portfolio_id: str, since: datetime) -> Ask:
    """The orders that are not open any more, of those created since then, oldest first."""
    return Ask(f"{_place(portfolio_id)}/orders", _span(since))


def order(portfolio_id: str, order_id: str) -> Ask:
    """One order by the venue's own id, open or not."""
    return Ask(f"{_place(portfolio_id)}/orders/{_quoted(order_id)}")


def order_fills(portfolio_id: str, order_id: str) -> Ask:
    """The fills of one order, oldest first."""
    return Ask(f"{_place(portfolio_id)}/orders/{_quoted(order_id)}/fills", _SPAN)


def _span(since: datetime) -> tuple[tuple[str, str], ...]:
    moment = since.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (("start_date", moment), *_SPAN)


def _place(portfolio_id: str) -> str:
    return f"/portfolios/{_quoted(portfolio_id)}"


def _quoted(text: str) -> str:
    return quote(text, safe="")


def signed_headers(credentials: Credentials, path: str, now: datetime) -> tuple[tuple[bytes, bytes], ...]:
    """The headers of a GET of `path`: the whole path as it is sent, with /v1, without the query. Not to be logged."""
    seconds = str(int(now.timestamp()))
    mac = digest(credentials.api_secret.reveal().encode(), f"{seconds}GET{path}".encode(), sha256)
    return (
        (b"X-CB-ACCESS-KEY", credentials.api_key.reveal().encode()),
        (b"X-CB-ACCESS-PASSPHRASE", credentials.passphrase.reveal().encode()),
        (b"X-CB-ACCESS-TIMESTAMP", seconds.encode()),
        (b"X-CB-ACCESS-SIGNATURE", b64encode(mac)),
    )


# What is told


@frozen
class Page:
    """The items of one reply, not read yet. `next_cursor` is where the next page begins, None on the last one."""

    items: Sequence[object]
    next_cursor: str | None


def read_page(text: str, name: str, *, paged: bool = True) -> Page:
    """A reply that lists `name` (orders or fills). One that must be `paged` has to say whether more follows."""
    reply = _reply(text)
    listed = reply.value(name)
    if not isinstance(listed, list):
        raise Malformed(f"the venue's reply has no list of {name}")
    told = reply.value("pagination")
    if told is None and not paged:
        return Page(listed, None)
    pagination = _Members(told, "pagination")
    more, cursor = pagination.value("has_next"), pagination.text("next_cursor")
    if type(more) is not bool or (more and cursor is None):
        raise Malformed("the venue's reply does not say whether there is another page, and where")
    return Page(listed, cursor if more else None)


def read_order(text: str, portfolio_id: str) -> Report:
    """A reply that is one order, by itself or as the member `order`."""
    reply = _reply(text)
    return report(reply.all if reply.value("order") is None else reply.value("order"), portfolio_id)


def refusal(text: str) -> str | None:
    """What a reply that refuses says in words, if anything."""
    try:
        return _reply(text).text("message")
    except Malformed:
        return None


def report(item: object, portfolio_id: str) -> Report:
    """An order as REST lists it, as a snapshot; what cannot be read in it is named in `unreadable`."""
    members = _Members(item, "order")
    said, filled = members.needed("status"), members.amount("filled_quantity", "cumulative_quantity")
    status = _status(said, filled)
    failed = status is VenueStatus.REJECTED
    if status is VenueStatus.UNKNOWN:
        members.lost("status")
    return Report(
        account=portfolio_id,
        order_id=members.needed("id"),
        client_order_id=members.text("client_order_id"),
        exec_id=None if failed else STATUS_EXEC_ID,
        transaction=Transaction.NEW if failed else Transaction.STATUS,
        kind=ReportKind.REJECTED if failed else ReportKind.STATUS,
        status=status,
        product_id=members.needed("product_id"),
        side=members.word("side", Side),
        base_quantity=members.amount("base_quantity") or None,  # a size or price of 0 is one that it does not have
        quote_value=members.amount("quote_value") or None,
        limit_price=members.amount("limit_price") or None,
        cumulative_quantity=filled,
        average_price=members.amount("average_filled_price", "average_price"),
        reject_reason=RejectReason.OTHER if failed else None,
        time_in_force=members.word("time_in_force", TimeInForce),
        expiry_time=members.time("expiry_time"),
        stop_price=members.amount("stop_price") or None,
        order_type=members.word("type", OrderType, "order_type"),
        raw=((tags.ORD_STATUS, said),) if status is VenueStatus.UNKNOWN else (),
        unreadable=members.unreadable,  # this last: the reads above fill it
    )


def _status(said: str, filled: Decimal | None) -> VenueStatus:
    status = _STATUSES.get(said, VenueStatus.UNKNOWN)
    return VenueStatus.PARTIALLY_FILLED if status is VenueStatus.NEW and filled else status


def fill(item: object) -> RestFill:
    """A fill as REST lists it; one without a quantity and a price above zero is Malformed, since it may not be lost."""
    members = _Members(item, "fill")
    quantity, price = members.amount("filled_quantity"), members.amount("price")
    if not quantity or not price:
        raise Malformed(f"the venue's fill {shown(members.needed('id'))} has no quantity or no price above zero")
    return RestFill(
        fill_id=members.needed("id"),
        order_id=members.needed("order_id"),
        quantity=quantity,
        price=price,
        time=members.time("time"),
        commission=members.signed("commission"),
        venue=members.text("venue"),
    )


def _reply(text: str) -> "_Members":
    try:
        return _Members(parse_json(text), "reply")
    except NotJson as error:
        raise Malformed(f"the venue's reply is no JSON: {error}") from None


class _Members:
    """The members of one JSON object, read one by one. Absent, null and "" are all the same: the venue did not say."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"the venue's {what} is no JSON object")
        if repetitions(value):
            raise Malformed(f"the venue's {what} gives a member more than once")
        self.all: Mapping[str, object] = value
        self._what = what
        self._lost: dict[str, None] = {}

    @property
    def unreadable(self) -> tuple[str, ...]:
        return tuple(self._lost)

    def lost(self, name: str) -> None:
        self._lost[name] = None

    def value(self, name: str) -> object:
        return self.all.get(name)

    def text(self, name: str) -> str | None:
        value = self.all.get(name)
        if value is None or value == "":
            return None
        if type(value) is not str or not _is_unicode(value):
            raise Malformed(f"the venue's {self._what} has a member {name} that is no text")
        return value

    def needed(self, name: str) -> str:
        text = self.text(name)
        if text is None:
            raise Malformed(f"the venue's {self._what} has no {name}")
        return text

    def signed(self, name: str, called: str | None = None) -> Decimal | None:
        """A decimal, which comes as text; one that cannot be read is noted as `called`."""
        text = self.text(name)
        return self._kept(called or name, text, read_number(text))

    def amount(self, name: str, called: str | None = None) -> Decimal | None:
        """As `signed`, but less than nothing cannot be traded."""
        text, number = self.text(name), read_number(self.text(name))
        return self._kept(called or name, text, None if number is not None and number < 0 else number)

    def time(self, name: str) -> datetime | None:
        text = self.text(name)
        return self._kept(name, text, _read_time(text))

    def word(self, name: str, words: type[_S], called: str | None = None) -> _S | None:
        text = self.text(name)
        return self._kept(called or name, text, next((word for word in words if word == text), None))

    def _kept(self, called: str, text: str | None, value: _V | None) -> _V | None:
        if value is None and text is not None:
            self.lost(called)
        return value


def _read_time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text or "")
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _is_unicode(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= char <= "\udfff" for char in text)
