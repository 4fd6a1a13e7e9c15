"""Where a server listens: a loopback address, or a Unix socket with the user id of whoever connects."""

import os
import socket  # noqa: TID251  trio binds Unix sockets in a thread, which virtual time would not wait for
import struct
from collections.abc import Sequence
from errno import EADDRINUSE
from pathlib import Path

import trio

from primefixd.websocket.head import Peer, is_loopback

Listener = trio.SocketListener

SOCKET_MODE = 0o660  # the socket's group may connect; who may trade is decided by token or user id
BACKLOG_MAX = 128


async def listen(address: str) -> list[Listener]:
    """Listeners for `HOST:PORT` (loopback only, port 0 takes any free one) or `unix:PATH` (a stale socket is replaced).

    Raises ValueError for any other address, OSError if it is taken or cannot be bound.
    """
    if address.startswith("unix:"):
        return [_listen_unix(Path(address.removeprefix("unix:")))]
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not port.isdecimal() or int(port) > 65535 or not is_loopback(host):
        raise ValueError(f"cannot listen on {address}: give HOST:PORT with a loopback host, or unix:PATH")
    return await trio.open_tcp_listeners(int(port), host=host, backlog=BACKLOG_MAX)


def url_of(listener: Listener) -> str:
    """The URL that a client on this machine connects to."""
    name = listener.socket.getsockname()
    if isinstance(name, str):
        return f"unix:{name}"
    host, port = name[:2]
    return f"ws://[{host}]:{port}" if ":" in host else f"ws://{host}:{port}"


def peer_of(stream: trio.SocketStream) -> Peer:
    """Who is at the other end, as the kernel tells it (SO_PEERCRED: pid, uid, gid)."""
    if stream.socket.family != trio.socket.AF_UNIX:
        return Peer(unix=False)
    credentials = stream.socket.getsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_PEERCRED, 12)
    return Peer(unix=True, uid=struct.unpack("3i", credentials)[1])


def socket_paths(listeners: Sequence[Listener]) -> list[Path]:
    """The files of the Unix sockets among `listeners`, to be removed when they are closed."""
    names = [listener.socket.getsockname() for listener in listeners]
    return [Path(name) for name in names if isinstance(name, str)]


def _listen_unix(path: Path) -> Listener:
    _remove_stale(path)
    unix = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(unix.fileno(), SOCKET_MODE)  # before bind: the file never shows wider rights, not for a moment
        unix.bind(str(path))
        path.chmod(SOCKET_MODE)  # and not narrower ones either, whatever the umask
        unix.listen(BACKLOG_MAX)
        unix.setblocking(False)
    except OSError:
        unix.close()
        raise
    return Listener(trio.socket.from_stdlib_socket(unix))


def _remove_stale(path: Path) -> None:
    """Unlinks a socket that nobody listens on; a living one raises OSError, other files are for bind to refuse."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
        except BlockingIOError:
            raise OSError(EADDRINUSE, f"another process listens on {path}") from None
        else:
            raise OSError(EADDRINUSE, f"another process listens on {path}")
