"""The composition root: builds every object from the settings, runs them under one nursery, and stops them in order.

Nothing is decided here about orders or sessions. SIGTERM and SIGINT stop the daemon; a second one hurries.
"""

import signal
from datetime import timedelta
from functools import partial
from importlib.metadata import version

import structlog
import trio
from attrs import frozen

from primefixd.config import Settings
from primefixd.control import render, server
from primefixd.orders.keeping import Keeping
from primefixd.prime.logon import Credentials
from primefixd.runtime.desk import About, Desk
from primefixd.runtime.feed import Feed
from primefixd.runtime.journal import Journal
from primefixd.runtime.notify import UNATTENDED, Notifier
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.ports import Ports, Storage, tls_for
from primefixd.runtime.rest import Rest, RestDesk
from primefixd.runtime.retention import keep_within
from primefixd.runtime.service import attend
from primefixd.runtime.sessions import credentials
from primefixd.runtime.settings import PortfolioSettings
from primefixd.runtime.shared import Shared
from primefixd.runtime.store import Stored
from primefixd.runtime.views import ServerStopping

FAREWELL_S = 0.2  # at the end, for the last events to reach whoever reads

_log = structlog.get_logger()


@frozen
class Daemon:
    """A running daemon. `control_urls` are where its control plane listens, with real ports."""

    control_urls: tuple[str, ...]
    desk: Desk
    stopping: trio.Event
    stopped: trio.Event

    def stop(self) -> None:
        """Begin an orderly stop; `run` returns when it is done."""
        self.stopping.set()


def build(settings: Settings, ports: Ports, store: Storage, stored: Stored, rest: Rest | None = None) -> Desk:
    """Every portfolio of `settings` with what `stored` knows of it, ready to run."""
    now = ports.clock()
    feed = Feed(stored.newest)
    journal = Journal(store, stored, feed, render.told, ports.blocking)
    shared = Shared(
        journal=journal,
        ports=ports,
        venue=settings.venue,
        schedule=settings.schedule,
        quiet_ask_s=settings.quiet_ask_s,
        reconcile=settings.reconcile,
        accounts={},
    )
    portfolios = {
        each.name: Portfolio(
            each,
            shared,
            stored.orders.get(each.name),
            stored.notes.get(each.name),
            RestDesk(_rest_key(each), rest) if rest else None,
        )
        for each in settings.portfolios
    }
    for name in stored.orders.keys() - portfolios.keys():
        _log.warning("portfolio_not_configured", portfolio=name, orders=len(stored.orders[name].orders))
    about = About(version=version("primefixd"), venue=f"{settings.venue.host}:{settings.venue.port}", started=now.utc)
    return Desk(
        portfolios=portfolios, journal=journal, feed=feed, clock=ports.clock, about=about, schedule=settings.schedule
    )


def _rest_key(portfolio: PortfolioSettings) -> Credentials:
    """REST is asked with the key of the portfolio's first session."""
    return credentials(portfolio.sessions[0], portfolio)


async def run(
    settings: Settings,
    ports: Ports,
    notifier: Notifier = UNATTENDED,
    *,
    task_status: trio.TaskStatus[Daemon] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run until `Daemon.stop`. Raises StoreRefused if the state directory cannot be used.

    Raises OSError or ssl.SSLError when `venue.ca_file` is unusable, and OSError if the control plane cannot listen.
    """
    if settings.venue.tls:
        tls_for(settings.venue)  # fail now, in words, and not at every attempt to connect
    now = ports.clock()
    rest: Rest | None = None
    store = await ports.blocking(partial(ports.open_store, settings.state_dir, ports.new_id(now), now.utc))
    try:
        stored = await ports.blocking(store.load)
        for remark in stored.remarks:
            _log.warning("journal_remark", remark=remark)
        rest = Rest(settings.rest, ports.clock) if settings.rest else None
        desk = build(settings, ports, store, stored, rest)
        async with trio.open_nursery() as ground:
            ground.start_soon(desk.journal.run)
            ground.start_soon(keep_within, desk, timedelta(days=settings.retention_days))
            await _serve(settings, desk, notifier, task_status)
            await desk.journal.settled(desk.journal.last)
            ground.cancel_scope.cancel()
    finally:
        store.close()
        if rest is not None:
            with trio.CancelScope(shield=True):
                await rest.aclose()


async def _serve(settings: Settings, desk: Desk, notifier: Notifier, task_status: trio.TaskStatus[Daemon]) -> None:
    """Control plane and portfolios, until `Daemon.stop`."""
    async with trio.open_nursery() as control:
        urls = await control.start(server.serve, settings.control, desk)
        daemon = Daemon(urls, desk, stopping=trio.Event(), stopped=trio.Event())
        async with trio.open_nursery() as portfolios:
            for portfolio in desk.portfolios.values():
                portfolios.start_soon(portfolio.run)
            _log.info("started", control=list(urls), portfolios=list(desk.portfolios))
            control.start_soon(attend, notifier, desk, moving, daemon.stopping)
            task_status.started(daemon)
            await daemon.stopping.wait()
            await desk.journal.settled(desk.journal.append(None, Keeping(), [ServerStopping()], desk.clock()))
            for portfolio in desk.portfolios.values():
                portfolios.start_soon(portfolio.stop)
        await desk.journal.settled(desk.journal.last)
        await trio.sleep(FAREWELL_S)
        _log.info("stopped")
        daemon.stopped.set()
        control.cancel_scope.cancel()


def moving() -> bool:
    """Whether all that must move does; if not, the watchdog starves. That the event loop does shows by being asked."""
    return True


async def run_until_signal(settings: Settings, ports: Ports, notifier: Notifier = UNATTENDED) -> None:
    """`run`, stopped by SIGTERM or SIGINT; a second signal does not wait for the venue."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            daemon: Daemon = await nursery.start(run, settings, ports, notifier)
            nursery.start_soon(_end_with, daemon, nursery.cancel_scope)
            async for number in signals:
                _log.info("signal", name=signal.Signals(number).name)
                if daemon.stopping.is_set():
                    nursery.cancel_scope.cancel()
                daemon.stop()


async def _end_with(daemon: Daemon, scope: trio.CancelScope) -> None:
    await daemon.stopped.wait()
    scope.cancel()
