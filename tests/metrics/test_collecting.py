"""Every metric says what it should, by the eyes of prometheus-client's parser."""

from datetime import timedelta

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock

from primefixd.metrics.collecting import ALARMING
from primefixd.metrics.names import METRICS, Kind
from primefixd.orders.keeping import Keeping
from primefixd.runtime.settings import RateSettings
from primefixd.runtime.views import ServerStopping
from tests.support.days import day
from tests.support.lives import carrying, fill, life, opened, said, soon, submit, up
from tests.support.scraped import scrape
from tests.support.scripted import ACCOUNT, Rig, limit, settings

NAMES = {Kind.GAUGE: "gauge", Kind.COUNTER: "counter", Kind.HISTOGRAM: "histogram"}
SETS = {"status", "type", "reason", "le"}


async def busy(rig: Rig) -> None:
    """A bit of everything: acknowledged, filled, rejected, cancelled, refused, and a message that FIX 4.2 lacks."""
    await up()
    venue = await opened(rig)
    await venue.say(fill("o-1", "E-1", "0.2", "0.2"), fill("o-1", "E-2", "0.3", "0.5", "2"))
    await submit(rig, "o-2")
    await carrying(rig, "o-2").say(said("o-2", "8", "8", "|103=3|58=too fast"))
    venue = await opened(rig, "o-3")
    await rig.portfolio.cancel(client_order_id="o-3", client="desk")
    await soon()
    (request,) = venue.requests("F")
    await venue.say(f"35=9|11={request.get(11)}|41=o-3|37=V-o-3|39=0|434=1|102=0|58=too late")
    await venue.say("35=U1|58=of another kind", "35=U2|58=of one more kind")
    await rig.portfolio.submit(limit("o-3", product="ETH-USD"), "desk")
    await soon()


async def test_the_whole_scrape_is_read_by_the_library_and_has_every_name_of_the_table_and_no_other(
    autojump_clock: MockClock,
) -> None:
    async with life() as rig:
        await busy(rig)
        families = {family.name: family for family in scrape(rig).families}
        assert families.keys() == METRICS.keys()
        for name, meaning in METRICS.items():
            family = families[name]
            assert (family.type, family.documentation) == (NAMES[meaning.kind], meaning.text)
            assert family.unit == ("seconds" if name.endswith("_seconds") else "")
            for sample in family.samples:
                assert set(sample.labels) - {"le"} == set(meaning.labels), name


async def test_labels_are_portfolio_session_and_small_sets_and_no_id_is_among_them(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await busy(rig)
        told = scrape(rig)
        labels = [(k, v) for family in told.families for sample in family.samples for k, v in sample.labels.items()]
        assert {key for key, _ in labels} <= {"portfolio", "session"} | SETS
        assert {value for key, value in labels if key == "portfolio"} == {"main"}
        assert {value for key, value in labels if key == "session"} == {"a", "b"}
        for text in ("o-1", "o-2", "o-3", "V-o", "E-1", "-account", "-key", "-secret", "-phrase", "too fast", "made-"):
            assert text not in told.text


async def test_orders_fills_and_rejects_are_counted(autojump_clock: MockClock) -> None:
    async with life() as rig:
        before = scrape(rig)
        assert before["primefixd_fills_total", "main"] == 0
        assert before["primefixd_rejects_total", "main", "order", "rate_limited"] == 0  # so that the first is a change
        for kind in ALARMING:
            assert before["primefixd_events_total", "main", kind] == 0
        await busy(rig)
        rig.journal.append("second", Keeping(), [ServerStopping()], rig.wall.ours())
        told = scrape(rig)
        assert "server.stopping" not in told.text
        assert told["primefixd_fills_total", "main"] == 2
        assert told.of("primefixd_orders") == {("main", "OPEN"): 1}
        assert told.of("primefixd_orders_finished_total") == {("main", "FILLED"): 1, ("main", "REJECTED"): 1}
        assert told.of("primefixd_rejects_total") == {
            ("main", "order", "exceeds_limit"): 1,
            ("main", "cancel", "too_late"): 1,
        }
        assert told.of("primefixd_requests_refused_total") == {("main", "duplicate"): 1}
        assert told["primefixd_events_total", "main", "order.filled"] == 2
        assert told["primefixd_events_total", "main", "order.cancel_rejected"] == 1


async def test_a_report_that_comes_twice_ends_an_order_once(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        venue = await opened(rig)
        ended = fill("o-1", "E-1", "0.5", "0.5", "2")
        await venue.say(ended, ended, said("o-1", "I", "2", "|17=0|20=3|14=0.5|6=50000"))
        await soon()
        assert scrape(rig).of("primefixd_orders_finished_total") == {("main", "FILLED"): 1}


async def test_messages_are_counted_by_type_and_go_on_over_a_new_connection(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await busy(rig)
        carrier = carrying(rig, "o-1").peer.removesuffix("-account")
        told = scrape(rig)
        sent, received = "primefixd_session_messages_sent_total", "primefixd_session_messages_received_total"
        assert told["primefixd_session_logons_total", "main", carrier] == 1
        assert told[sent, "main", carrier, "Logon"] == told[received, "main", carrier, "Logon"] == 1
        assert sum(v for k, v in told.of(sent).items() if k[-1] == "NewOrderSingle") == 3
        assert sum(v for k, v in told.of(received).items() if k[-1] == "ExecutionReport") == 5
        assert sum(v for k, v in told.of(received).items() if k[-1] == "other") == 2
        assert told["primefixd_session_reconnects_total", "main", carrier] == 0
        await rig.venue.of(carrier).cut()
        await trio.sleep(5)
        again = scrape(rig)
        assert again["primefixd_session_reconnects_total", "main", carrier] == 1
        assert again["primefixd_session_connects_total", "main", carrier] == 2
        assert again[sent, "main", carrier, "Logon"] == 2
        assert again.of("primefixd_session_logons_refused_total") == {}  # it had been logged on
        views = {view.name: view for view in rig.portfolio.sessions()}
        assert sum(v for k, v in again.of(sent).items() if k[1] == carrier) == views[carrier].sent
        assert sum(v for k, v in again.of(received).items() if k[1] == carrier) == views[carrier].received


async def test_another_configuration_of_a_session_goes_on_counting(autojump_clock: MockClock) -> None:
    async with life(of=settings("a")) as rig:
        await up()
        before = settings("a")
        rig.portfolio.change(evolve(before, sessions=(evolve(before.sessions[0], heartbeat_s=20),)))
        await trio.sleep(5)
        told = scrape(rig)
        assert told["primefixd_session_logons_total", "main", "a"] == 2
        assert told["primefixd_session_messages_sent_total", "main", "a", "Logon"] == 2
        assert told.of("primefixd_session_logons_refused_total") == {}


async def test_rejects_of_messages_and_of_quotes_are_counted(autojump_clock: MockClock) -> None:
    async with life(of=settings("a")) as rig:
        await up()
        await submit(rig)
        venue = carrying(rig)
        (sent,) = venue.requests("D")
        await venue.say(f"35=j|45={sent.sequence_number}|372=D|380=0|58=message rate exceeded")
        await venue.say("35=j|45=9999|372=D|380=3|58=busy")
        await venue.say(f"35=b|131=rq|1={ACCOUNT}|55=BTC-USD|297=5|300=3|58=too large")
        await soon()
        found = scrape(rig).of("primefixd_rejects_total")
        (quote,) = (key for key in found if key[1] == "quote")
        assert found == {
            ("main", "message", "rate_limited"): 1,
            ("main", "message", "other"): 1,
            ("main", "order", "rate_limited"): 1,
            quote: 1,
        }


async def test_what_came_to_no_session_is_counted_by_its_reason(autojump_clock: MockClock) -> None:
    async with life(of=settings("a")) as rig:
        rig.venue.refuse = "invalid signature"
        await trio.sleep(1)
        assert scrape(rig).of("primefixd_session_logons_refused_total") == {("main", "a", "logon_refused"): 1}
        rig.venue.refuse, rig.venue.unreachable = None, True
        await trio.sleep(36)
        told = scrape(rig)
        assert told["primefixd_session_connect_failures_total", "main", "a", "failed"] >= 1
        assert told["primefixd_session_connect_failures_total", "main", "a", "timeout"] == 0
        assert told["primefixd_session_logons_total", "main", "a"] == 0
        assert told.of("primefixd_session_state") == {("main", "a", "DOWN"): 1}


async def test_the_wait_for_the_rate_is_counted_and_a_shut_portfolio_is_no_such_wait(autojump_clock: MockClock) -> None:
    slow = settings("a", rate=RateSettings(messages_per_second=50, orders_per_second=1))
    async with day("2026-03-02T21:40", slow) as rig:
        await up()
        name = "primefixd_session_limiter_wait_seconds_total", "main", "a"
        before = scrape(rig)[name]
        for n in range(3):
            await submit(rig, f"o-{n}", ttl_ms=10_000)
        assert scrape(rig)["primefixd_session_queued_requests", "main", "a"] == 2
        await trio.sleep(5)
        waited = scrape(rig)[name]
        assert waited - before == pytest.approx(2.03, abs=0.05)
        await rig.portfolio.submit(limit("held", on_maintenance="HOLD"), "desk")  # type: ignore[arg-type]
        await rig.wall.until("2026-03-02T22:04")
        assert scrape(rig)[name] - waited < 1.5


async def test_clocks_round_trip_window_and_certificate(autojump_clock: MockClock) -> None:
    async with day("2026-03-02T21:00", settings("a")) as rig:
        told = scrape(rig)
        assert told["primefixd_window_left_seconds"] == pytest.approx(3600, abs=1)
        assert "primefixd_session_round_trip_seconds" not in {name for name, *_ in told.samples}  # not 0: not known
        assert "primefixd_session_certificate_left_seconds" not in {name for name, *_ in told.samples}
        rig.venue.offset_s = 1.5
        await up()
        told = scrape(rig)
        assert told["primefixd_session_clock_offset_seconds", "main", "a"] == pytest.approx(1.5, abs=0.01)
        assert told["primefixd_session_round_trip_seconds", "main", "a"] < 0.1
        assert told["primefixd_session_in_state_seconds", "main", "a"] == pytest.approx(2, abs=0.1)
        line = rig.portfolio._parts.sessions._supervisors["a"].line
        line.counts.certificate_until = rig.wall.ours().utc + timedelta(days=3)
        assert scrape(rig)["primefixd_session_certificate_left_seconds", "main", "a"] == 3 * 86_400
        await rig.wall.until("2026-03-02T22:01")
        told = scrape(rig)
        assert told["primefixd_window_left_seconds"] == 0
        assert told.of("primefixd_session_state") == {("main", "a", "WINDOW"): 1}
        assert told.of("primefixd_portfolio_state") == {("main", "CLOSED"): 1}


async def test_the_journal_is_seen_to_take_its_time_and_to_fail(autojump_clock: MockClock) -> None:
    async with life() as rig:
        await up()
        commits = scrape(rig)["primefixd_journal_sync_seconds_count"]
        assert commits > 0
        rig.store.held_before = trio.Event()
        rig.journal.append("main", evolve(rig.portfolio._parts.ledger.keep()), [], rig.wall.ours())
        with trio.move_on_after(0.05):
            await rig.portfolio.submit(limit(), "desk")
        await trio.sleep(0.5)
        told = scrape(rig)
        assert told["primefixd_journal_waiting_batches"] >= 1 and told["primefixd_journal_writable"] == 1
        rig.store.held_before.set()
        rig.store.held_before = None
        await soon()
        told = scrape(rig)
        slow = (
            told["primefixd_journal_sync_seconds_bucket", "1.0"] - told["primefixd_journal_sync_seconds_bucket", "0.25"]
        )
        assert slow == 1 and told["primefixd_journal_sync_seconds_sum"] > 0.5
        assert told["primefixd_journal_waiting_batches"] == 0 and told["primefixd_journal_failures_total"] == 0
        rig.store.unwritable = "the disk is full"
        await rig.portfolio.submit(limit("o-2"), "desk")
        told = scrape(rig)
        assert told["primefixd_journal_failures_total"] >= 1 and told["primefixd_journal_writable"] == 0
        assert told["primefixd_ready"] == 0


async def test_doubt_halt_and_reconciling_are_seen(autojump_clock: MockClock) -> None:
    async with life(of=settings("a")) as rig:
        await up()
        await submit(rig)
        await carrying(rig).cut()
        await soon()
        told = scrape(rig)
        assert told["primefixd_orders_in_doubt", "main"] == 1 and told["primefixd_portfolio_halted", "main"] == 0
        await rig.portfolio.halt("desk", cancel_open=False)
        told = scrape(rig)
        assert told["primefixd_portfolio_halted", "main"] == 1
        assert told.of("primefixd_portfolio_state") == {("main", "HALTED"): 1}
        store = rig.store
    async with life(store, settings("a")) as rig:
        await soon()
        assert scrape(rig)["primefixd_orders_unreconciled", "main"] == 1
