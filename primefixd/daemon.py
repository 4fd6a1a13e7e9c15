"""The composition root: builds every object from the settings, runs them under one nursery, and stops them in order.

Nothing is decided here about orders or sessions. SIGTERM and SIGINT stop the daemon; a second one hurries.
"""

import signal
from importlib.metadata import version

import structlog
import trio
from attrs import frozen

from primefixd.config import Settings
from primefixd.control import server
from primefixd.runtime.desk import About, Desk
from primefixd.runtime.feed import Feed
from primefixd.runtime.notify import UNATTENDED, Notifier
from primefixd.runtime.portfolio import Portfolio, Shared
from primefixd.runtime.ports import Ports, tls_for
from primefixd.runtime.service import attend
from primefixd.runtime.views import ServerStopping

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


def build(settings: Settings, ports: Ports) -> Desk:
    """Every portfolio of `settings`, ready to run. Raises OSError or ssl.SSLError when `venue.ca_file` is unusable."""
    if settings.venue.tls:
        tls_for(settings.venue)  # fail now, in words, and not at every attempt to connect
    now = ports.clock()
    feed = Feed(journal=ports.new_id(now))
    shared = Shared(
        feed=feed,
        ports=ports,
        venue=settings.venue,
        schedule=settings.schedule,
        quiet_ask_s=settings.quiet_ask_s,
        accounts={},
    )
    portfolios = {each.name: Portfolio(each, shared) for each in settings.portfolios}
    venue = f"{settings.venue.host}:{settings.venue.port}"
    about = About(version=version("primefixd"), venue=venue, started=now.utc)
    return Desk(portfolios=portfolios, feed=feed, clock=ports.clock, about=about, schedule=settings.schedule)


async def run(
    settings: Settings,
    ports: Ports,
    notifier: Notifier = UNATTENDED,
    *,
    task_status: trio.TaskStatus[Daemon] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Run until `Daemon.stop`. Raises OSError if the control plane cannot listen."""
    desk = build(settings, ports)
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
            desk.feed.publish(ServerStopping(), None, ports.clock())
            for portfolio in desk.portfolios.values():
                portfolios.start_soon(portfolio.stop)
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
