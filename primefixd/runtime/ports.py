"""The small ports through which the outside comes in: clock, randomness, ids, opening a stream.

This is the only module of the daemon that reads a clock, draws a number or opens a socket, so that all of it can run in
virtual time with simulated faults. It decides nothing.
"""

import os
import random
import ssl
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import UUID

import trio
from attrs import frozen

from primefixd.clock import Clock, Moment
from primefixd.fix.codec import Garbled
from primefixd.fix.message import Message
from primefixd.runtime.settings import VenueSettings
from primefixd.runtime.store import Batch, Stored, StoredEvent, open_store

CONNECT_S = 10.0  # for TCP and TLS together; past it the attempt counts as failed and is retried with back-off

OpenStream = Callable[[VenueSettings], Awaitable[trio.abc.Stream]]
T = TypeVar("T")


class RunBlocking(Protocol):
    """Runs what blocks, the disk above all, aside; under simulation it runs in place, since time stands still then."""

    async def __call__(self, work: Callable[[], T], /) -> T: ...


_FETCH = "if it is the venue's, compare and keep it with `primefixd fetch-certificate` and set venue.ca_file"
_OTHER_NAME = "is for another name ({}); check venue.host, or set venue.server_name to the name that it has"
_UNKNOWN = "is signed by an authority that is not trusted here ({}); check venue.ca_file, and who stands in between"
_CERTIFICATES = {  # by OpenSSL's X509_V_ERR numbers
    9: "is not valid yet; check the clock of this machine",
    10: "has expired; see that it is renewed, fetch it anew if venue.ca_file holds it, and check this machine's clock",
    18: f"is signed by itself and not in venue.ca_file; {_FETCH}",
    19: _UNKNOWN,
    20: _UNKNOWN,
    21: _UNKNOWN,
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}
_OLD_TLS = "the server does not offer TLS 1.2 or newer, as the venue does; check venue.host and what stands in between"
_NO_TLS = "the server does not speak TLS; check venue.port, or set venue.tls to false if a stunnel listens there"
_HANDSHAKES = {  # by OpenSSL's reasons
    "TLSV1_ALERT_PROTOCOL_VERSION": _OLD_TLS,
    "UNSUPPORTED_PROTOCOL": _OLD_TLS,
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,
}


class Storage(Protocol):
    """Where the journal is kept. Each call blocks, and goes through `RunBlocking`; one at a time but for `events`."""

    @property
    def oldest(self) -> int: ...
    def load(self) -> Stored: ...
    def commit(self, batches: Sequence[Batch]) -> None: ...
    def events(self, after: int, most: int) -> list[StoredEvent]: ...
    def compact(self, before: datetime, most: int) -> int: ...
    def close(self) -> None: ...


OpenStore = Callable[[Path, str, datetime], Storage]


class WireLog(Protocol):
    """Is told of all that leaves and comes, by session; never waits and never fails."""

    def sent(self, session: str, data: bytes, at: datetime) -> None: ...
    def received(self, session: str, items: Sequence[Message | Garbled], at: datetime) -> None: ...


class NoWireLog:
    """Keeps nothing."""

    def sent(self, session: str, data: bytes, at: datetime) -> None:
        """Passed over."""

    def received(self, session: str, items: Sequence[Message | Garbled], at: datetime) -> None:
        """Passed over."""


NOT_LOGGED = NoWireLog()


@frozen
class Ports:
    """What the shell needs of the outside. `uniform(a, b)` draws a float, `new_id(now)` makes a UUIDv7 text.

    `mask` takes the configured secrets out of a text of the venue's: it may repeat what it was shown.
    """

    clock: Clock
    uniform: Callable[[float, float], float]
    new_id: Callable[[Moment], str]
    open_stream: OpenStream
    open_store: OpenStore
    blocking: RunBlocking
    fix_log: WireLog = NOT_LOGGED
    mask: Callable[[str], str] = str


async def in_thread(work: Callable[[], T], /) -> T:
    """`work` in a thread of trio's; a cancelled caller still waits for its end, so that nothing is half done."""
    return await trio.to_thread.run_sync(work)


def system_clock() -> Moment:
    """The present. The monotonic part is trio's, so that waits and stamps agree."""
    return Moment(trio.current_time(), datetime.now(UTC))


def uuid7(now: Moment) -> str:
    """A UUID version 7 (RFC 9562 section 5.7): 48 bits of Unix milliseconds, then randomness."""
    number = int.from_bytes(os.urandom(16)) & ~(0xFFFFFFFFFFFF << 80)
    number |= (int(now.utc.timestamp() * 1000) & 0xFFFFFFFFFFFF) << 80
    number = number & ~(0xF << 76) | 7 << 76
    return str(UUID(int=number & ~(3 << 62) | 2 << 62))


def tls_for(venue: VenueSettings) -> ssl.SSLContext:
    """TLS 1.2 or newer, chain and name verified (prime-fix.md section 1).

    A `ca_file` replaces the system's roots; its certificates are trust anchors even when they are not roots.
    Raises OSError or ssl.SSLError when `ca_file` cannot be used.
    """
    tls = ssl.create_default_context(cafile=venue.ca_file)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if venue.ca_file is not None:
        tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return tls


async def open_stream(venue: VenueSettings) -> trio.abc.Stream:
    """A connected stream to the venue, TLS done, or plain for a local stunnel.

    Raises OSError, ssl.SSLError (as trio.BrokenResourceError) or trio.TooSlowError.
    """
    with trio.fail_after(CONNECT_S):
        tcp = await trio.open_tcp_stream(venue.host, venue.port)
        if not venue.tls:
            return tcp
        stream = trio.SSLStream(tcp, tls_for(venue), server_hostname=venue.server_name or venue.host)
        try:
            await stream.do_handshake()
        except BaseException:
            await trio.aclose_forcefully(tcp)
            raise
        return stream


@frozen
class Connected:
    """What TLS to the venue came to, in OpenSSL's names; `certificate` is the venue's own, in DER."""

    tls_version: str
    cipher: str
    certificate: bytes


async def describe(venue: VenueSettings) -> Connected | None:
    """Connect as `open_stream` does, raising as it does, say nothing, and close; None where TLS is a stunnel's."""
    stream = await open_stream(venue)
    try:
        if not isinstance(stream, trio.SSLStream):
            return None
        return Connected(stream.version(), stream.cipher()[0], stream.getpeercert(binary_form=True))
    finally:
        await trio.aclose_forcefully(stream)


def certificate_until(stream: trio.abc.Stream) -> datetime | None:
    """Until when the certificate is good that the peer of this connection showed; None where TLS is not ours."""
    told = stream.getpeercert() if isinstance(stream, trio.SSLStream) else None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(told["notAfter"]), UTC) if told else None


def connect_error_in_words(error: BaseException) -> str:
    """Why `open_stream` failed: trio wraps the TLS library's own words, and several addresses into a group."""
    cause = error.__cause__ or error
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    match cause:
        case ssl.SSLCertVerificationError():
            otherwise = "was not accepted ({}); check venue.ca_file and venue.host"
            words = _CERTIFICATES.get(cause.verify_code, otherwise).format(cause.verify_message.rstrip("."))
            return f"the server's certificate {words}"
        case ssl.SSLError() if cause.reason in _HANDSHAKES:
            return _HANDSHAKES[cause.reason]
        case ssl.SSLError():
            said = (cause.reason or "handshake failed").replace("_", " ").lower()
            return f"TLS failed ({said}); check that the port speaks TLS 1.2 or newer"
        case OSError() if cause.errno is not None and cause.errno > 0:
            return os.strerror(cause.errno)
        case OSError() if cause.strerror:  # the resolver has numbers and words of its own
            return cause.strerror
    return f"{cause}" or type(cause).__name__


def system_ports() -> Ports:
    """The real world."""
    return Ports(
        clock=system_clock,
        uniform=random.uniform,
        new_id=uuid7,
        open_stream=open_stream,
        open_store=open_store,
        blocking=in_thread,
    )
