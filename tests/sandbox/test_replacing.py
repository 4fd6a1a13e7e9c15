"""The life of a replace at the venue: pending, replaced or refused, and what crosses it."""

from itertools import pairwise
from typing import Any

import pytest

from primefixd.fix import tags
from primefixd.sandbox.delivery import Delivery
from primefixd.sandbox.reporting import Report

LIMIT = "11=a|38=1|40=2|44=59000|54=1|55=BTC-USD|59=1|847=L"
TWAP = "11=a|38=1|40=2|44=61000|54=1|55=BTC-USD|59=6|168=20261123-15:00:00|126=20261123-15:01:40|847=T"


def edit(desk: Any, new: str = "b", old: str = "a", **changes: str | None) -> str:
    """A replace of the order, total 2 at 59500; `changes` replace fields of it or, None, leave them out: t44="1"."""
    fields: dict[str, str | None] = {
        "35": "G",
        "11": new,
        "41": old,
        "37": desk.order().order_id,
        "38": "2",
        "40": "2",
        "44": "59500",
        "54": "1",
        "55": "BTC-USD",
        "21": "1",
        "60": "20261123-15:00:00",
    }
    fields |= {name[1:]: value for name, value in changes.items()}
    return "|".join(f"{tag}={value}" for tag, value in fields.items() if value is not None)


def test_replace_is_pending_and_then_done_under_both_client_order_ids(desk: Any) -> None:
    desk.say(LIMIT)
    seen = (150, 39, 11, 41, 38, 44)
    assert desk.ask(edit(desk), *seen) == ["150=E|39=E|11=b|41=a|38=1|44=59000"]
    assert desk.order().shown == "E"
    assert desk.wait(0.1) == []
    assert desk.wait(0.2, *seen) == ["150=5|39=5|11=b|41=a|38=2|44=59500"]
    order = desk.order("b")
    assert order is desk.order("a") and order.chain == ["a", "b"] and order.shown == "0"
    assert set(desk.price(59400, 11, 41, 31)) == {"11=b|41=None|31=59500"}
    assert (order.filled, order.status) == (2, "2")


def test_fill_between_pending_and_replaced_goes_by_the_old_id_and_counts(desk: Any) -> None:
    desk.say(LIMIT)
    desk.ask(edit(desk))
    assert desk.fill("0.25", "59000", 11, 39, 14, 151) == ["11=a|39=E|14=0.25|151=0.75"]
    assert desk.wait(0.3, 150, 39, 14, 151, 38) == ["150=5|39=1|14=0.25|151=1.75|38=2"]


def test_fills_that_reach_a_smaller_total_meanwhile_make_the_replace_fill_the_order(desk: Any) -> None:
    desk.say(LIMIT)
    desk.ask(edit(desk, t38="0.5"))
    desk.fill("0.75", "59000")
    assert desk.wait(0.3, 150, 39, 38, 14, 151) == ["150=5|39=2|38=0.75|14=0.75|151=0"]
    assert desk.order().status == "2"


def test_order_that_fills_or_is_cancelled_meanwhile_refuses_the_replace_in_its_time(desk: Any) -> None:
    desk.say(LIMIT)
    desk.ask(edit(desk))
    assert desk.fill("1", "59000") == ["1/2"]
    assert desk.wait(0.3) == ["9 2 2 0"]
    desk.say(LIMIT.replace("11=a", "11=x"))
    order_id = desk.order("x").order_id
    desk.ask(edit(desk, "b", "x", t37=order_id))  # b is free again
    assert desk.ask(f"35=F|11=c|41=x|37={order_id}") == ["6/6", "4/4"]
    assert desk.wait(0.3, 11, 41, 39, 434, 102) == ["11=b|41=x|39=4|434=2|102=0"]
    assert desk.order("x").chain == ["x"]


def test_late_refusal_is_for_the_session_that_asked_and_counted_there(desk: Any, accounts: Any) -> None:
    desk.say(LIMIT)
    desk.intake.answer(desk.build(edit(desk)), accounts[2], False, desk.now)
    desk.fill("1", "59000")
    [reply] = desk.exchange.advance(desk.now.later(1))
    assert (reply.to, reply.word) == ("main-3", "replace_too_late")


def test_second_replace_while_one_is_pending_is_refused(desk: Any) -> None:
    desk.say(LIMIT)
    desk.ask(edit(desk))
    assert desk.ask(edit(desk, "c")) == ["9 E 2 3"]
    assert desk.wait(0.3) == ["5/5"]


@pytest.mark.parametrize(
    ("changes", "answer"),
    [
        ({"t37": None}, "9 8 2 99"),
        ({"t37": "who"}, "9 8 2 1"),
        ({"t41": None}, "9 0 2 99"),
        ({"t41": "z"}, "9 0 2 99"),
        ({"t11": "a"}, "9 0 2 99"),
        ({"t11": "other"}, "9 0 2 99"),
        ({"t11": "x" * 129}, "9 0 2 99"),
        ({"t1": "side"}, "9 0 2 99"),
        ({"t54": "2"}, "9 0 2 99"),
        ({"t54": None}, "9 0 2 99"),
        ({"t55": "ETH-USD"}, "9 0 2 99"),
        ({"t40": "1"}, "9 0 2 99"),
        ({"t40": None}, "9 0 2 99"),
        ({"t21": None}, "9 0 2 99"),
        ({"t60": None}, "9 0 2 99"),
        ({"t38": None}, "9 0 2 99"),
        ({"t38": None, "t152": "1000"}, "9 0 2 99"),
        ({"t38": "x"}, "9 0 2 99"),
        ({"t44": None}, "9 0 2 99"),
        ({"t44": "-1"}, "9 0 2 99"),
        ({"t99": "1"}, "9 0 2 99"),
        ({"t126": "20270101-00:00:00"}, "9 0 2 99"),
        ({"t210": "3"}, "9 0 2 99"),
        ({"t210": "2"}, "E/E"),
        ({"t1": "main"}, "E/E"),
    ],
)
def test_what_a_replace_must_say(desk: Any, changes: dict[str, str | None], answer: str) -> None:
    desk.say(LIMIT)
    desk.say(LIMIT.replace("11=a", "11=other"))
    assert desk.ask(edit(desk, **changes)) == [answer]


def test_display_size_is_replaced_or_stays(desk: Any) -> None:
    desk.say(LIMIT + "|210=1")
    desk.ask(edit(desk))
    assert desk.wait(0.3, 210) == ["210=1"]
    desk.ask(edit(desk, "c", "b", t210="0.5"))
    assert desk.wait(0.3, 210) == ["210=0.5"]


def test_total_quantity_must_be_more_than_what_is_filled(desk: Any) -> None:
    desk.say(LIMIT)
    desk.fill("0.5", "59000")
    assert desk.ask(edit(desk, t38="0.5")) == ["9 1 2 99"]
    assert desk.ask(edit(desk, t38="0.50000001")) == ["E/E"]


def test_orders_that_cannot_be_replaced(desk: Any) -> None:
    desk.say("11=a|38=1|40=P|44=59000|54=1|55=BTC-USD|59=1|836=0|211=5000|847=P")
    assert desk.ask(edit(desk, t40="P")) == ["9 0 2 99"]
    desk.say("11=m|38=1|40=1|54=1|55=BTC-USD|59=3|847=M")
    assert desk.ask(edit(desk, old="m", t37=desk.order("m").order_id, t40="1")) == ["9 2 2 0"]


def test_order_is_replaced_twenty_five_times_and_no_more(desk: Any) -> None:
    desk.say(LIMIT)
    names = ["a", *(f"r{number}" for number in range(25))]
    for old, new in pairwise(names):
        assert desk.ask(edit(desk, new, old)) == ["E/E"]
        desk.wait(0.3)
    assert desk.order().chain == names
    assert desk.ask(edit(desk, "more", names[-1])) == ["9 0 2 99"]


def test_old_ids_of_the_chain_are_taken_and_cancel_nothing(desk: Any) -> None:
    desk.say(LIMIT)
    desk.ask(edit(desk))
    order_id = desk.order().order_id
    assert desk.ask(f"35=F|11=c|41=b|37={order_id}") == ["9 E 1 99"]  # not yet its name
    desk.wait(0.3)
    assert desk.ask(f"35=F|11=c|41=a|37={order_id}") == ["9 0 1 99"]
    assert desk.say(LIMIT, 39, 103) == ["39=8|103=6"]
    assert desk.say(LIMIT.replace("11=a", "11=b"), 39, 103) == ["39=8|103=6"]
    assert desk.ask(f"35=F|11=c|41=b|37={order_id}", 39, 11, 41) == ["39=6|11=c|41=b", "39=4|11=c|41=b"]


def test_replaced_order_meets_the_market_anew(desk: Any) -> None:
    desk.say(LIMIT)
    desk.ask(edit(desk, t44="60500"))
    told = desk.wait(0.3, 150, 31)
    assert told[0] == "150=5|31=None" and set(told[1:]) == {"150=1|31=60000"}
    assert desk.filled() == 2


def test_post_only_order_may_not_be_replaced_across_the_market_now_or_in_its_time(desk: Any) -> None:
    desk.say(LIMIT + "|18=A")
    assert desk.ask(edit(desk, t44="60500")) == ["9 0 2 99"]
    assert desk.ask(edit(desk, t44="59900")) == ["E/E"]
    desk.exchange.hold(True, desk.now)
    desk.price(59800)
    assert desk.wait(0.3) == ["9 0 2 99"]


def test_expiry_time_of_a_replaced_order_moves_and_the_old_one_is_void(desk: Any) -> None:
    desk.say(LIMIT.replace("59=1", "59=6|126=20261123-15:00:10"))
    assert desk.ask(edit(desk, t126="20261123-14:00:00")) == ["9 0 2 99"]
    desk.ask(edit(desk, t126="20261123-15:00:20"))
    assert desk.wait(0.3, 150, 126) == ["150=5|126=20261123-15:00:20.000"]
    assert desk.wait(15) == []
    assert desk.wait(5) == ["C/C"]


def test_stop_limit_needs_its_stop_price_and_waits_for_the_new_one(desk: Any) -> None:
    desk.say("11=a|38=1|40=2|44=61000|54=1|55=BTC-USD|59=1|99=60500|847=SL")
    assert desk.ask(edit(desk)) == ["9 0 2 99"]
    desk.ask(edit(desk, t99="60800", t44="61000"))
    assert desk.wait(0.3, 150, 99) == ["150=5|99=60800"]
    assert desk.price(60600) == []
    assert desk.price(60800)
    assert desk.filled() == 2


def test_slices_of_a_twap_follow_its_new_size_and_end(desk: Any) -> None:
    desk.say(TWAP)
    desk.wait(45)
    assert desk.filled() == desk.order().ask.quantity / 2
    desk.ask(edit(desk, t44="61000", t126="20261123-15:03:20"))
    desk.wait(0.3)
    desk.wait(54)
    assert float(desk.filled()) == pytest.approx(1)  # five of ten slices of 20 s, of 2
    desk.wait(90)
    assert (float(desk.filled()), desk.order().status) == (2, "2")


def test_scale_of_a_replace_sized_in_quote(desk: Any) -> None:
    desk.say(LIMIT.replace("38=1", "152=1000"))
    assert desk.ask(edit(desk)) == ["9 0 2 99"]
    desk.ask(edit(desk, t38=None, t152="2000"))
    assert desk.wait(0.3, 150, 152) == ["150=5|152=2000"]


def test_reports_of_a_forgotten_order_are_lost_by_any_name_of_its_chain(desk: Any) -> None:
    delivery = Delivery()
    delivery.log_on("main-1", "main", True, desk.now)
    desk.say(LIMIT)
    desk.ask(edit(desk))
    delivery.forget("a")
    [report] = desk.exchange.advance(desk.now.later(1))
    assert isinstance(report, Report) and dict(report.body)[tags.CL_ORD_ID] == "b"
    assert delivery.route(report) == []
    delivery.forget("b")
    delivery.asked_for(report.names)
    assert delivery.route(report) == ["main-1"]


def test_new_name_is_taken_for_a_day_from_the_replace_on(desk: Any) -> None:
    desk.say(LIMIT)
    desk.wait(23 * 3600)
    desk.ask(edit(desk))
    desk.wait(2 * 3600)
    assert desk.say(LIMIT.replace("11=a", "11=b"), 39, 103) == ["39=8|103=6"]
    assert desk.say(LIMIT)[0] == "A/A"


def test_replace_over_the_rate_is_refused_unread(desk: Any) -> None:
    desk.say(LIMIT)
    [answer] = desk.intake.answer(desk.build(edit(desk)), desk.account, True, desk.now)
    fields = dict(answer.body)
    assert (answer.msg_type, fields[434], fields[102], answer.word) == ("9", "2", "99", "rate")
    assert desk.wait(1) == []


def test_slice_that_a_new_end_brings_into_the_past_is_traded_at_once(desk: Any) -> None:
    desk.say(TWAP)
    desk.wait(45)
    desk.ask(edit(desk, t44="61000", t126="20261123-15:00:50"))
    assert desk.wait(0.3, 150, 60, 14) == [
        "150=5|60=20261123-15:00:45.200|14=0.5",
        "150=1|60=20261123-15:00:45.200|14=2",
    ]
