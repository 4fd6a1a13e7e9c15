"""The listener for monitoring: three addresses to read, and nothing that changes anything.

It needs no token, since it says nothing that is secret or names an order; it is on the loopback only, and a page in a
browser cannot reach it (http.door).
"""

from collections.abc import Mapping
from functools import partial
from typing import Never

import trio
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.process_collector import ProcessCollector

from primefixd import http, websocket
from primefixd.http import Answer
from primefixd.metrics.collecting import DeskCollector
from primefixd.metrics.health import Lag, unready
from primefixd.metrics.settings import MetricsSettings
from primefixd.runtime.desk import Desk

_PLACES = "/metrics, /healthz and /readyz"


async def serve(
    settings: MetricsSettings,
    desk: Desk,
    stopping: trio.Event,
    *,
    task_status: trio.TaskStatus[str] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Serves `desk` until cancelled; reports HOST:PORT, with the port that was taken. Raises OSError.

    `stopping` is set once the daemon ends: it is not ready any more.
    """
    listeners = await websocket.listen(settings.listen)
    lag = Lag(desk.clock)
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DeskCollector(desk, lag, stopping))
    ProcessCollector(registry=registry)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lag.watch)
        respond = http.guarded(partial(_respond, registry, lag, desk, stopping))
        nursery.start_soon(http.serve, respond, listeners)
        task_status.started(websocket.url_of(listeners[0]).removeprefix("ws://"))
    raise AssertionError("the server does not end by itself")


def _respond(
    registry: CollectorRegistry,
    lag: Lag,
    desk: Desk,
    stopping: trio.Event,
    _method: str,
    target: str,
    _headers: Mapping[str, str],
) -> Answer:
    match target.partition("?")[0]:
        case "/metrics":
            return Answer(200, generate_latest(registry), CONTENT_TYPE_LATEST)  # type: ignore[no-untyped-call]
        case "/healthz":
            return _told(lag.starving(), "alive")
        case "/readyz":
            return _told(unready(desk, stopping), "ready")
        case _:
            return http.refused(404, f"There is nothing here; look at {_PLACES}.")


def _told(why_not: str | None, good: str) -> Answer:
    line = good if why_not is None else f"not {good}: {' '.join(why_not.split())}"
    return Answer(200 if why_not is None else 503, f"{line}\n".encode(), "text/plain; charset=utf-8")
