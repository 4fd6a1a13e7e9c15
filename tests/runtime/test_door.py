"""Limits where orders come in and leave, over restarts and reloads, in virtual time (order-rules.md 15, 25, 29)."""

from datetime import timedelta
from decimal import Decimal

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.dispatch.risk import Brake, Reference, RiskLimits
from primefixd.orders.model import OnDoubt, OnMaintenance, Replacement, Side, Status, Submission
from primefixd.runtime.answers import Breached, Reason, Refused, Submitted
from primefixd.runtime.settings import PortfolioSettings
from tests.support.days import day, through, utc
from tests.support.lives import PAIR, carrying, fill, heard, life, opened, order, said, soon, submit, up
from tests.support.scripted import Rig, limit


def limited(**limits: object) -> PortfolioSettings:
    return evolve(PAIR, risk=RiskLimits(**limits))  # type: ignore[arg-type]


async def refused(rig: Rig, wanted: Submission | None = None, client: str = "desk") -> Breached:
    told = await rig.portfolio.submit(wanted or limit("more"), client)
    assert isinstance(told, Refused) and told.reason is Reason.LIMIT and told.breached is not None, told
    assert rig.portfolio.find(client_order_id="more") is None
    return told.breached


def sized(key: str, quantity: str) -> Submission:
    return evolve(limit(key), terms=evolve(limit().terms, base_quantity=Decimal(quantity)))


async def test_a_breach_names_the_limit_the_value_and_whose_it_is(autojump_clock: MockClock) -> None:
    async with life(of=limited(order_quote_value_max=Decimal(24_999))) as rig:
        await up()
        wanted = Breached(
            limit="order_quote_value_max", value=Decimal(25_000), allowed=Decimal(24_999), scope="portfolio main"
        )
        assert await refused(rig) == wanted
        assert heard(rig, "D") == []
        told = await rig.portfolio.submit(sized("less", "0.49"), "desk")
        assert isinstance(told, Submitted)


async def test_open_orders_count_until_they_are_final_whoever_placed_them(autojump_clock: MockClock) -> None:
    async with life(of=limited(open_orders_max=2)) as rig:
        await up()
        venue = await opened(rig, "o-1")
        await submit(rig, "o-2")
        found = await refused(rig, client="another")
        assert (found.limit, found.value, found.allowed) == ("open_orders_max", 3, 2)
        await venue.say(said("o-1", "4", "4"))
        await soon()
        await submit(rig, "o-3")


async def test_a_client_has_limits_of_its_own_over_all_its_portfolios(autojump_clock: MockClock) -> None:
    async with life(of=PAIR) as rig:
        rig.shared.doors.limits = {"desk": RiskLimits(open_orders_max=1)}
        await up()
        await submit(rig)
        assert (await refused(rig)).scope == "client desk"
        assert isinstance(await rig.portfolio.submit(limit("o-2"), "another"), Submitted)


async def test_what_needs_a_price_is_refused_without_a_fresh_one(autojump_clock: MockClock) -> None:
    async with life(of=limited(price_collar_percent=Decimal(5), reference_max_age_s=10)) as rig:
        await up()
        assert (await refused(rig)).value is None

        def refer(price: str, ago_s: float = 0) -> Refused | None:
            time = rig.wall.ours().utc - timedelta(seconds=ago_s)
            return rig.portfolio.refer("BTC-USD", Reference(Decimal(price), time))

        assert refer("51000") is None
        assert refer("90000", ago_s=1) is None  # late on its way: it changes nothing
        await submit(rig)
        assert refer("60000") is None
        assert (await refused(rig)).limit == "price_collar_percent"
        assert refer("50000") is None
        await trio.sleep(10.5)
        assert (await refused(rig)).value is None
        ahead = refer("50000", ago_s=-6)
        assert ahead is not None and ahead.field == "time"


@pytest.mark.parametrize("crashed", [False, True])
async def test_the_days_notional_counts_what_was_traded_and_what_is_open_over_restarts(
    autojump_clock: MockClock, crashed: bool
) -> None:
    of = limited(daily_notional_max=Decimal(60_000))
    async with life(of=of) as rig:
        await up()
        venue = await opened(rig, "done")
        await venue.say(fill("done", "X-1", "0.5", "0.5", "2"))
        await opened(rig, "open")
        if not crashed:
            found = await refused(rig)
            assert (found.limit, found.value) == ("daily_notional_max", Decimal(75_000))
    async with life(rig.store, of) as rig:
        await trio.sleep(140)
        assert (await refused(rig)).value == Decimal(75_000)
        told = await rig.portfolio.submit(sized("fits", "0.2"), "desk")
        assert isinstance(told, Submitted)


async def test_the_day_turns_at_17_of_new_york(autojump_clock: MockClock) -> None:
    of = limited(daily_notional_max=Decimal(30_000))
    async with day("2026-03-02T21:40", of) as rig:
        await up()
        venue = await opened(rig, "done")
        await venue.say(fill("done", "X-1", "0.5", "0.5", "2"))
        await soon()
        await refused(rig)
        await through(rig)
        await submit(rig, "more")


async def test_a_bust_takes_back_what_was_traded(autojump_clock: MockClock) -> None:
    async with life(of=limited(daily_notional_max=Decimal(30_000))) as rig:
        await up()
        venue = await opened(rig, "done")
        await venue.say(fill("done", "X-1", "0.5", "0.5", "2"))
        await soon()
        await refused(rig)
        await venue.say(said("done", "2", "4", "|17=X-2|19=X-1|32=0.5|31=50000|14=0").replace("|20=0", "|20=1"))
        await soon()
        assert order(rig, "done").filled_quantity == 0
        await submit(rig, "more")


async def test_one_client_is_slowed_down_and_others_are_not(autojump_clock: MockClock) -> None:
    async with life(of=limited(new_orders_per_second_max=2)) as rig:
        await up()
        for n in range(2):
            assert isinstance(await rig.portfolio.submit(limit(f"o-{n}"), "desk"), Submitted)
        assert (await refused(rig)).limit == "new_orders_per_second_max"
        assert isinstance(await rig.portfolio.submit(limit("o-9"), "another"), Submitted)
        await trio.sleep(1)
        assert isinstance(await rig.portfolio.submit(limit("o-3"), "desk"), Submitted)


async def test_repetitions_are_braked_also_over_a_restart(autojump_clock: MockClock) -> None:
    of = limited(identical_orders=Brake(max=2, per_s=290))
    async with life(of=of) as rig:
        await up()
        for n in range(2):
            venue = await opened(rig, f"o-{n}")
            await venue.say(said(f"o-{n}", "4", "4"))
        await refused(rig)
    async with life(rig.store, of) as rig:
        await trio.sleep(140)
        assert (await refused(rig)).limit == "identical_orders"
        assert isinstance(await rig.portfolio.submit(sized("other", "0.4"), "desk"), Submitted)
        await trio.sleep(290)
        await submit(rig, "more")


async def test_a_loop_of_rejects_is_braked_also_over_a_restart(autojump_clock: MockClock) -> None:
    of = limited(rejects=Brake(max=2, per_s=250))
    async with life(of=of) as rig:
        await up()
        for n in range(2):
            await submit(rig, f"o-{n}")
            await carrying(rig, f"o-{n}").say(said(f"o-{n}", "8", "8", "|103=0|58=no"))
            await soon()
        assert (await refused(rig)).value == 2
        assert isinstance(await rig.portfolio.submit(limit("o-9"), "another"), Submitted)
    async with life(rig.store, of) as rig:
        await up()
        assert (await refused(rig)).limit == "rejects"
        await trio.sleep(250)
        await submit(rig, "more")


async def test_rule_29_a_replace_keeps_within_the_limits_and_counts_while_it_is_pending(
    autojump_clock: MockClock,
) -> None:
    async with life(of=limited(daily_notional_max=Decimal(100_000), order_base_quantity_max={"BTC-USD": 1})) as rig:
        await up()
        await opened(rig)

        async def replace(quantity: str) -> Submitted | Refused:
            wanted = Replacement(
                client_order_id="o-1", new_client_order_id=f"r-{quantity}", base_quantity=Decimal(quantity)
            )
            return await rig.portfolio.replace(wanted, "desk")

        told = await replace("1.1")
        assert isinstance(told, Refused) and told.breached is not None
        assert told.breached.limit == "order_base_quantity_max"
        assert isinstance(await replace("1"), Submitted)
        await submit(rig, "beside")
        found = await refused(rig, sized("more", "0.6"))
        assert (found.limit, found.value) == ("daily_notional_max", Decimal(105_000))


async def test_rule_25_a_held_order_is_judged_anew_before_it_leaves(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T21:40") as rig:
        await rig.wall.until("2026-03-02T21:59:55")
        more = {"on_maintenance": OnMaintenance.HOLD, "deadline": utc("2026-03-02T23:00")}
        await submit(rig, "big", **more)
        assert isinstance(await rig.portfolio.submit(evolve(sized("small", "0.1"), **more), "desk"), Submitted)
        rig.portfolio.change(limited(order_base_quantity_max={"BTC-USD": Decimal("0.4")}))
        await through(rig)
        await trio.sleep(30)
        assert (order(rig, "big").status, order(rig, "big").reject_reason) == (Status.REJECTED, "held_invalid")
        assert [message.get(11) for message in heard(rig, "D")] == ["small"]


@pytest.mark.parametrize("lowered", [False, True])
async def test_rule_15_an_order_leaves_again_only_within_the_limits_of_then(
    autojump_clock: MockClock, lowered: bool
) -> None:
    async with life(of=limited(open_orders_max=5)) as rig:
        await up()
        await submit(rig, on_doubt=OnDoubt.RESUBMIT, ttl_ms=600_000)
        await carrying(rig).cut()
        if lowered:
            rig.portfolio.change(limited(open_orders_max=0))
        await trio.sleep(60)
        assert len(heard(rig, "D")) == (1 if lowered else 2)


async def test_an_order_that_could_not_be_made_durable_counts_no_more(autojump_clock: MockClock) -> None:
    async with life(of=limited(open_orders_max=1)) as rig:
        await up()
        rig.store.unwritable = "the disk is full"
        told = await rig.portfolio.submit(limit("lost"), "desk")
        assert isinstance(told, Refused) and told.reason is Reason.NOT_DURABLE
        rig.store.unwritable = None
        await trio.sleep(5)
        await submit(rig)


async def test_limits_that_were_not_there_count_what_was_before(autojump_clock: MockClock) -> None:
    async with life(of=PAIR) as rig:
        await up()
        await opened(rig)
        rig.portfolio.change(limited(open_orders_max=1, daily_notional_max=Decimal(10)))
        assert (await refused(rig)).limit == "open_orders_max"
        rig.portfolio.change(PAIR)
        wanted = evolve(limit("o-2"), terms=evolve(limit().terms, side=Side.SELL))
        assert isinstance(await rig.portfolio.submit(wanted, "desk"), Submitted)
