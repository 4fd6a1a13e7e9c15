"""The executions of one order, without the order."""

from datetime import timedelta
from decimal import Decimal

import pytest

from primefixd.orders.executions import Executions, Verdict
from primefixd.orders.model import Fee, Fill
from primefixd.orders.reports import Transaction
from tests.orders.telling import NOON, correction

NEW, CORRECT = Transaction.NEW, Transaction.CORRECT
ONE, HUNDRED = Decimal(1), Decimal(100)


def execution(exec_id: str, quantity: str, price: str, commission: str | None = None) -> Fill:
    fees = () if commission is None else (Fee(amount=Decimal(commission), currency="USD", type="venue"),)
    return Fill(
        fill_id=f"v/{exec_id}",
        exec_id=exec_id,
        cumulative_quantity=Decimal(0),
        last_quantity=Decimal(quantity),
        last_price=Decimal(price),
        commission=None if commission is None else Decimal(commission),
        fees=fees,
        venue=None,
        time=NOON,
        source="main-1",
    )


def with_fills(*fills: Fill) -> Executions:
    executions = Executions()
    for fill in fills:
        assert executions.hear(fill.exec_id, NEW, fill.last_quantity, fill.last_price) is Verdict.NEW
        executions.add(fill)
    return executions


def totals(executions: Executions) -> tuple[str, str, str]:
    return str(executions.quantity), str(executions.value), str(executions.commission)


@pytest.mark.parametrize(
    ("exec_id", "transaction", "quantity", "price", "verdict"),
    [
        ("e", NEW, "1", "100", Verdict.REPEATED),
        ("e", NEW, "1.000", "100.0", Verdict.REPEATED),
        ("e", NEW, "2", "100", Verdict.CONTRADICTS),
        ("e", NEW, "1", "101", Verdict.CONTRADICTS),
        ("e", CORRECT, "2", "100", Verdict.NEW),
        ("f", NEW, "1", "100", Verdict.NEW),
    ],
)
def test_rule_02_the_key_is_exec_id_and_transaction(
    exec_id: str, transaction: Transaction, quantity: str, price: str, verdict: Verdict
) -> None:
    executions = with_fills(execution("e", "1", "100"))
    assert executions.hear(exec_id, transaction, Decimal(quantity), Decimal(price)) is verdict


def test_rule_02_a_contradiction_overwrites_nothing() -> None:
    executions = with_fills(execution("e", "1", "100"))
    executions.hear("e", NEW, Decimal(2), HUNDRED)
    assert executions.hear("e", NEW, ONE, HUNDRED) is Verdict.REPEATED


def test_totals_run_along() -> None:
    executions = with_fills(execution("e", "0.25", "100", "0.5"), execution("f", "0.5", "101"))
    assert totals(executions) == ("0.75", "75.50", "0.5")


def test_rule_04_a_bust_takes_one_execution_back_for_good() -> None:
    executions = with_fills(execution("e", "0.25", "100", "0.5"), execution("f", "0.5", "101", "1"))
    assert executions.knows("e") and not executions.busted("e")
    assert executions.bust("e").exec_id == "e"
    assert executions.busted("e") and not executions.knows("e")
    assert totals(executions) == ("0.5", "50.5", "1")
    assert executions.hear("e", NEW, Decimal("0.25"), HUNDRED) is Verdict.REPEATED
    assert not executions.busted("unheard") and not executions.knows("unheard")


def test_rule_04_what_is_left_after_busts_is_what_was_added_to_the_last_digit() -> None:
    fine, coarse = execution("e", "0.123456789012345678", "98765.12345678"), execution("f", "123456", "98765.12345678")
    executions = with_fills(coarse, fine)
    executions.bust("f")
    assert executions.value == fine.last_quantity * fine.last_price
    executions.bust("e")
    assert totals(executions) == ("0", "0", "0")


@pytest.mark.parametrize(
    ("told", "after", "fees"),
    [
        ({"commission": "0.7", "fees": ()}, ("0.50", "55.00", "0.7"), 0),
        ({}, ("0.50", "55.00", "0.5"), 1),
    ],
)
def test_rule_04_a_correction_gives_new_terms(told: dict[str, object], after: tuple[str, str, str], fees: int) -> None:
    executions = with_fills(execution("e", "0.25", "100", "0.5"))
    fill = executions.correct("e", correction("e", "c", "0.50", **told), Decimal(110))
    assert fill is not None and (fill.exec_id, fill.fill_id, len(fill.fees)) == ("e", "v/e", fees)
    assert totals(executions) == after


def test_rule_04_a_correction_may_be_named_in_its_turn() -> None:
    executions = with_fills(execution("e", "1", "100"))
    executions.correct("e", correction("e", "c", "2"), HUNDRED)
    assert executions.knows("c") and executions.knows("e")
    executions.correct("c", correction("c", "d", "3"), HUNDRED)
    assert executions.quantity == 3
    executions.bust("d")
    assert executions.quantity == 0 and all(map(executions.busted, "ecd"))


def test_rule_04_an_older_correction_does_not_undo_a_newer_one() -> None:
    executions = with_fills(execution("e", "1", "100"))
    assert executions.correct("e", correction("e", "c", "2", t=2), HUNDRED) is not None
    assert executions.correct("e", correction("e", "b", "3", t=1), HUNDRED) is None
    assert executions.quantity == 2
    assert executions.knows("b")
    assert executions.correct("e", correction("e", "d", "4", t=3), HUNDRED) is not None
    assert executions.quantity == 4


def test_a_fill_keeps_its_time_when_corrected() -> None:
    executions = with_fills(execution("e", "1", "100"))
    fill = executions.correct("e", correction("e", "c", "2", t=2), HUNDRED)
    assert fill is not None and fill.time == NOON < NOON + timedelta(seconds=2)
