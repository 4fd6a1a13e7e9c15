"""What the venue refuses in a NewOrderSingle, whatever the state of its book (prime-fix.md section 3).

Which fields and times in force go with a TargetStrategy is read from the one table, `prime.venue.STRATEGIES`; the rest
of the judging is this module's own, so that a mistake of the daemon's is refused here.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from primefixd.clock import Moment
from primefixd.fix import tags
from primefixd.prime.venue import (
    EXACT_SIDES,
    PEG_OFFSET_LETTERS,
    POST_ONLY,
    SIDE_LETTERS,
    STRATEGIES,
    TAG_NAMES,
    TERM_TAGS,
    TIME_IN_FORCE_LETTERS,
    Strategy,
)
from primefixd.sandbox.asks import CLIENT_ORDER_ID_MAX_CHARS, Because, NewOrder, Refusal, Side, Tif

_ROWS: Final[Mapping[str, Strategy]] = {row.target: row for row in STRATEGIES.values()}
_READ: Final[Mapping[int, str]] = {  # how NewOrder calls what it read of a tag
    tags.PRICE: "price",
    tags.STOP_PX: "stop",
    tags.QUOTE_ID: "quote_id",
    tags.EXPIRE_TIME: "expires",
    tags.EFFECTIVE_TIME: "starts",
    tags.MAX_SHOW: "show",
    TERM_TAGS["historical_pov"]: "participation",
    TERM_TAGS["peg_offset_type"]: "peg_type",
    TERM_TAGS["offset"]: "peg_offset",
    TERM_TAGS["wig_level"]: "wig",
    TERM_TAGS["is_buy_exact"]: "buy_exact",
    TERM_TAGS["is_raise_exact"]: "raise_exact",
    tags.EXEC_INST: "exec_inst",
}


def problem(ask: NewOrder, portfolio_id: str, now: Moment) -> Refusal | None:
    """The first thing in the order that the venue refuses."""
    texts = (*_identity(ask, portfolio_id), *_size(ask), *_strategy(ask), *_terms(ask), *_times(ask, now))
    return next((Refusal(Because.OTHER, text, "invalid") for text in texts), None)


def _identity(ask: NewOrder, portfolio_id: str) -> Iterator[str]:
    if len(ask.client_order_id) > CLIENT_ORDER_ID_MAX_CHARS:
        yield f"ClOrdID (11) is longer than {CLIENT_ORDER_ID_MAX_CHARS} characters"
    if ask.account != portfolio_id:
        yield "Account (1) must be the portfolio of the session"
    if ask.side not in set(Side):
        yield "Side (54) must be 1 or 2"


def _size(ask: NewOrder) -> Iterator[str]:
    present = [tag for tag in (tags.ORDER_QTY, tags.CASH_ORDER_QTY) if tag in ask.given]
    if len(present) != 1:
        yield "exactly one of OrderQty (38) and CashOrderQty (152) is required"
    elif ask.quantity is None and ask.cash is None:
        yield f"the size ({present[0]}) must be a positive decimal"


def _strategy(ask: NewOrder) -> Iterator[str]:
    row = _ROWS.get(ask.strategy or "")
    if row is None:
        yield f"TargetStrategy (847) must be one of {', '.join(_ROWS)}"
        return
    if ask.order_type != row.ord_type:
        yield f"OrdType (40) must be {row.ord_type} for strategy {row.target}"
    letters = sorted(TIME_IN_FORCE_LETTERS[tif] for tif in row.times_in_force)
    if ask.time_in_force not in letters:
        yield f"TimeInForce (59) must be one of {', '.join(letters)} for strategy {row.target}"
    needed = [TERM_TAGS[term] for term in sorted(row.required)]
    yield from (f"{_name(tag)} is required for strategy {row.target}" for tag in needed if tag not in ask.given)
    either = [TERM_TAGS[term] for term in row.either]
    if either and not ask.given.intersection(either):
        yield f"{' or '.join(map(_name, either))} is required for strategy {row.target}"
    foreign = set(TERM_TAGS.values()) - {TERM_TAGS[term] for term in row.taken}
    yield from (f"{_name(tag)} does not go with strategy {row.target}" for tag in sorted(foreign & ask.given))


def _terms(ask: NewOrder) -> Iterator[str]:
    read = [tag for tag in ask.given if tag in _READ]
    yield from (f"{_name(tag)} cannot be read" for tag in sorted(read) if getattr(ask, _READ[tag]) is None)
    size = ask.quantity if ask.quantity is not None else ask.cash
    sized_in_quote = ask.cash is not None
    flags = {"is_buy_exact": ask.buy_exact, "is_raise_exact": ask.raise_exact}
    rules = (
        (ask.exec_inst not in (None, POST_ONLY), "ExecInst (18) must be A (post only)"),
        (ask.post_only and ask.time_in_force not in (Tif.GTC, Tif.GTD), "post only needs TimeInForce (59) 1 or 6"),
        (ask.show is not None and size is not None and ask.show > size, "MaxShow (210) is more than the size"),
        (ask.peg_type not in (None, *PEG_OFFSET_LETTERS.values()), "PegOffsetType (836) must be 0, 1 or 4"),
        (any(flag not in (None, "Y", "N") for flag in flags.values()), "an exact flag (8998, 8999) must be Y or N"),
        *(
            (
                flag == "Y" and not (sized_in_quote and ask.side == SIDE_LETTERS[EXACT_SIDES[term]]),
                f"{_name(TERM_TAGS[term])} goes only with a {EXACT_SIDES[term]} sized in quote",
            )
            for term, flag in flags.items()
        ),
    )
    yield from (text for broken, text in rules if broken)


def _times(ask: NewOrder, now: Moment) -> Iterator[str]:
    gtd = ask.time_in_force == Tif.GTD
    unbounded = tags.EXPIRE_TIME not in ask.given and not ask.sliced
    starts = max(ask.starts, now.utc) if ask.starts is not None else now.utc
    rules = (
        (gtd and unbounded, "GTD needs an ExpireTime (126)"),
        (tags.EXPIRE_TIME in ask.given and not gtd, "ExpireTime (126) goes with TimeInForce (59) 6 only"),
        (ask.expires is not None and ask.expires <= now.utc, "ExpireTime (126) has passed"),
        (ask.expires is not None and ask.expires <= starts, "ExpireTime (126) must be after EffectiveTime (168)"),
    )
    yield from (text for broken, text in rules if broken)


def _name(tag: int) -> str:
    return f"{TAG_NAMES.get(tag) or tags.NAMES.get(tag, 'tag')} ({tag})"
