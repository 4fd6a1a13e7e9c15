"""The venue's rules for orders, as requests in and reports out."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from primefixd.clock import Moment
from primefixd.fix.message import Message
from primefixd.sandbox import asks, strategies
from primefixd.sandbox.exchange import Exchange, Impossible
from primefixd.sandbox.reporting import Answer, Malformed
from primefixd.sandbox.settings import Account

LIMIT = "35=D|1=main|11={id}|38=1|40=2|44={price}|54={side}|55=BTC-USD|59={tif}|847=L"
MARKET = "35=D|1=main|11={id}|38=1|40=1|54=1|55=BTC-USD|59=3|847=M"


class Floor:
    """An exchange with BTC-USD at 60000, and one account's way to it."""

    def __init__(self, account: Account, build: Callable[[str], Message], now: Moment) -> None:
        self.exchange = Exchange(7, now)
        self.exchange.set_price("BTC-USD", Decimal(60000), now)
        self.account, self.build, self.now = account, build, now

    def place(self, text: str, **values: object) -> list[str]:
        message = self.build(text.format(**{"id": "a", "price": 60000, "side": 1, "tif": 1} | values))
        ask = asks.new_order(message)
        wrong = strategies.problem(ask, self.account.portfolio_id, self.now)
        return said(self.exchange.place(ask, wrong, self.account, self.now))

    def cancel(self, text: str) -> list[str]:
        return said(self.exchange.cancel(asks.cancel(self.build(text)), self.account, self.now))

    def order_id(self, client_order_id: str = "a") -> str:
        order = self.exchange.book.named(client_order_id)
        assert order is not None
        return order.order_id


@pytest.fixture
def floor(accounts: tuple[Account, ...], build: Callable[[str], Message], now: Moment) -> Floor:
    return Floor(accounts[0], build, now)


def said(answers: list[Answer], *tags: int) -> list[str]:
    """Each answer as `150/39`, with a rejection's 103 or 102 behind it; or the given tags."""
    return [text(answer, *tags) for answer in answers]


def text(answer: Answer, *tags: int) -> str:
    assert not isinstance(answer, Malformed)
    fields = dict(answer.body)
    if tags:
        return "|".join(f"{tag}={fields[tag]}" for tag in tags)
    parts = [fields.get(150, "9"), fields[39]]
    return "/".join(parts) + "".join(f" {tag}={fields[tag]}" for tag in (102, 103) if tag in fields)


def test_market_order_is_acknowledged_and_fills_at_once(floor: Floor) -> None:
    answers = floor.place(MARKET)
    assert answers[:2] == ["A/A", "0/0"]
    assert 1 <= len(answers[2:]) <= 3
    assert {answer[:2] for answer in answers[2:]} == {"1/"}
    order = floor.exchange.book.named("a")
    assert order is not None
    assert (order.status, order.filled, order.value) == ("2", 1, 60000)


def test_fills_follow_the_seed_and_reach_every_count_of_parts(floor: Floor, now: Moment) -> None:
    def fills(seed: int) -> list[list[Decimal]]:
        floor.exchange = Exchange(seed, now)
        for number in range(40):
            floor.place(MARKET, id=number)
        return [[fill.quantity for fill in order.fills] for order in floor.exchange.book]

    first = fills(3)
    assert first == fills(3) != fills(4)
    assert {len(parts) for parts in first} == {1, 2, 3}
    assert all(sum(parts) == 1 and min(parts) > 0 for parts in first)


def test_fill_carries_the_published_groups_and_fees_that_sum_to_its_commission(floor: Floor) -> None:
    ask = asks.new_order(floor.build(MARKET.format(id="a").replace("38=1|", "38=0.0001|")))
    reports = floor.exchange.place(ask, None, floor.account, floor.now)[2:]
    total = Decimal(0)
    for report in reports:
        assert not isinstance(report, Malformed)
        tags = [tag for tag, _ in report.body]
        start = tags.index(78)
        assert tags[start:][:17] == [78, 79, 80, 12, 13, 136, *[137, 138, 139] * 3, 120, 8002]
        fields = dict(report.body)
        amounts = [Decimal(value) for tag, value in report.body if tag == 137]
        assert sum(amounts) == Decimal(fields[12]) == Decimal(fields[32]) * 60000 / 1000
        assert [value for tag, value in report.body if tag == 139] == ["7", "12", "14"]
        assert (fields[20], fields[30], fields[31], fields[120], fields[6]) == ("0", "otc", "60000", "USD", "60000")
        assert fields[8006] == "60060"
        total += Decimal(fields[32])
        assert Decimal(fields[14]) == total
        assert Decimal(fields[151]) == Decimal("0.0001") - total


def test_last_of_several_fills_can_still_say_partially_filled(floor: Floor) -> None:
    endings = {floor.place(MARKET, id=number)[-1] for number in range(60)}
    assert endings == {"1/1", "1/2"}
    assert {order.status for order in floor.exchange.book} == {"2"}


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"price": 59000, "tif": 1}, ["A/A", "0/0"]),
        ({"price": 59000, "tif": 3}, ["A/A", "0/0", "4/4"]),
        ({"price": 59000, "tif": 4}, ["8/8 103=99"]),
        ({"price": 61000, "side": 2}, ["A/A", "0/0"]),
        ({"price": "59000|18=A"}, ["A/A", "0/0"]),
        ({"price": "60000|18=A"}, ["8/8 103=99"]),
        ({"price": "60000|18=A", "side": 2}, ["8/8 103=99"]),
        ({"price": "60001|18=A"}, ["8/8 103=99"]),
    ],
)
def test_limit_order_meets_the_market(floor: Floor, changes: dict[str, object], answer: list[str]) -> None:
    assert floor.place(LIMIT, **changes) == answer


@pytest.mark.parametrize("tif", [1, 3, 4])
def test_limit_order_that_crosses_fills_at_the_market_price(floor: Floor, tif: int) -> None:
    assert floor.place(LIMIT, price=60500, tif=tif)[2].startswith("1/")
    order = floor.exchange.book.named("a")
    assert order is not None and order.average() == 60000 and order.status == "2"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (MARKET.replace("BTC-USD", "XXX-USD"), "1"),
        (MARKET.replace("59=3", "59=1"), "99"),
        (MARKET.replace("59=3", "59=4"), "99"),
        (MARKET.replace("|847=M", ""), "99"),
        (MARKET.replace("40=1", "40=2"), "99"),
        (MARKET.replace("1=main", "1=side"), "99"),
        (MARKET.replace("54=1", "54=5"), "99"),
        (MARKET.replace("38=1", "38=0"), "99"),
        (MARKET.replace("38=1", "38=-1"), "99"),
        (MARKET.replace("38=1", "38=1e3"), "99"),
        (MARKET.replace("38=1", "38=1|152=5"), "99"),
        (MARKET.replace("38=1|", ""), "99"),
        (MARKET + "|44=5", "99"),
        (MARKET + "|18=A", "99"),
        (MARKET.replace("38=1", "152=0.00000001"), "99"),
        (LIMIT.replace("|44={price}", ""), "99"),
        (LIMIT.replace("59={tif}", "59=2"), "99"),
        (LIMIT.replace("59={tif}", "59=6"), "99"),
        (LIMIT.replace("59={tif}", "59=3|18=A"), "99"),
        (LIMIT.replace("59={tif}", "59=6|126=20261123-14:59:59"), "99"),
        (LIMIT + "|126=20261124-00:00:00", "99"),
        (MARKET.format(id="x" * 129), "99"),
    ],
)
def test_what_the_venue_does_not_take(floor: Floor, text: str, reason: str) -> None:
    assert floor.place(text) == [f"8/8 103={reason}"]
    [order] = floor.exchange.book
    assert (order.status, order.received, order.fills) == ("8", 1, [])


def test_client_order_id_is_idempotent_for_a_day_in_its_portfolio(floor: Floor, accounts: tuple[Account, ...]) -> None:
    floor.place(MARKET)
    assert floor.place(MARKET) == ["8/8 103=6"]
    book = floor.exchange.book
    [order] = book
    assert (order.received, order.filled) == (2, 1)

    floor.account, floor.now = accounts[1], floor.now.later(24 * 3600 - 1)
    assert floor.place(MARKET) == ["8/8 103=6"]
    floor.now = floor.now.later(2)
    assert floor.place(MARKET)[:2] == ["A/A", "0/0"]
    assert [order.received for order in book] == [3, 1]

    floor.account = accounts[9]
    assert floor.place(MARKET.replace("1=main", "1=side"))[:2] == ["A/A", "0/0"]


def test_a_duplicate_names_the_order_that_has_the_client_order_id(floor: Floor) -> None:
    floor.place(LIMIT, price=1)
    ask = asks.new_order(floor.build(MARKET.format(id="a")))
    [answer] = floor.exchange.place(ask, None, floor.account, floor.now)
    assert text(answer, 11, 37, 103, 58, 151) == (
        f"11=a|37={floor.order_id()}|103=6|58=duplicate client order ID|151=0"
    )


def test_order_turned_away_over_the_rate_leaves_its_client_order_id_free(floor: Floor) -> None:
    ask = asks.new_order(floor.build(MARKET.format(id="a")))
    refusal = asks.Refusal("3", "rate limit exceeded", "rate")
    assert text(floor.exchange.turn_away(ask, refusal, floor.account, floor.now)) == "8/8 103=3"
    [order] = floor.exchange.book
    assert (order.status, order.received) == ("8", 1)
    assert floor.place(MARKET)[0] == "A/A"
    [order] = floor.exchange.book
    assert (order.status, order.received) == ("2", 2)
    floor.exchange.turn_away(ask, refusal, floor.account, floor.now)
    [order] = floor.exchange.book
    assert (order.status, order.received) == ("2", 3)


def test_resting_order_fills_at_its_own_price_when_the_market_crosses_it(floor: Floor) -> None:
    floor.place(LIMIT, price=59000)
    assert floor.exchange.set_price("BTC-USD", Decimal("59000.01"), floor.now) == []
    fills = said([*floor.exchange.set_price("BTC-USD", Decimal(58000), floor.now)], 150, 31)
    assert set(fills) == {"150=1|31=59000"}
    assert floor.exchange.set_price("BTC-USD", Decimal(57000), floor.now) == []


def test_post_only_order_that_rests_fills_when_crossed(floor: Floor) -> None:
    floor.place(LIMIT, price="59000|18=A")
    assert floor.exchange.set_price("BTC-USD", Decimal(58000), floor.now)


def test_walk_fills_what_it_crosses_on_its_way(floor: Floor, now: Moment) -> None:
    floor.exchange = Exchange(7, now)
    for number in range(30):
        floor.place(LIMIT, id=f"{number}", price=59970 - number * 3)
    reports = floor.exchange.advance(now.later(600))
    walk = Exchange(7, now).market
    lowest = min(tick.price for tick in walk.advance(now.later(600)) if tick.product_id == "BTC-USD")
    filled = {order.ask.price for order in floor.exchange.book if order.status == "2"}
    assert reports and filled == {price for n in range(30) if (price := 59970 - n * 3) >= lowest}


def test_gtd_order_expires_at_its_time(floor: Floor, now: Moment) -> None:
    assert floor.place(LIMIT, price=59000, tif="6|126=20261123-15:00:10") == ["A/A", "0/0"]
    assert floor.exchange.advance(now.later(9.9)) == []
    assert said([*floor.exchange.advance(now.later(10))]) == ["C/C"]
    assert floor.exchange.advance(now.later(11)) == []


def test_gtd_order_that_was_done_before_its_time_does_not_expire(floor: Floor, now: Moment) -> None:
    floor.place(LIMIT, price=61000, tif="6|126=20261123-15:00:10")
    assert floor.exchange.advance(now.later(11)) == []
    order = floor.exchange.book.named("a")
    assert order is not None and order.status == "2"


def test_orders_sized_in_quote_fill_to_their_value_and_report_base_units(floor: Floor) -> None:
    ask = asks.new_order(floor.build(MARKET.format(id="a").replace("38=1", "152=100000")))
    last = floor.exchange.place(ask, None, floor.account, floor.now)[-1]
    assert text(last, 39, 152, 14, 151) == "39=2|152=100000|14=1.66500166|151=0"
    assert not isinstance(last, Malformed) and 38 not in dict(last.body)


def test_cancel_tells_pending_then_cancelled_under_both_client_order_ids(floor: Floor) -> None:
    floor.place(LIMIT, price=59000)
    ask = asks.cancel(floor.build(f"35=F|1=main|11=c|41=a|37={floor.order_id()}|38=1|54=1|55=BTC-USD"))
    answers = floor.exchange.cancel(ask, floor.account, floor.now)
    assert said(answers, 150, 39, 11, 41, 14) == ["150=6|39=6|11=c|41=a|14=0", "150=4|39=4|11=c|41=a|14=0"]
    assert said(answers, 151) == ["151=1", "151=0"]


def test_cancels_that_the_venue_refuses(floor: Floor, accounts: tuple[Account, ...]) -> None:
    floor.place(LIMIT, price=59000)
    order_id = floor.order_id()
    assert floor.cancel("35=F|1=main|11=c|41=a|38=1|54=1|55=BTC-USD") == ["9/8 102=99"]
    assert floor.cancel("35=F|1=main|11=c|41=a|37=who|38=1|54=1|55=BTC-USD") == ["9/8 102=1"]
    assert floor.cancel(f"35=F|1=main|11=c|41=b|37={order_id}") == ["9/0 102=99"]
    assert floor.cancel(f"35=F|1=main|11=c|41=a|37={order_id}|54=2") == ["9/0 102=99"]
    floor.account = accounts[9]
    assert floor.cancel(f"35=F|1=side|11=c|41=a|37={order_id}") == ["9/8 102=1"]
    floor.account = accounts[1]
    assert floor.cancel(f"35=F|1=main|11=c|41=a|37={order_id}") == ["6/6", "4/4"]
    assert floor.cancel(f"35=F|1=main|11=d|41=a|37={order_id}") == ["9/4 102=0"]


def test_status_answer_is_the_published_snapshot(floor: Floor) -> None:
    floor.place(LIMIT, price=59000)
    floor.cancel(f"35=F|11=c|41=a|37={floor.order_id()}")
    ask = asks.status(floor.build(f"35=H|1=main|11=a|37={floor.order_id()}"))
    answer = floor.exchange.status(ask, floor.account)
    assert text(answer, 6, 11, 14, 20, 32, 38, 39, 54, 55, 150, 151) == (
        "6=0|11=a|14=0|20=1|32=0.0|38=1|39=4|54=1|55=BTC-USD|150=4|151=1"
    )
    assert 19 not in dict(answer.body)


def test_status_of_an_unknown_order(floor: Floor) -> None:
    ask = asks.status(floor.build("35=H|1=main|11=a|37=who"))
    assert text(floor.exchange.status(ask, floor.account), 11, 37, 39, 150, 103) == "11=a|37=who|39=8|150=I|103=5"


def test_scripted_rejections_are_counted_down(floor: Floor) -> None:
    floor.exchange.reject_next(1, asks.Refusal("2", "closed", "scripted"))
    assert floor.place(MARKET, id="a") == ["8/8 103=2"]
    assert floor.place(MARKET, id="b")[0] == "A/A"


def test_held_orders_rest_until_released(floor: Floor) -> None:
    floor.exchange.hold(True, floor.now)
    assert floor.place(MARKET, id="m") == ["A/A", "0/0"]
    assert floor.place(LIMIT, id="ioc", tif=3, price=59000) == ["A/A", "0/0"]
    assert floor.exchange.set_price("BTC-USD", Decimal(60001), floor.now) == []
    order = floor.exchange.book.named("ioc")
    assert order is not None
    floor.exchange.fill(order, Decimal("0.4"), None, floor.now)
    floor.exchange.hold(False, floor.now)
    statuses = {order.ask.client_order_id: (order.status, order.filled) for order in floor.exchange.book}
    assert statuses == {"m": ("2", 1), "ioc": ("4", Decimal("0.4"))}


def test_fill_by_hand_in_part_and_whole(floor: Floor) -> None:
    floor.place(LIMIT, price=59000)
    order = floor.exchange.book.named("a")
    assert order is not None
    assert isinstance(floor.exchange.fill(order, Decimal(2), None, floor.now), Impossible)
    part = floor.exchange.fill(order, Decimal("0.25"), Decimal(58500), floor.now)
    assert isinstance(part, list)
    assert said([*part], 150, 39, 31, 32, 151) == ["150=1|39=1|31=58500|32=0.25|151=0.75"]
    rest = floor.exchange.fill(order, None, None, floor.now)
    assert isinstance(rest, list)
    assert said([*rest], 150, 39, 31, 32, 151) == ["150=1|39=2|31=59000|32=0.75|151=0"]
    assert isinstance(floor.exchange.fill(order, None, None, floor.now), Impossible)


def test_bust_takes_an_execution_back_and_names_it(floor: Floor) -> None:
    floor.place(LIMIT, price=59000)
    order = floor.exchange.book.named("a")
    assert order is not None
    floor.exchange.fill(order, Decimal("0.25"), None, floor.now)
    exec_id = order.fills[0].exec_id
    reports = floor.exchange.bust(exec_id, floor.now)
    assert isinstance(reports, list)
    assert said([*reports], 20, 19, 39, 32, 14, 151) == [f"20=1|19={exec_id}|39=0|32=0.25|14=0|151=1"]
    assert dict(reports[0].body)[17] != exec_id
    assert (order.status, order.fills) == ("0", [])
    assert isinstance(floor.exchange.bust(exec_id, floor.now), Impossible)


def test_correction_changes_an_execution_and_its_commission(floor: Floor) -> None:
    floor.place(MARKET)
    order = floor.exchange.book.named("a")
    assert order is not None
    part = order.fills[-1]
    reports = floor.exchange.correct(part.exec_id, Decimal("0.001"), Decimal(50000), floor.now)
    assert isinstance(reports, list)
    assert said([*reports], 20, 19, 32, 31, 39) == [f"20=2|19={part.exec_id}|32=0.001|31=50000|39=2"]
    assert part.commission == Decimal("0.05")
    assert isinstance(floor.exchange.correct(part.exec_id, Decimal(9), None, floor.now), Impossible)


def test_ids_are_unique_and_differ_between_two_starts(floor: Floor, now: Moment) -> None:
    for number in range(50):
        floor.place(MARKET, id=number)
    ids = {fill.exec_id for order in floor.exchange.book for fill in order.fills}
    orders = {order.order_id for order in floor.exchange.book}
    assert len(orders) == 50 and len(ids) == sum(len(order.fills) for order in floor.exchange.book)
    floor.now = now
    floor.exchange = Exchange(7, now.later(1).later(timedelta(seconds=1).total_seconds()))
    floor.place(MARKET, id=0)
    assert floor.order_id("0") not in orders
