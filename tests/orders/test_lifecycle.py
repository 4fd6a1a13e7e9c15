"""Which status may follow which, and what the venue's letters claim."""

from itertools import product

import pytest

from primefixd.orders.lifecycle import ASKED_ABOUT, Move, claim, move
from primefixd.orders.model import FINAL, Status
from primefixd.orders.reports import RejectReason, ReportKind, VenueStatus
from tests.orders.telling import word

CLAIMS = [status for status in Status if status not in (Status.QUEUED, Status.SENT)]
LIVE = [status for status in Status if status not in FINAL]


@pytest.mark.parametrize(("held", "told"), list(product(Status, CLAIMS)))
def test_rule_06_every_status_knows_every_word(held: Status, told: Status) -> None:
    step = move(held, told)
    assert isinstance(step, Move)
    if held == told:
        assert step is Move.IGNORE
    if held in FINAL and told in LIVE:
        assert step is not Move.ADVANCE, "an end never goes back in silence"
    if held is Status.SENT:
        assert step is Move.ADVANCE, "the first word on an order is never odd"
    if held is Status.QUEUED:
        assert step is Move.CONTRADICT, "the venue cannot know what never left"


@pytest.mark.parametrize(
    ("held", "told", "step"),
    [
        ("OPEN", "PENDING", Move.IGNORE),
        ("OPEN", "REJECTED", Move.CONTRADICT),
        ("OPEN", "PENDING_CANCEL", Move.ADVANCE),
        ("PENDING_CANCEL", "OPEN", Move.ADVANCE),
        ("PENDING_CANCEL", "FILLED", Move.ADVANCE),
        ("PENDING_CANCEL", "REJECTED", Move.CONTRADICT),
        ("FILLED", "PENDING_CANCEL", Move.IGNORE),
        ("FILLED", "CANCELLED", Move.CONTRADICT),
        ("CANCELLED", "FILLED", Move.CONTRADICT),
        ("CANCELLED", "OPEN", Move.CONTRADICT),
        ("EXPIRED", "CANCELLED", Move.CONTRADICT),
        ("REJECTED", "OPEN", Move.CONTRADICT),
        ("REJECTED", "PENDING", Move.IGNORE),
    ],
)
def test_rule_06_chosen_moves(held: str, told: str, step: Move) -> None:
    assert move(Status(held), Status(told)) is step


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("pending_new", "PENDING"),
        ("new", "OPEN"),
        ("partially_filled", "OPEN"),
        ("replaced", "OPEN"),
        ("pending_cancel", "PENDING_CANCEL"),
        ("pending_replace", "PENDING_REPLACE"),
        ("filled", "FILLED"),
        ("cancelled", "CANCELLED"),
        ("rejected", "REJECTED"),
        ("expired", "EXPIRED"),
    ],
)
def test_rule_06_what_the_venue_status_claims(status: str, told: str) -> None:
    assert claim(word("unknown", status), snapshot=False, pending=False) is Status(told)


@pytest.mark.parametrize("status", sorted(ASKED_ABOUT))
def test_rule_06_words_that_are_never_final_by_themselves(status: VenueStatus) -> None:
    assert claim(word("restated", status), snapshot=False, pending=False) is None
    assert claim(word("restated", status), snapshot=True, pending=False) is None


def test_rule_06_together_they_are_all_that_the_venue_can_say() -> None:
    silent = {
        status for status in VenueStatus if claim(word("restated", status), snapshot=False, pending=False) is None
    }
    assert silent == ASKED_ABOUT


@pytest.mark.parametrize(
    ("kind", "told"), [("cancelled", "CANCELLED"), ("rejected", "REJECTED"), ("expired", "EXPIRED")]
)
def test_rule_06_the_kind_of_report_speaks_where_the_status_does_not(kind: str, told: str) -> None:
    assert claim(word(kind, "done_for_day"), snapshot=False, pending=False) is Status(told)
    assert claim(word(kind, "new"), snapshot=False, pending=False) is Status.OPEN


@pytest.mark.parametrize(
    ("kind", "status", "snapshot", "told"),
    [
        (ReportKind.TRADE, "partially_filled", False, None),
        (ReportKind.NEW, "new", False, None),
        (ReportKind.STATUS, "partially_filled", True, Status.OPEN),
        (ReportKind.REPLACED, "replaced", False, Status.OPEN),
        (ReportKind.TRADE, "filled", False, Status.FILLED),
    ],
)
def test_rule_06_a_pending_request_outlives_a_partial_fill(
    kind: ReportKind, status: str, snapshot: bool, told: Status | None
) -> None:
    assert claim(word(kind, status), snapshot=snapshot, pending=True) is told


def test_rule_13_a_status_answer_rejects_nothing() -> None:
    assert claim(word("status", "rejected"), snapshot=True, pending=False) is None


def test_rule_14_a_duplicate_is_rejected_whatever_the_other_order_does() -> None:
    told = word("rejected", "partially_filled", reject_reason=RejectReason.DUPLICATE_ORDER)
    assert claim(told, snapshot=False, pending=False) is Status.REJECTED
