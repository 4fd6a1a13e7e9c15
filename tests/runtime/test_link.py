"""One link as a pump: everything that leaves counts, and what a number was is remembered up to a bound."""

import pytest
import trio
from trio.testing import MockClock

from primefixd.orders.model import Status
from primefixd.runtime import link
from primefixd.runtime.answers import Submitted
from tests.support.scripted import Rig, limit, settings


def per_second(times: list[float]) -> int:
    """The most of `times` in any second."""
    return max((sum(at <= other < at + 1 for other in times) for at in times), default=0)


async def test_rule_20_answers_to_a_flood_of_test_requests_count_and_the_session_lives(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    venue = rig.venue.connections[0]
    times: list[float] = []
    receive = venue.session.receive

    def watched(data: bytes, now: object) -> list:
        times.extend([trio.current_time()] * data.count(b"\x0110="))
        return receive(data, now)

    venue.session.receive = watched
    for _ in range(200):
        venue.session.probe(venue._clock())
        await venue._flush()
    assert isinstance(await rig.portfolio.submit(limit(ttl_ms=60_000), "desk"), Submitted)
    await trio.sleep(10)
    assert len(times) >= 201 and per_second(times) <= 50
    assert not venue.ended and len(venue.requests("D")) == 1
    nursery.cancel_scope.cancel()


async def test_rule_09_numbers_are_remembered_up_to_a_bound_and_the_oldest_are_let_go(
    autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "NUMBERS_REMEMBERED_MAX", 2)
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    venue = rig.venue.connections[0]
    for n in range(3):
        await rig.portfolio.submit(limit(f"o-{n}"), "desk")
    await trio.sleep(0.01)
    for sent in venue.requests("D"):
        await venue.say(f"35=j|45={sent.sequence_number}|372=D|380=3|58=no")
    await trio.sleep(0.01)
    told = [rig.portfolio.find(client_order_id=f"o-{n}").status for n in range(3)]
    assert told == [Status.SENT, Status.REJECTED, Status.REJECTED]
    nursery.cancel_scope.cancel()


async def test_a_reject_of_a_number_that_was_no_request_changes_nothing(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    rig = Rig(nursery, settings("a"))
    await trio.sleep(2)
    venue = rig.venue.connections[0]
    await rig.portfolio.submit(limit(), "desk")
    await trio.sleep(0.01)
    for number in (1, 2, 999):
        await venue.say(f"35=j|45={number}|372=0|380=3|58=no")
    await trio.sleep(0.01)
    assert rig.portfolio.find(client_order_id="o-1").status is Status.SENT and not venue.ended
    nursery.cancel_scope.cancel()
