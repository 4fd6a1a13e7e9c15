"""The imitation of Coinbase Prime, running: its FIX port, its clock, its control port, its REST port.

The one entrance for the command line, the demo and tests. It serves until it is cancelled.
"""

import ssl
from datetime import timedelta
from typing import Never

import trio
from attrs import frozen

from primefixd import http
from primefixd.clock import Clock, Moment
from primefixd.sandbox import control
from primefixd.sandbox.gateway import Gateway
from primefixd.sandbox.settings import SandboxSettings


@frozen
class Running:
    """Where the imitation listens; `control_port` and `rest_port` are None without such a port."""

    fix_port: int
    control_port: int | None
    rest_port: int | None


async def run(
    settings: SandboxSettings,
    tls: ssl.SSLContext | None,
    clock: Clock,
    *,
    task_status: trio.TaskStatus[Running] = trio.TASK_STATUS_IGNORED,
) -> Never:
    """Serves FIX on `settings.host:port`, with TLS or (None) in clear. Raises OSError when a port cannot be had."""
    gateway = Gateway(settings, tls, shifted(clock, settings.clock_offset_s))
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(settings.port, host=settings.host)
        nursery.start_soon(trio.serve_listeners, gateway.converse, listeners)
        nursery.start_soon(gateway.keep_time)
        control_port = rest_port = None
        if settings.control_port is not None:
            control_port = await nursery.start(control.serve, gateway, settings.control_port)
        if settings.rest_port is not None:
            rest = await trio.open_tcp_listeners(settings.rest_port, host="127.0.0.1")
            nursery.start_soon(http.serve, gateway.answer_rest, rest)
            rest_port = port_of(rest[0])
        task_status.started(Running(port_of(listeners[0]), control_port, rest_port))
    raise AssertionError("the listeners never end by themselves")


def shifted(clock: Clock, offset_s: float) -> Clock:
    """The same clock with its UTC off by that many seconds; its monotonic part stays."""
    offset = timedelta(seconds=offset_s)

    def read() -> Moment:
        moment = clock()
        return Moment(moment.mono, moment.utc + offset)

    return read


def port_of(listener: trio.SocketListener) -> int:
    """The TCP port that a listener got."""
    return int(listener.socket.getsockname()[1])
