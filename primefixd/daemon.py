"""The composition root: builds every object from the settings, runs them under one nursery, and stops them in order.

Nothing is decided here about orders or sessions. SIGTERM and SIGINT stop the daemon, a second one hurries, and SIGHUP
reads the configuration again.
"""

import signal
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from importlib.metadata import version

import structlog
import trio
from attrs import evolve

from primefixd import logs
from primefixd.config import ConfigError, Settings
from primefixd.control import render, server
from primefixd.control.admission import Admission
from primefixd.control.settings import limits_of
from primefixd.metrics import serving
from primefixd.orders.keeping import Keeping
from primefixd.runtime.desk import About, Desk
from primefixd.runtime.feed import Feed
from primefixd.runtime.fixlog import FixLog
from primefixd.runtime.journal import Journal
from primefixd.runtime.moving import Moving
from primefixd.runtime.notify import READY, UNATTENDED, Notifier, reloading
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.ports import Ports, Storage, tls_for
from primefixd.runtime.reloading import MakePortfolio, Reloading, check_identity
from primefixd.runtime.rest import Rest, RestDesk
from primefixd.runtime.retention import keep_within
from primefixd.runtime.service import attend
from primefixd.runtime.sessions import rest_credentials
from primefixd.runtime.settings import PortfolioSettings
from primefixd.runtime.shared import Shared
from primefixd.runtime.store import Stored
from primefixd.runtime.views import ServerStopping

FAREWELL_S = 0.2  # at the end, for the last events to reach whoever reads

LEFT_OUT_EVERY_S = 60.0  # repetitions that were left out of the log are told at the latest

_FIXED = (
    "venue",
    "state_dir",
    "rest",
    "schedule",
    "last_order_lead_s",
    "quiet_ask_s",
    "reconcile",
    "retention_days",
    "fix_log",
    "metrics",
)

_log = structlog.get_logger()
Reread = Callable[[], Settings]
"""Reads the configuration again; raises ConfigError as `load` does."""


class Daemon:
    """A running daemon. `control_urls`, and `metrics` (HOST:PORT), are where it listens, with real ports."""

    def __init__(
        self,
        settings: Settings,
        desk: Desk,
        control_urls: tuple[str, ...],
        admission: Admission,
        reloading: Reloading,
        masking: logs.Masking,
    ) -> None:
        self.desk, self.control_urls = desk, control_urls
        self._settings, self._admission, self._reloading, self._masking = settings, admission, reloading, masking
        self.metrics: str | None = None
        self.stopping, self.stopped = trio.Event(), trio.Event()
        self.changing = trio.Lock()

    def stop(self) -> None:
        """Begin an orderly stop; `run` returns when it is done."""
        self.stopping.set()

    async def reload(self, settings: Settings) -> str | None:
        """Become what `settings` say; None, or why not, or what would need a restart: then nothing is changed."""
        async with self.changing:
            return "nothing: the daemon is stopping" if self.stopping.is_set() else await self._change(settings)

    async def _change(self, settings: Settings) -> str | None:
        fixed = next((name for name in _FIXED if getattr(settings, name) != getattr(self._settings, name)), None)
        moved = evolve(settings.control, clients=()) != evolve(self._settings.control, clients=())
        refusal = fixed or ("control.listen or control.origins" if moved else None)
        refusal = refusal or self._reloading.refusal(self._settings.portfolios, settings.portfolios)
        if refusal is not None:
            return refusal
        self._masking.learn(settings.secrets())
        refusal = await self._reloading.change(self._settings.portfolios, settings.portfolios)
        if refusal is None:
            self._settings = settings
            self._admission.change(settings.control.clients)
            self.desk.doors.limits = limits_of(settings.control.clients)
        return refusal


def build(
    settings: Settings, ports: Ports, store: Storage, stored: Stored, rest: Rest | None = None
) -> tuple[Desk, MakePortfolio]:
    """Every portfolio of `settings` with what `stored` knows of it, ready to run; and how to make another one."""
    now = ports.clock()
    feed = Feed(stored.newest)
    journal = Journal(store, stored, feed, render.told, ports.blocking, ports.clock)
    shared = Shared(
        journal=journal,
        ports=ports,
        venue=settings.venue,
        schedule=settings.schedule,
        quiet_ask_s=settings.quiet_ask_s,
        reconcile=settings.reconcile,
        last_order_lead_s=settings.last_order_lead_s,
        accounts={},
    )
    for each in settings.portfolios:
        check_identity(each, stored)
    shared.doors.limits = limits_of(settings.control.clients)
    make = partial(_portfolio, shared, rest)
    portfolios = {each.name: make(each, stored) for each in settings.portfolios}
    for name in stored.orders.keys() - portfolios.keys():
        _log.warning("portfolio_not_configured", portfolio=name, orders=len(stored.orders[name].orders))
    about = About(version=version("primefixd"), venue=f"{settings.venue.host}:{settings.venue.port}", started=now.utc)
    desk = Desk(
        portfolios=portfolios,
        journal=journal,
        feed=feed,
        clock=ports.clock,
        about=about,
        schedule=settings.schedule,
        doors=shared.doors,
        presence=shared.presence,
    )
    return desk, make


def _portfolio(shared: Shared, rest: Rest | None, settings: PortfolioSettings, stored: Stored) -> Portfolio:
    asked = RestDesk(rest_credentials(settings), rest) if rest else None
    return Portfolio(settings, shared, stored.orders.get(settings.name), stored.notes.get(settings.name), asked)


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
        masking = logs.Masking(settings.secrets())
        fix_log = FixLog(settings.fix_log, masking.values, ports.blocking) if settings.fix_log else None
        ports = evolve(ports, fix_log=fix_log or ports.fix_log, mask=masking.values)
        desk, make = build(settings, ports, store, stored, rest)
        async with trio.open_nursery() as ground:
            ground.start_soon(desk.journal.run)
            ground.start_soon(_tell_left_out)
            if fix_log is not None:
                ground.start_soon(fix_log.run)
            ground.start_soon(keep_within, desk, timedelta(days=settings.retention_days))
            await _serve(settings, desk, make, notifier, masking, task_status)
            await desk.journal.settled(desk.journal.last)
            ground.cancel_scope.cancel()
    finally:
        store.close()
        if rest is not None:
            with trio.CancelScope(shield=True):
                await rest.aclose()


async def _tell_left_out() -> None:
    try:
        while True:
            await trio.sleep(LEFT_OUT_EVERY_S)
            logs.tell_left_out()
    finally:
        logs.tell_left_out()


async def _serve(
    settings: Settings,
    desk: Desk,
    make: MakePortfolio,
    notifier: Notifier,
    masking: logs.Masking,
    task_status: trio.TaskStatus[Daemon],
) -> None:
    """Control plane and portfolios, until `Daemon.stop`."""
    async with trio.open_nursery() as control:
        admission = Admission(settings.control.clients)
        urls = await control.start(server.serve, settings.control, desk, admission)
        async with trio.open_nursery() as portfolios:
            daemon = Daemon(settings, desk, urls, admission, Reloading(desk, make, portfolios), masking)
            if settings.metrics is not None:
                daemon.metrics = await control.start(serving.serve, settings.metrics, desk, daemon.stopping)
            for portfolio in desk.portfolios.values():
                portfolios.start_soon(portfolio.run)
            _log.info("started", control=list(urls), metrics=daemon.metrics, portfolios=list(desk.portfolios))
            control.start_soon(attend, notifier, desk, Moving(desk), daemon.stopping)
            task_status.started(daemon)
            await daemon.stopping.wait()
            async with daemon.changing:
                pass  # a reload that was under way is done, and from the stop on none begins
            for portfolio in desk.portfolios.values():
                portfolio.refuse_new()
            await desk.journal.settled(desk.journal.append(None, Keeping(), [ServerStopping()], desk.clock()))
            for portfolio in desk.portfolios.values():
                portfolios.start_soon(portfolio.stop)
        await desk.journal.settled(desk.journal.last)
        await trio.sleep(FAREWELL_S)
        _log.info("stopped")
        daemon.stopped.set()
        control.cancel_scope.cancel()


async def run_until_signal(
    settings: Settings, ports: Ports, notifier: Notifier = UNATTENDED, reread: Reread | None = None
) -> None:
    """`run`, stopped by SIGTERM or SIGINT; a second one does not wait for the venue. SIGHUP reloads by `reread`."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with trio.open_nursery() as nursery:
            daemon: Daemon = await nursery.start(run, settings, ports, notifier)
            nursery.start_soon(_end_with, daemon, nursery.cancel_scope)
            wanted, reload = trio.open_memory_channel[None](1)  # one that waits stands for any number more
            nursery.start_soon(_reload, daemon, notifier, reread or (lambda: settings), reload)
            async for number in signals:
                _log.info("signal", name=signal.Signals(number).name)
                if number == signal.SIGHUP:
                    with suppress(trio.WouldBlock):
                        wanted.send_nowait(None)
                    continue
                if daemon.stopping.is_set():
                    nursery.cancel_scope.cancel()
                daemon.stop()


async def _reload(daemon: Daemon, notifier: Notifier, reread: Reread, wanted: trio.MemoryReceiveChannel[None]) -> None:
    """The new configuration is checked whole first; a wrong one changes nothing, and the log says why."""
    async for _ in wanted:
        notifier.tell(reloading())
        try:
            refusal = await daemon.reload(reread())
        except ConfigError as error:
            _log.error("reload_refused", problems=error.problems, changed=False)
        else:
            if refusal is None:
                _log.info("reloaded")
            else:
                _log.error("reload_refused", needs_restart=refusal, changed=False)
        notifier.tell(READY)


async def _end_with(daemon: Daemon, scope: trio.CancelScope) -> None:
    await daemon.stopped.wait()
    scope.cancel()
