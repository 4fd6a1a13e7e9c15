"""Coinbase Prime's facts as data: its names, its own tags, and what its letters mean in our words.

Nothing here decides anything. Letters that FIX 4.2 or the venue does not define are in no table, and whoever looks one
up says what that means. Source: prime-fix.md sections 2, 3 and 5; FIX 4.2 where that is silent.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from attrs import evolve, frozen

from primefixd.fix import tags
from primefixd.orders.model import OrderType, PegOffsetType, Side, TimeInForce
from primefixd.orders.reports import RejectReason, ReportKind, Transaction, VenueStatus

TARGET_COMP_ID: Final = "COIN"

PEG_OFFSET_TYPE: Final = 836
TARGET_STRATEGY: Final = 847
PARTICIPATION_RATE: Final = 849
FILLED_AMT: Final = 8002
NET_AVG_PRICE: Final = 8006
WIG_LEVEL: Final = 8007
AUCTION_DURATION: Final = 8090
IS_BUY_EXACT: Final = 8998
IS_RAISE_EXACT: Final = 8999
DROP_COPY_FLAG: Final = 9406
ACCESS_KEY: Final = 9407

_K = TypeVar("_K")
_V = TypeVar("_V")


def _table(rows: dict[_K, _V]) -> Mapping[_K, _V]:
    return MappingProxyType(rows)


def _turned(table: Mapping[str, _V]) -> Mapping[_V, str]:
    return MappingProxyType({word: letter for letter, word in table.items()})


TAG_NAMES: Final = _table(
    {
        PEG_OFFSET_TYPE: "PegOffsetType",
        TARGET_STRATEGY: "TargetStrategy",
        PARTICIPATION_RATE: "ParticipationRate",
        FILLED_AMT: "FilledAmt",
        NET_AVG_PRICE: "NetAvgPrice",
        WIG_LEVEL: "WigLevel",
        AUCTION_DURATION: "AuctionDuration",
        IS_BUY_EXACT: "IsBuyExact",
        IS_RAISE_EXACT: "IsRaiseExact",
        DROP_COPY_FLAG: "DropCopyFlag",
        ACCESS_KEY: "AccessKey",
    }
)
"""Names of the tags that FIX 4.2 does not have, beside `fix.tags.NAMES`."""

SIDES: Final = _table({"1": Side.BUY, "2": Side.SELL})  # 54
SIDE_LETTERS: Final = _turned(SIDES)

TIMES_IN_FORCE: Final = _table(  # 59
    {
        "1": TimeInForce.GOOD_UNTIL_CANCELLED,
        "3": TimeInForce.IMMEDIATE_OR_CANCEL,
        "4": TimeInForce.FILL_OR_KILL,
        "6": TimeInForce.GOOD_UNTIL_DATE_TIME,
    }
)
TIME_IN_FORCE_LETTERS: Final = _turned(TIMES_IN_FORCE)

RESTING: Final = frozenset({TimeInForce.GOOD_UNTIL_CANCELLED, TimeInForce.GOOD_UNTIL_DATE_TIME})
"""Times in force under which an order can rest; post only goes with no other."""

ORDER_TYPES: Final = _table(  # 40, in a report; limit prices are what several strategies go by
    {"1": OrderType.MARKET, "2": OrderType.LIMIT, "D": OrderType.RFQ, "P": OrderType.PEG}
)
SLICED_TYPES: Final = _table({"T": OrderType.TWAP, "V": OrderType.VWAP})  # 847

PEG_OFFSET_TYPES: Final = _table({"0": PegOffsetType.PRICE, "1": PegOffsetType.BPS, "4": PegOffsetType.DEPTH})  # 836
PEG_OFFSET_LETTERS: Final = _turned(PEG_OFFSET_TYPES)

POST_ONLY: Final = "A"  # 18
HANDL_INST_AUTOMATED: Final = "1"  # 21

TRANSACTIONS: Final = _table(  # 20
    {"0": Transaction.NEW, "1": Transaction.CANCEL, "2": Transaction.CORRECT, "3": Transaction.STATUS}
)

REPORT_KINDS: Final = _table(  # 150: both 1 and 2 tell a fill, and neither whether the order is done
    {
        "0": ReportKind.NEW,
        "1": ReportKind.TRADE,
        "2": ReportKind.TRADE,
        "3": ReportKind.DONE_FOR_DAY,
        "4": ReportKind.CANCELLED,
        "5": ReportKind.REPLACED,
        "6": ReportKind.PENDING_CANCEL,
        "7": ReportKind.STOPPED,
        "8": ReportKind.REJECTED,
        "A": ReportKind.PENDING_NEW,
        "C": ReportKind.EXPIRED,
        "D": ReportKind.RESTATED,
        "E": ReportKind.PENDING_REPLACE,
        "I": ReportKind.STATUS,
    }
)

VENUE_STATUSES: Final = _table(  # 39
    {
        "0": VenueStatus.NEW,
        "1": VenueStatus.PARTIALLY_FILLED,
        "2": VenueStatus.FILLED,
        "3": VenueStatus.DONE_FOR_DAY,
        "4": VenueStatus.CANCELLED,
        "5": VenueStatus.REPLACED,
        "6": VenueStatus.PENDING_CANCEL,
        "7": VenueStatus.STOPPED,
        "8": VenueStatus.REJECTED,
        "9": VenueStatus.SUSPENDED,
        "A": VenueStatus.PENDING_NEW,
        "B": VenueStatus.CALCULATED,
        "C": VenueStatus.EXPIRED,
        "D": VenueStatus.ACCEPTED_FOR_BIDDING,
        "E": VenueStatus.PENDING_REPLACE,
    }
)

REJECT_REASONS: Final = _table(  # 103
    {
        "0": RejectReason.BROKER_OPTION,
        "1": RejectReason.UNKNOWN_SYMBOL,
        "2": RejectReason.EXCHANGE_CLOSED,
        "3": RejectReason.EXCEEDS_LIMIT,
        "4": RejectReason.TOO_LATE,
        "5": RejectReason.UNKNOWN_ORDER,
        "6": RejectReason.DUPLICATE_ORDER,
        "99": RejectReason.OTHER,
    }
)

CANCEL_REJECT_REASONS: Final = _table(  # 102
    {
        "0": "too_late",
        "1": "unknown_order",
        "2": "broker_option",
        "3": "already_pending",
        "99": "other",
    }
)

BUSINESS_REJECT_REASONS: Final = _table(  # 380
    {
        "0": "other",
        "1": "unknown id",
        "2": "unknown product",
        "3": "unsupported message type",
        "4": "the venue's application is not available",
        "5": "a required field is missing",
    }
)

FEE_TYPES: Final = _table(  # 139, since February 2026 and, in the same order, before
    {
        "14": "financing",
        "7": "client_commission",
        "12": "trading_desk",
        "4": "venue",
        "1": "financing",
        "2": "client_commission",
        "3": "trading_desk",
    }
)


TERM_TAGS: Final = _table(
    {
        "limit_price": tags.PRICE,
        "stop_price": tags.STOP_PX,
        "quote_id": tags.QUOTE_ID,
        "expiry_time": tags.EXPIRE_TIME,
        "start_time": tags.EFFECTIVE_TIME,
        "historical_pov": PARTICIPATION_RATE,
        "post_only": tags.EXEC_INST,
        "display_base_size": tags.MAX_SHOW,
        "display_quote_size": tags.MAX_SHOW,
        "peg_offset_type": PEG_OFFSET_TYPE,
        "offset": tags.PEG_DIFFERENCE,
        "wig_level": WIG_LEVEL,
        "is_buy_exact": IS_BUY_EXACT,
        "is_raise_exact": IS_RAISE_EXACT,
    }
)
"""The tag of each of the Terms that not every order type takes."""

EXACT_SIDES: Final = _table({"is_buy_exact": Side.BUY, "is_raise_exact": Side.SELL})
"""Flags of orders sized in quote, and the only side that each goes with."""

DISPLAY_SIZES: Final = _table({"display_base_size": "base_quantity", "display_quote_size": "quote_value"})
"""MaxShow (210) has one unit, that of the order's size, so each goes with an order that is sized alike."""


@frozen(kw_only=True)
class Strategy:
    """What an order type is to the venue, and which Terms it takes: one row of prime-fix.md section 3.

    `required`, `either` (one of them at least) and `optional` are keys of TERM_TAGS; product, side, size and time in
    force all have.
    """

    target: str  # 847
    ord_type: str  # 40
    times_in_force: tuple[TimeInForce, ...]
    required: frozenset[str] = frozenset()
    either: tuple[str, ...] = ()
    optional: frozenset[str] = frozenset()

    @property
    def taken(self) -> frozenset[str]:
        return self.required | self.optional | frozenset(self.either)


_GTC, _GTD = TimeInForce.GOOD_UNTIL_CANCELLED, TimeInForce.GOOD_UNTIL_DATE_TIME
_ALWAYS = frozenset({"start_time", *EXACT_SIDES})  # section 3 ties these to no strategy
_SLICED = Strategy(
    target="",
    ord_type="2",
    times_in_force=(_GTD,),
    required=frozenset({"limit_price", "start_time"}),
    either=("expiry_time", "historical_pov"),
    optional=_ALWAYS | {"post_only"},
)

STRATEGIES: Final = _table(
    {
        OrderType.LIMIT: Strategy(
            target="L",
            ord_type="2",
            times_in_force=tuple(TIMES_IN_FORCE.values()),
            required=frozenset({"limit_price"}),
            optional=_ALWAYS | {"expiry_time", "post_only", *DISPLAY_SIZES},
        ),
        OrderType.MARKET: Strategy(
            target="M", ord_type="1", times_in_force=(TimeInForce.IMMEDIATE_OR_CANCEL,), optional=_ALWAYS
        ),
        OrderType.TWAP: evolve(_SLICED, target="T"),
        OrderType.VWAP: evolve(_SLICED, target="V"),
        OrderType.STOP_LIMIT: Strategy(
            target="SL",
            ord_type="2",
            times_in_force=(_GTC, _GTD),
            required=frozenset({"limit_price", "stop_price"}),
            optional=_ALWAYS | {"expiry_time", "post_only"},
        ),
        OrderType.PEG: Strategy(
            target="P",
            ord_type="P",
            times_in_force=(_GTC, _GTD),
            required=frozenset({"limit_price", "peg_offset_type", "offset"}),
            optional=_ALWAYS | {"expiry_time", "post_only", "wig_level"},
        ),
        OrderType.RFQ: Strategy(
            target="R",
            ord_type="D",
            times_in_force=(TimeInForce.FILL_OR_KILL,),
            required=frozenset({"quote_id", "limit_price"}),
            optional=_ALWAYS,
        ),
    }
)

REPLACEABLE: Final = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TWAP, OrderType.VWAP})  # section 4
EDITS_MAX: Final = 25  # replaces of one order
AUCTION_MAX_MS: Final = 30_000  # 8090
QUOTE_ORD_TYPE: Final = "2"  # 40 of a QuoteRequest

QUOTE_REJECT_REASONS: Final = _table(  # 300
    {
        "1": "unknown_symbol",
        "2": "exchange_closed",
        "3": "exceeds_limit",
        "6": "duplicate",
        "8": "invalid_price",
        "99": "other",
    }
)
