"""Any history of one order: what the venue may say, in any order, from several sessions, with copies and nonsense."""

from decimal import Decimal

from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from primefixd.orders.ledger import Judgement
from primefixd.orders.model import FINAL, CancelState, Fill, Order, Status
from primefixd.orders.records import FillBusted, FillCorrected, FillGap, OrderFilled
from primefixd.orders.reports import RejectReason, Report, ReportKind, Transaction, VenueStatus
from tests.orders.telling import IOC, Story, at, bust, correction, doubts, fill, names, order, quote_sized, word

NOTHING = Decimal(0)
quantities = st.sampled_from(["0.1", "0.2", "0.25", "0.5", "1"])
times = st.none() | st.integers(0, 6)
exec_ids = st.sampled_from(["e", "f", "g", "c", None, "", "0"])
words = st.builds(
    word,
    st.sampled_from(ReportKind),
    st.sampled_from(VenueStatus),
    times,
    exec_id=exec_ids,
    exec_ref_id=st.sampled_from([None, None, "e", "f", "c"]),
    transaction=st.sampled_from([*Transaction, Transaction.NEW, Transaction.NEW]),
    order_id=st.sampled_from([None, "v", "v", "w"]),
    client_order_id=st.sampled_from(["a", "a", "a", "cancel-7", None]),
    cumulative_quantity=st.none() | quantities | st.just("0"),
    leaves_quantity=st.none() | quantities | st.just("0"),
    last_quantity=quantities | st.just("0"),
    last_price=st.sampled_from(["100", "101", "0", None]),
    commission=st.none() | quantities,
    reject_reason=st.sampled_from([None, None, *RejectReason]),
    unreadable=st.sampled_from([(), (), ("last_quantity",), ("cumulative_quantity",)]),
)
fill_words = st.builds(fill, st.sampled_from("efghij"), quantities, st.none() | quantities, times)
sized = st.sampled_from([order(), order(time_in_force=IOC), quote_sized(), quote_sized(time_in_force=IOC)])
actions = st.sampled_from(["asked", "link lost", "cancel sent", "cancel refused", "quiet"])


class Desk:
    """A client that believes only events, and holds them against the order that they carry."""

    def __init__(self, told: Order, sent: bool) -> None:
        self.story = Story(told, sent=sent)
        self.fills: dict[str, Fill] = {}
        self.ever: set[str] = set()
        self.gap = NOTHING

    def hears(self, report: Report) -> Judgement:
        before = self.story.order
        judged = self.story.hears(report)
        after = self.story.order
        for change in judged.changes:
            match change:
                case OrderFilled(fill=one):
                    assert one.exec_id not in self.ever, "told twice"
                    self.ever.add(one.exec_id)
                    self.fills[one.exec_id] = one
                case FillBusted(fill=one):
                    assert self.fills.pop(one.exec_id) is not None
                case FillCorrected(fill=one):
                    assert one.exec_id in self.fills
                    self.fills[one.exec_id] = one
                case FillGap(venue_quantity=venue, heard_quantity=heard):
                    assert venue > heard == after.filled_quantity
        if before.final and after.status != before.status:
            assert doubts(judged), "an end went back, or became another, in silence"
        if doubts(judged) or "FillGap" in names(judged):
            assert judged.ask
        if judged.changes and judged.order is not None:
            last = [change for change in judged.changes if not isinstance(change, FillGap)][-1:]
            assert all(getattr(change, "order", after) == after for change in last)
        self.check(after)
        return judged

    def check(self, now: Order) -> None:
        assert now.filled_quantity == sum((one.last_quantity for one in self.fills.values()), NOTHING)
        assert now.filled_value == sum((one.last_quantity * one.last_price for one in self.fills.values()), NOTHING)
        assert now.commission == sum((one.commission or NOTHING for one in self.fills.values()), NOTHING)
        size, rest = now.terms.base_quantity, now.remaining_quantity
        if size is not None and rest is not None and now.cancelled_quantity is not None:
            assert rest >= 0 and now.cancelled_quantity >= 0
            if now.status in (Status.CANCELLED, Status.EXPIRED) or not now.final:
                assert rest + now.cancelled_quantity == max(size - now.filled_quantity, NOTHING)
        assert rest == 0 or not now.final
        if size is not None and now.filled_quantity >= size:
            assert now.status is Status.FILLED
        if now.filled_quantity:
            assert now.status not in (Status.QUEUED, Status.SENT, Status.PENDING)
        assert not (now.final and (now.in_doubt or now.cancel))
        assert (now.status is Status.REJECTED) == (now.reject_reason is not None)
        assert (self.story.key in [one.client_order_id for one in self.story.ledger.live()]) != now.final

    def acts(self, action: str) -> None:
        ledger, now = self.story.ledger, at(self.story.seconds)
        match action:
            case "asked":
                ledger.asked("a")
            case "link lost":
                ledger.link_lost("main-1", now)
            case "quiet":
                ledger.quiet(now.mono + 2, 2.0)
            case "cancel sent" if not self.story.order.final:
                ledger.cancel_is("a", CancelState.SENT, now)
            case "cancel refused" if not self.story.order.final:
                ledger.cancel_refused("a", "other", now)


@settings(max_examples=400)
@given(sized, st.booleans(), st.lists(words | fill_words | actions, max_size=25))
def test_nothing_that_the_venue_says_breaks_the_picture(told: Order, sent: bool, said: list[Report | str]) -> None:
    desk = Desk(told, sent)
    for each in said:
        if isinstance(each, str):
            desk.acts(each)
        else:
            desk.hears(each)


@given(sized, st.lists(words | fill_words, max_size=12), st.data())
def test_rule_02_copies_from_other_sessions_change_nothing(
    told: Order, said: list[Report], data: st.DataObject
) -> None:
    """Right after the first copy, or later: a named report that was heard moves nothing when it comes again."""
    said = [evolve(report, client_order_id="a", order_id="v") for report in said]  # ours from the first copy on
    named = [one for one in said if one.exec_id not in (None, "", "0") and one.transaction is Transaction.NEW]
    desk = Desk(told, True)
    for number, report in enumerate(named):
        desk.hears(report)
        before = desk.story.order
        copy = data.draw(st.sampled_from(named[: number + 1]))
        assert not {"OrderFilled", "FillBusted", "FillCorrected"} & set(names(desk.hears(copy)))
        assert desk.story.order.filled_quantity == before.filled_quantity
        if copy.kind is not ReportKind.STATUS:
            assert desk.story.order.status == before.status


# What really happened, and every way to hear of it


@st.composite
def truths(draw: st.DrawFn) -> tuple[list[Report], Decimal, Decimal, Status]:
    """All that the venue says of one order in the order in which it happened, and the right quantity, value and end."""
    at_venue: dict[str, tuple[Decimal, Decimal]] = {}
    names_of: dict[str, str] = {}
    said = [word("pending_new", t=1, exec_id="p"), word("new", t=2, exec_id="n", cumulative_quantity="0")]
    steps = draw(st.lists(st.sampled_from(["fill", "fill", "fill", "bust", "correct", "refused cancel"]), max_size=8))
    for number, step in enumerate(steps):
        t, price = 3 + number, str(draw(st.integers(99, 101)))
        cum = sum((quantity for quantity, _ in at_venue.values()), NOTHING)
        if step == "fill":
            exec_id = f"e{number}"
            names_of[exec_id] = exec_id
            at_venue[exec_id] = Decimal("0.1"), Decimal(price)
            said.append(fill(exec_id, "0.1", str(cum + Decimal("0.1")), t, last_price=price))
        elif step == "refused cancel":
            said.append(word("pending_cancel", t=t, exec_id=f"pc{number}", cumulative_quantity=str(cum)))
        elif living := [name for name, root in names_of.items() if root in at_venue]:
            name = draw(st.sampled_from(living))
            old, _ = at_venue.pop(names_of[name])
            if step == "bust":
                said.append(bust(name, f"b{number}", t, cumulative_quantity=str(cum - old)))
            else:
                names_of[f"c{number}"] = names_of[name]
                at_venue[names_of[name]] = Decimal("0.05"), Decimal(price)
                change = {"last_price": price, "cumulative_quantity": str(cum - old + Decimal("0.05"))}
                said.append(correction(name, f"c{number}", "0.05", t, **change))
    quantity = sum((quantity for quantity, _ in at_venue.values()), NOTHING)
    value = sum((quantity * price for quantity, price in at_venue.values()), NOTHING)
    end = draw(st.sampled_from(["cancelled", "expired", None]))
    if end is not None:
        said.append(word(end, t=99, exec_id="x", cumulative_quantity=str(quantity)))
    return said, quantity, value, Status(end.upper()) if end else Status.OPEN


@settings(max_examples=400)
@given(truths(), st.data())
def test_the_order_of_arrival_changes_no_total(
    truth: tuple[list[Report], Decimal, Decimal, Status], data: st.DataObject
) -> None:
    said, quantity, value, end = truth
    arriving = data.draw(st.permutations([*said, *data.draw(st.lists(st.sampled_from(said), max_size=6))]))
    desk = Desk(order(), True)
    for report in arriving:
        desk.hears(report)
    assert (desk.story.order.filled_quantity, desk.story.order.filled_value) == (quantity, value)
    assert desk.story.order.final == (end in FINAL)
    if end in FINAL:
        assert desk.story.order.status == end


@given(truths())
def test_told_in_order_nothing_is_odd(truth: tuple[list[Report], Decimal, Decimal, Status]) -> None:
    said, *_ = truth
    desk = Desk(order(), True)
    for report in said:
        assert not {"Contradicted", "FillGap"} & set(names(desk.hears(report)))
