"""What halts a portfolio by itself, and only where that is configured (order-rules.md 27), in virtual time."""

from collections.abc import Iterator

import pytest
import trio
from attrs import evolve
from structlog.testing import capture_logs
from trio.testing import MockClock

from primefixd import logs
from primefixd.orders.model import Status
from primefixd.runtime.answers import Reason, Refused
from primefixd.runtime.settings import HaltSettings, PortfolioSettings
from primefixd.runtime.views import PortfolioChanged, PortfolioState
from tests.support.lives import PAIR, carrying, fill, heard, life, opened, order, soon, submit, up
from tests.support.scripted import Rig, limit


def halting(**on: object) -> PortfolioSettings:
    return evolve(PAIR, halt_on=HaltSettings(**on))  # type: ignore[arg-type]


async def overfill(rig: Rig) -> None:
    venue = await opened(rig, "much")
    await venue.say(fill("much", "X-1", "0.5", "0.5", "2"))
    await venue.say(fill("much", "X-2", "0.2", "0.7", "2"))
    await soon()


async def contradict(rig: Rig) -> None:
    venue = await opened(rig, "odd")
    await venue.say(fill("odd", "X-1", "0.2", "0.2"))
    await venue.say(fill("odd", "X-1", "0.3", "0.3"))
    await soon()


async def doubt(rig: Rig) -> None:
    """Two orders in doubt."""
    for key in ("d-1", "d-2"):
        await submit(rig, key)
    await carrying(rig, "d-1").cut()
    await soon()


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    """Errors are logged, which tests otherwise do without."""
    logs.set_up(level="error")
    yield
    logs.set_up(level="critical")


CASES = [
    (overfill, {"overfill": True}, "overfill"),
    (contradict, {"contradiction": True}, "Contradicted"),
    (doubt, {"in_doubt_max": 1}, "too_many_in_doubt"),
]


@pytest.mark.parametrize(("wrong", "on", "said"), CASES)
async def test_rule_27_halts_by_itself_if_so_configured_and_over_restarts(
    autojump_clock: MockClock, wrong, on, said
) -> None:  # type: ignore[no-untyped-def]
    of = halting(**on)
    async with life(of=of) as rig:
        await up()
        with capture_logs() as told:
            await wrong(rig)
        assert {said, "halted_by_itself"} <= {line["event"] for line in told}
        late = await rig.portfolio.submit(limit("late"), "desk")
        assert isinstance(late, Refused) and late.reason is Reason.CLOSED
        assert [event.body.portfolio.state for event in rig.events(PortfolioChanged)][-1] is PortfolioState.HALTED
    async with life(rig.store, of) as rig:
        assert rig.portfolio.view().halted
        assert await rig.portfolio.resume()
        assert not rig.portfolio.view().halted


@pytest.mark.parametrize(("wrong", "said"), [(overfill, "overfill"), (contradict, "Contradicted")])
async def test_rule_27_otherwise_it_is_only_said(autojump_clock: MockClock, wrong, said) -> None:  # type: ignore[no-untyped-def]
    async with life(of=halting(in_doubt_max=0)) as rig:
        await up()
        with capture_logs() as told:
            await wrong(rig)
        assert said in {line["event"] for line in told}
        assert rig.portfolio.view().state is PortfolioState.OPEN


async def test_rule_27_as_many_in_doubt_as_are_allowed_halt_nothing(autojump_clock: MockClock) -> None:
    async with life(of=halting(in_doubt_max=2)) as rig:
        await up()
        await doubt(rig)
        assert not rig.portfolio.view().halted


@pytest.mark.parametrize("cancel_open", [False, True])
async def test_rule_27_what_queues_ends_and_what_is_open_is_cancelled_if_wanted(
    autojump_clock: MockClock, cancel_open: bool
) -> None:
    async with life(of=halting(overfill=True, cancel_open=cancel_open)) as rig:
        await up()
        await opened(rig, "open")
        venue = await opened(rig, "much")
        for name in ("a", "b"):
            rig.portfolio._parts.sessions.pause(name, rig.wall.ours())
        await submit(rig, "queued")
        await venue.say(fill("much", "X-1", "0.7", "0.7", "2"))
        await soon()
        assert (order(rig, "queued").status, order(rig, "queued").reject_reason) == (Status.REJECTED, "halted")
        await trio.sleep(2)
        assert [message.get(41) for message in heard(rig, "F")] == (["open"] if cancel_open else [])
        assert not [message for message in heard(rig, "D") if message.get(11) == "queued"]


async def test_rule_27_a_reload_changes_what_halts(autojump_clock: MockClock) -> None:
    async with life(of=PAIR) as rig:
        await up()
        rig.portfolio.change(halting(overfill=True))
        await overfill(rig)
        assert rig.portfolio.view().halted
