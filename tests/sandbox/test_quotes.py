"""Quotes on request: what is quoted and refused, and who may accept what, and when."""

from typing import Any

import pytest

REQUEST = "35=R|1=main|131=q|54=1|55=BTC-USD|38=2|40=2|44=61000|59=4"
ACCEPT = "11=a|38=2|40=D|44={price}|54=1|55=BTC-USD|59=4|117={quote}|847=R"


def quote(desk: Any, text: str = REQUEST, price: int = 133) -> dict[str, str]:
    [told] = desk.ask(text, 117, price)
    name, worth = (item.split("=")[1] for item in told.split("|"))
    return {"quote": name, "price": worth}


def test_quote_for_a_buyer_is_an_offer_behind_the_market_for_a_short_time(desk: Any) -> None:
    seen = (131, 1, 55, 133, 135, 132, 134, 40, 62)
    assert desk.ask(REQUEST, *seen) == [
        "131=q|1=main|55=BTC-USD|133=60012|135=2|132=None|134=None|40=2|62=20261123-15:00:03.000"
    ]


def test_quote_for_a_seller_is_a_bid_until_the_auction_ends(desk: Any) -> None:
    text = REQUEST.replace("54=1", "54=2").replace("44=61000", "44=59000|8090=30000").replace("38=2", "152=59988")
    assert desk.ask(text, 132, 134, 133, 62) == ["132=59988|134=1|133=None|62=20261123-15:00:30.000"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("55=BTC-USD", "55=XXX-USD", "1"),
        ("38=2", "38=200", "3"),
        ("44=61000", "44=60000", "8"),
        ("|44=61000", "", "8"),
        ("44=61000", "44=-1", "8"),
        ("38=2", "38=2|152=5", "99"),
        ("38=2", "38=0", "99"),
        ("38=2", "152=0.0000001", "99"),
        ("54=1", "54=5", "99"),
        ("1=main", "1=side", "99"),
        ("40=2", "40=1", "99"),
        ("59=4", "59=1", "99"),
        ("59=4", "59=4|8090=30001", "99"),
        ("59=4", "59=4|8090=0", "99"),
        ("59=4", "59=4|8090=x", "99"),
        ("131=q", "131=" + "q" * 129, "99"),
    ],
)
def test_requests_that_get_no_quote(desk: Any, old: str, new: str, reason: str) -> None:
    assert desk.ask(REQUEST.replace(old, new, 1)) == [f"b {reason}"]
    assert desk.intake.tallies["main-1"].rejected == {"quote_refused": 1}


def test_refusal_names_the_request_and_its_id_is_used_up(desk: Any) -> None:
    quote(desk)
    assert desk.ask(REQUEST, 131, 1, 55, 297, 300, 58) == [
        "131=q|1=main|55=BTC-USD|297=5|300=6|58=duplicate quote request ID"
    ]


def test_accepted_in_time_it_fills_at_once_at_the_quoted_price(desk: Any) -> None:
    made = quote(desk)
    desk.wait(2.9)
    desk.price(70000)  # whoever quoted stands by it
    answers = desk.say(ACCEPT.format(**made), 150, 31)
    assert answers[:2] == ["150=A|31=None", "150=0|31=None"] and set(answers[2:]) == {"150=1|31=60012"}
    assert (desk.filled(), desk.order().status) == (2, "2")
    again = desk.say(ACCEPT.format(**made).replace("11=a", "11=b"), 39, 103, 58)
    assert again == ["39=8|103=99|58=the quote was accepted already"]


def test_expired_quote_is_rejected(desk: Any) -> None:
    made = quote(desk)
    desk.wait(3)
    assert desk.say(ACCEPT.format(**made), 39, 103, 58) == ["39=8|103=99|58=the quote has expired"]


def test_quote_belongs_to_its_portfolio_whatever_session_accepts(desk: Any, accounts: Any) -> None:
    made = quote(desk)
    assert desk.say(ACCEPT.format(**made), 58, account=accounts[9]) == ["58=unknown quote"]
    assert desk.say(ACCEPT.format(**made), 39, account=accounts[1])[0] == "39=A"
    assert desk.say(ACCEPT.format(quote="who", price=1).replace("11=a", "11=b"), 58) == ["58=unknown quote"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("44=60012", "44=60013"), ("38=2", "38=1"), ("38=2", "152=120024"), ("54=1", "54=2"), ("BTC-", "ETH-")],
)
def test_acceptance_must_have_the_terms_of_the_quote(desk: Any, old: str, new: str) -> None:
    text = ACCEPT.format(**quote(desk)).replace(old, new)
    assert desk.say(text, 39, 58) == ["39=8|58=the terms are not those of the quote"]
    assert desk.say(ACCEPT.format(quote=desk.order().ask.quote_id, price=60012).replace("11=a", "11=b"))[0] == "A/A"


def test_quote_sized_in_quote_is_accepted_in_either_size(desk: Any) -> None:
    made = quote(desk, REQUEST.replace("38=2", "152=60012"))
    assert desk.say(ACCEPT.format(**made).replace("38=2", "152=60012"))[0] == "A/A"
    made = quote(desk, REQUEST.replace("38=2", "152=60012").replace("131=q", "131=r"))
    assert desk.say(ACCEPT.format(**made).replace("38=2", "38=1").replace("11=a", "11=b"))[0] == "A/A"


def test_rejected_acceptance_leaves_the_quote_free(desk: Any) -> None:
    made = quote(desk)
    assert desk.say(ACCEPT.format(**made).replace("59=4", "59=3")) == ["8/8"]
    assert desk.say(ACCEPT.format(**made).replace("11=a", "11=b"))[0] == "A/A"


def test_request_over_the_rate_is_no_request(desk: Any) -> None:
    [answer] = desk.intake.answer(desk.build(REQUEST), desk.account, True, desk.now)
    assert (answer.msg_type, dict(answer.body)[380]) == ("j", "0")
    assert quote(desk)["price"] == "60012"
