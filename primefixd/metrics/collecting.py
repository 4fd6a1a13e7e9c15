"""All metrics as they stand when they are asked for, read off views and counts; nothing is kept between scrapes."""

from collections.abc import Iterator, Mapping
from datetime import datetime

import trio
from attrs import frozen
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from primefixd.fix.events import EndReason
from primefixd.fix.tags import MSG_TYPE_NAMES
from primefixd.metrics.health import Lag, unready
from primefixd.metrics.names import METRICS, Kind
from primefixd.orders.model import FINAL, Status
from primefixd.orders.reports import RejectReason
from primefixd.runtime.answers import Reason
from primefixd.runtime.counts import Census, Histogram, SessionCounts
from primefixd.runtime.desk import Desk
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.supervisor import UNCONNECTED_FAILED, UNCONNECTED_SILENT
from primefixd.runtime.views import PortfolioState, SessionState, SessionView

_FILLED = "order.filled"
_OTHER = "other"
ALARMING = ("order.in_doubt", "order.fill_gap", "order.fill_busted", "order.contradicted")
"""Events that are there from the start, so that the first one is seen as a change."""


class _Scrape:
    """The families of one scrape; `put` adds a sample to the one that the table of names has."""

    def __init__(self) -> None:
        self.families: dict[str, GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily] = {}
        for name, meaning in METRICS.items():
            made = {
                Kind.GAUGE: GaugeMetricFamily,
                Kind.COUNTER: CounterMetricFamily,
                Kind.HISTOGRAM: HistogramMetricFamily,
            }[meaning.kind]
            unit = "seconds" if name.endswith("_seconds") else ""
            self.families[name] = made(name, meaning.text, labels=meaning.labels, unit=unit)

    def put(self, name: str, value: float | None, *labels: str) -> None:
        """A sample of that metric; none at all where the value is not known."""
        family = self.families[name]
        assert not isinstance(family, HistogramMetricFamily)
        if value is not None:
            family.add_metric(labels, value)

    def put_states(self, name: str, states: type[SessionState | PortfolioState], now: str, *labels: str) -> None:
        for state in states:
            self.put(name, state == now, *labels, state.value)

    def put_histogram(self, name: str, histogram: Histogram) -> None:
        family = self.families[name]
        assert isinstance(family, HistogramMetricFamily)
        names = (*map(str, histogram.bounds), "+Inf")
        family.add_metric((), list(zip(names, histogram.cumulative(), strict=True)), histogram.sum_s)


@frozen(eq=False)
class DeskCollector(Collector):
    """`stopping` is set once the daemon ends."""

    desk: Desk
    lag: Lag
    stopping: trio.Event

    def collect(self) -> Iterator[Metric]:
        """Every metric, one family each."""
        scrape = _Scrape()
        self._daemon(scrape)
        for portfolio in self.desk.portfolios.values():
            census = portfolio.census()
            self._portfolio(scrape, portfolio, census)
            for session in portfolio.sessions():
                counted = census.sessions.get(session.name, SessionCounts())
                _session(scrape, session, counted, self.desk.clock().utc)
        yield from scrape.families.values()

    def _daemon(self, scrape: _Scrape) -> None:
        journal, now = self.desk.journal, self.desk.clock().utc
        scrape.put("primefixd_ready", unready(self.desk, self.stopping) is None)
        scrape.put("primefixd_window_left_seconds", max((self.desk.next_window() - now).total_seconds(), 0.0))
        scrape.put_histogram("primefixd_event_loop_lag_seconds", self.lag.lateness)
        scrape.put_histogram("primefixd_journal_sync_seconds", journal.counts.commit_s)
        scrape.put("primefixd_journal_failures", journal.counts.failures)
        scrape.put("primefixd_journal_waiting_batches", journal.waiting_batches)
        scrape.put("primefixd_journal_writable", journal.writable)

    def _portfolio(self, scrape: _Scrape, portfolio: Portfolio, census: Census) -> None:
        view, name = portfolio.view(), portfolio.name
        scrape.put_states("primefixd_portfolio_state", PortfolioState, view.state, name)
        scrape.put("primefixd_portfolio_halted", view.halted, name)
        scrape.put("primefixd_orders_in_doubt", view.in_doubt, name)
        scrape.put("primefixd_orders_unreconciled", view.unreconciled, name)
        scrape.put("primefixd_order_budget", view.order_budget, name)
        for status in Status:
            if status in FINAL:
                ended = sum(count for (how, _), count in census.finished.items() if how is status)
                scrape.put("primefixd_orders_finished", ended, name, status)
            else:
                scrape.put("primefixd_orders", census.orders.get(status, 0), name, status)
        for (kind, reason), count in _rejects(census).items():
            scrape.put("primefixd_rejects", count, name, kind, reason)
        for refusal in Reason:
            scrape.put("primefixd_requests_refused", census.counts.refused[refusal], name, refusal)
        events = self.desk.journal.counts.events
        scrape.put("primefixd_fills", events[name, _FILLED], name)
        told = dict.fromkeys(ALARMING, 0) | {kind: count for (whose, kind), count in events.items() if whose == name}
        for kind, count in told.items():
            scrape.put("primefixd_events", count, name, kind)


def _rejects(census: Census) -> Mapping[tuple[str, str], int]:
    """What can be rejected for known reasons is there from the start, so that the first one is seen as a change."""
    found = {("order", reason.value): 0 for reason in RejectReason} | dict(census.counts.rejects)
    for (status, reason), count in census.finished.items():
        if status is Status.REJECTED:
            key = "order", reason or _OTHER
            found[key] = found.get(key, 0) + count
    return found


def _session(scrape: _Scrape, view: SessionView, counts: SessionCounts, now: datetime) -> None:
    labels = view.portfolio, view.name
    scrape.put_states("primefixd_session_state", SessionState, view.state, *labels)
    scrape.put("primefixd_session_in_state_seconds", max((now - view.since).total_seconds(), 0.0), *labels)
    scrape.put("primefixd_session_connects", counts.connects, *labels)
    scrape.put("primefixd_session_logons", counts.logons, *labels)
    scrape.put("primefixd_session_reconnects", max(counts.logons - 1, 0), *labels)
    for why in (UNCONNECTED_SILENT, UNCONNECTED_FAILED):
        scrape.put("primefixd_session_connect_failures", counts.unconnected[why], *labels, why)
    for end in EndReason:
        scrape.put("primefixd_session_logons_refused", counts.refused[end.lower()], *labels, end.lower())
    for letter, count in counts.sent.items():
        scrape.put("primefixd_session_messages_sent", count, *labels, _type(letter))
    for letter, count in counts.received.items():
        scrape.put("primefixd_session_messages_received", count, *labels, _type(letter))
    scrape.put("primefixd_session_garbled", view.garbled, *labels)
    scrape.put("primefixd_session_unreadable", view.unreadable, *labels)
    scrape.put("primefixd_session_limiter_wait_seconds", counts.limiter_wait_s, *labels)
    scrape.put("primefixd_session_queued_requests", view.queue, *labels)
    scrape.put("primefixd_session_budget_messages", view.budget, *labels)
    scrape.put("primefixd_session_clock_offset_seconds", _seconds(view.clock_offset_ms), *labels)
    scrape.put("primefixd_session_round_trip_seconds", _seconds(view.round_trip_ms), *labels)
    left = (counts.certificate_until - now).total_seconds() if counts.certificate_until else None
    scrape.put("primefixd_session_certificate_left_seconds", left, *labels)


def _type(letter: str) -> str:
    return MSG_TYPE_NAMES.get(letter, _OTHER)


def _seconds(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000
