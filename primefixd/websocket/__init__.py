"""WebSockets for the control plane and the sandbox: the only package that knows trio-websocket.

It accepts and connects, keeps connections alive, and keeps one peer's junk from anybody else: the library never sees a
byte of a handshake that was not judged here first, a crash in its tasks ends that connection only, and a send that had
to be given up cuts the connection instead of leaving half a frame. It knows nothing of JSON, orders or rights.
"""

from primefixd.websocket.connecting import connect
from primefixd.websocket.connection import Closed, Connection, HandshakeFailed
from primefixd.websocket.head import Head, Peer, Rejection, is_loopback, is_loopback_host
from primefixd.websocket.listening import Listener, listen, url_of
from primefixd.websocket.nursery import background
from primefixd.websocket.serving import ServerLimits, serve

__all__ = [
    "Closed",
    "Connection",
    "HandshakeFailed",
    "Head",
    "Listener",
    "Peer",
    "Rejection",
    "ServerLimits",
    "background",
    "connect",
    "is_loopback",
    "is_loopback_host",
    "listen",
    "serve",
    "url_of",
]
