"""The head of an opening handshake: parse it, judge it, and compose the clean one that the library gets to see.

Pure: bytes in, values out. The library's own reader raises on bytes that are not ASCII in Host or in an extension
header, hangs on a request that it cannot use, checks neither Host nor Origin and reports no Host; so nothing that a
stranger wrote reaches it. RFC 6455 section 4.2.1 says what a request must carry.
"""

import re
from base64 import b64decode
from collections.abc import Collection
from http import HTTPStatus
from ipaddress import ip_address

from attrs import field, frozen

HEAD_MAX_BYTES = 8 * 1024  # a longer head is answered 431
HEAD_END = b"\r\n\r\n"

_TOKEN = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_REQUEST_LINE = re.compile(rf"({_TOKEN}) ([!-~]+) HTTP/1\.1")
_HEADER_LINE = re.compile(rf"({_TOKEN}):[ \t]*([ -~\t]*?)[ \t]*")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z.\-]+)(?::\d{0,5})?")
_ONCE = frozenset({"host", "origin", "authorization", "upgrade", "sec-websocket-key", "sec-websocket-version"})


@frozen
class Peer:
    """Who connects: over a Unix socket with the user id that the kernel tells, or over the loopback with None."""

    unix: bool
    uid: int | None = None


@frozen
class Head:
    """One request, header names in lower case. Its headers are not shown by repr: a token may be among them."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    peer: Peer

    def header(self, name: str) -> str | None:
        """The value of the first header called `name` (lower case), or None."""
        return next((value for key, value in self.headers if key == name), None)

    def words(self, name: str) -> list[str]:
        """The comma-separated words of every header called `name`."""
        return [word.strip() for key, value in self.headers if key == name for word in value.split(",")]


@frozen
class Rejection:
    """The handshake is answered with this HTTP status and text, and the connection closed."""

    status: int
    text: str


def parse(data: bytes, peer: Peer) -> Head | Rejection:
    """The head in `data` (its end excluded). Not plain ASCII, a folded line or a doubled header is a Rejection."""
    try:
        first, *lines = data.decode("ascii").split("\r\n")
    except UnicodeDecodeError:
        return Rejection(400, "The request has bytes that are not ASCII.")
    request = _REQUEST_LINE.fullmatch(first)
    if not request:
        return Rejection(400, "This is not an HTTP/1.1 request.")
    headers = []
    for line in lines:
        header = _HEADER_LINE.fullmatch(line)
        if not header:
            return Rejection(400, "A header line is malformed.")
        headers.append((header[1].lower(), header[2]))
    names = [name for name, _ in headers if name in _ONCE]
    if len(names) != len(set(names)):
        return Rejection(400, "A header that may stand once stands twice.")
    return Head(request[1], request[2], tuple(headers), peer)


def refusal(head: Head, origins: Collection[str]) -> Rejection | None:
    """Why `head` may not become a WebSocket here, or None (contract.md section 3, authentication: Host and Origin).

    A web page's requests carry Origin, and after DNS rebinding a Host that is not a loopback name; on a Unix socket
    Host means nothing.
    """
    host, origin, key = head.header("host"), head.header("origin"), head.header("sec-websocket-key")
    if host is None:
        return Rejection(400, "The Host header is missing.")
    if not head.peer.unix and not is_loopback_host(host):
        return Rejection(403, "Host must be a loopback name, such as localhost or 127.0.0.1.")
    if origin is not None and origin not in origins:
        return Rejection(403, "Requests with an Origin are refused unless the configuration lists it.")
    if head.method != "GET" or (head.header("upgrade") or "").lower() != "websocket":
        return Rejection(426, "This port speaks WebSocket only.")
    if "upgrade" not in (word.lower() for word in head.words("connection")):
        return Rejection(400, "The header Connection: Upgrade is missing.")
    if head.header("sec-websocket-version") != "13":
        return Rejection(426, "Only WebSocket version 13 is spoken here.")
    if key is None or not _is_key(key):
        return Rejection(400, "Sec-WebSocket-Key must be 16 bytes in base64.")
    return None


def clean(head: Head, subprotocol: str | None) -> bytes:
    """The same request as the library may see it: no extensions, no credentials, no other words of the peer."""
    offer = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    return (
        "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {head.header('sec-websocket-key')}\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    ).encode("ascii")


def response(rejection: Rejection) -> bytes:
    """The whole HTTP answer for a rejected handshake."""
    body = rejection.text.encode() + b"\n"
    extra = {401: "WWW-Authenticate: Bearer\r\n", 426: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"}
    return (
        f"HTTP/1.1 {rejection.status} {HTTPStatus(rejection.status).phrase}\r\n{extra.get(rejection.status, '')}"
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    ).encode("ascii") + body


def is_loopback(host: str) -> bool:
    """Whether `host` (a name, or an address without brackets) is this machine's loopback, without asking a resolver."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def is_loopback_host(value: str) -> bool:
    """Whether the value of a Host header, with or without a port, names this machine's loopback."""
    host = _HOST.fullmatch(value)
    return host is not None and is_loopback(host[1].strip("[]"))


def _is_key(key: str) -> bool:
    try:
        return len(b64decode(key, validate=True)) == 16
    except ValueError:
        return False
