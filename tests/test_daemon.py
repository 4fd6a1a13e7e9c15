"""The composition root: what it refuses to start with, what it tells, and how it stops."""

import socket
from datetime import time
from pathlib import Path

import attrs
import httpx
import pytest
import trio

from primefixd import daemon
from primefixd.client import connect
from primefixd.config import Settings
from primefixd.control.settings import ClientSettings, ControlSettings, Right
from primefixd.dispatch.calendar import Schedule
from primefixd.dispatch.risk import RiskLimits
from primefixd.metrics.settings import MetricsSettings
from primefixd.runtime import service
from primefixd.runtime.answers import Reason, Refused
from primefixd.runtime.journal import Journal
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.ports import system_ports
from primefixd.runtime.settings import VenueSettings
from primefixd.runtime.store import Stored, StoreRefused
from primefixd.runtime.views import PortfolioState
from primefixd.secret import Secret
from tests.support.scripted import limit
from tests.support.scripted import settings as portfolio_settings
from tests.support.world import free_port


def settings(folder: Path, *, listen: str = "127.0.0.1:0", ca_file: Path | None = None) -> Settings:
    """One portfolio of one session at a venue that is not there."""
    reader = ClientSettings(name="r", token=Secret("token"), portfolios=None, may=frozenset({Right.READ}))
    return Settings(
        venue=VenueSettings(host="127.0.0.1", port=free_port(), tls=ca_file is not None, ca_file=str(ca_file or "")),
        control=ControlSettings(listen=(listen,), clients=(reader,)),
        state_dir=folder,
        rest=None,
        retention_days=7,
        quiet_ask_s=2.0,
        schedule=Schedule(zone="America/New_York", start=time(17), end=time(17, 5)),
        portfolios=(portfolio_settings("a"),),
    )


def of(portfolios: tuple[str, ...], made: Settings, *more_sessions: str) -> Settings:
    """`made`, with portfolios of these names, each of one session or more."""
    each = (
        attrs.evolve(portfolio_settings(f"{n}s", *more_sessions), name=n, portfolio_id=f"id-{n}") for n in portfolios
    )
    return attrs.evolve(made, portfolios=tuple(each))


def innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def test_it_is_there_for_clients_before_and_without_the_venue(tmp_path: Path, nursery: trio.Nursery) -> None:
    with trio.fail_after(10):
        started = await nursery.start(daemon.run, settings(tmp_path), system_ports())
        async with connect(started.control_urls[0], "token") as client:
            told = await client.info()
            assert told["journal"] == started.desk.journal.id and told["version"]
            (session,) = await client.sessions()
            assert session["state"] != "ACTIVE"


async def test_limits_of_clients_are_reloaded_and_nobody_is_disconnected_for_it(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    def limited(risk: RiskLimits | None) -> Settings:
        clients = tuple(attrs.evolve(each, risk=risk) for each in first.control.clients)
        return attrs.evolve(first, control=attrs.evolve(first.control, clients=clients))

    first = settings(tmp_path)
    with trio.fail_after(15):
        started = await nursery.start(daemon.run, limited(RiskLimits(open_orders_max=1)), system_ports())
        assert started.desk.doors.limits == {"r": RiskLimits(open_orders_max=1)}
        async with connect(started.control_urls[0], "token") as client:
            for risk in (RiskLimits(open_orders_max=2), None):
                assert await started.reload(limited(risk)) is None
                assert started.desk.doors.limits == ({"r": risk} if risk else {})
            await trio.sleep(0.05)
            assert (await client.info())["journal"]


async def test_a_stop_is_told_to_clients_and_ends_the_run(tmp_path: Path, nursery: trio.Nursery) -> None:
    with trio.fail_after(15):
        started = await nursery.start(daemon.run, settings(tmp_path), system_ports())
        async with connect(started.control_urls[0], "token") as client, client.subscribe() as events:
            started.stop()
            types = [(await anext(events))["type"]]
            while types[-1] != "server.stopping":
                types.append((await anext(events))["type"])
            await started.stopped.wait()


async def test_a_port_in_use_is_an_error_at_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises((OSError, BaseExceptionGroup)) as failed:
            with trio.fail_after(10):
                await daemon.run(settings(tmp_path, listen=listen), system_ports())
    assert isinstance(innermost(failed.value), OSError)


async def test_metrics_are_served_if_configured_until_the_end_and_a_port_in_use_is_an_error(tmp_path: Path) -> None:
    with trio.fail_after(15):
        async with trio.open_nursery() as nursery:
            wanted = attrs.evolve(settings(tmp_path), metrics=MetricsSettings(listen="127.0.0.1:0"))
            started = await nursery.start(daemon.run, wanted, system_ports())
            async with httpx.AsyncClient(base_url=f"http://{started.metrics}", trust_env=False) as client:
                assert "no session for orders" in (await client.get("/readyz")).text
                taken = attrs.evolve(settings(tmp_path / "b"), metrics=MetricsSettings(listen=started.metrics))
                with pytest.raises(BaseExceptionGroup) as failed:
                    await daemon.run(taken, system_ports())
                assert isinstance(innermost(failed.value), OSError)
                started.stop()
                assert (await client.get("/readyz")).text == "not ready: the daemon is stopping\n"
            await started.stopped.wait()


async def test_an_authority_that_cannot_be_read_is_an_error_at_the_start(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    with pytest.raises(OSError):  # ssl.SSLError is one
        await daemon.run(settings(tmp_path, ca_file=bad), system_ports())


async def test_a_second_daemon_on_the_same_state_directory_is_refused(tmp_path: Path, nursery: trio.Nursery) -> None:
    with trio.fail_after(15):
        await nursery.start(daemon.run, settings(tmp_path), system_ports())
        with pytest.raises(StoreRefused, match="another primefixd"):
            await daemon.run(settings(tmp_path), system_ports())


async def test_cursors_and_journal_go_on_over_a_restart(tmp_path: Path) -> None:
    told = []
    for _ in range(2):
        with trio.fail_after(15):
            async with trio.open_nursery() as nursery:
                started = await nursery.start(daemon.run, settings(tmp_path), system_ports())
                async with connect(started.control_urls[0], "token") as client, client.subscribe(from_=0) as events:
                    told.append((events.journal, [await anext(events) for _ in range(3)]))
                    started.stop()
                    await started.stopped.wait()
    (journal, first), (same, second) = told
    assert journal == same and first == second
    assert [event["cursor"] for event in first] == [1, 2, 3]


def test_a_reload_knows_of_every_setting_whether_it_needs_a_restart() -> None:
    followed = {"portfolios", "control"}
    assert {each.name for each in attrs.fields(Settings)} - followed == set(daemon._FIXED)


@pytest.fixture
def slow_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an added portfolio has in the journal takes half a second to read."""
    load = Journal.load

    async def slowly(journal: Journal) -> Stored:
        await trio.sleep(0.5)
        return await load(journal)

    monkeypatch.setattr(Journal, "load", slowly)


async def test_every_portfolio_may_be_replaced_while_the_manager_is_told(
    tmp_path: Path, nursery: trio.Nursery, slow_journal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "STEP_S", 0.02)  # the status is looked at while there is no portfolio at all
    first = of(("p",), settings(tmp_path))
    with trio.fail_after(15):
        started = await nursery.start(daemon.run, first, system_ports())
        assert await started.reload(of(("q",), first)) is None
        assert list(started.desk.portfolios) == ["q"]
        nursery.cancel_scope.cancel()


async def test_a_reload_that_is_under_way_when_the_stop_comes_is_finished_and_stopped_with_the_rest(
    tmp_path: Path, slow_journal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, stopped, told = Portfolio.stop, [], []

    async def noticed(portfolio: Portfolio) -> None:
        stopped.append(portfolio.name)
        await stop(portfolio)

    monkeypatch.setattr(Portfolio, "stop", noticed)
    first = of(("p",), settings(tmp_path))
    with trio.fail_after(15):
        async with trio.open_nursery() as nursery:
            started = await nursery.start(daemon.run, first, system_ports())

            async def reload() -> None:
                told.append(await started.reload(of(("p", "q"), first)))

            nursery.start_soon(reload)
            await trio.sleep(0.1)
            started.stop()
            await started.stopped.wait()
    assert told == [None] and sorted(stopped) == ["p", "q"]


@pytest.mark.parametrize("after_s", [0.0, 0.005, 0.15])
@pytest.mark.parametrize(("names", "more_sessions"), [(("p", "q"), ()), (("q",), ()), (("p",), ("another",))])
async def test_nothing_is_reloaded_from_the_stop_on(
    tmp_path: Path, after_s: float, names: tuple[str, ...], more_sessions: tuple[str, ...]
) -> None:
    first = of(("p",), settings(tmp_path))
    with trio.fail_after(15):
        async with trio.open_nursery() as nursery:
            started = await nursery.start(daemon.run, first, system_ports())
            started.stop()
            await trio.sleep(after_s)
            assert await started.reload(of(names, first, *more_sessions)) == "nothing: the daemon is stopping"
            await started.stopped.wait()
    assert list(started.desk.portfolios) == ["p"] and len(started.desk.portfolios["p"].session_names) == 1


async def test_nothing_new_is_taken_from_the_stop_on_also_while_the_disk_does_not_answer(
    tmp_path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.fail_after(15):
        started = await nursery.start(daemon.run, settings(tmp_path), system_ports())
        real = started.desk.journal._blocking

        async def slowly(work: object) -> object:
            await trio.sleep(0.5)
            return await real(work)

        monkeypatch.setattr(started.desk.journal, "_blocking", slowly)
        started.stop()
        await trio.sleep(0.1)
        (portfolio,) = started.desk.portfolios.values()
        assert portfolio.view().state is PortfolioState.DRAINING
        told = await portfolio.submit(limit(ttl_ms=60_000), "desk")
        assert isinstance(told, Refused) and told.reason is Reason.CLOSED and "stopping" in told.message
        await started.stopped.wait()
