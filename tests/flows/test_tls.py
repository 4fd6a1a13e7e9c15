"""TLS fails closed: whatever is wrong with the server, not a byte of a Logon leaves, and the words say what to do.

The server here takes TLS apart by hand, so that it sees everything: the records as they come, and what they decrypt to.
"""

import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from primefixd.client import connect
from primefixd.control import render
from primefixd.dispatch.calendar import Schedule
from primefixd.runtime.feed import Feed
from primefixd.runtime.journal import Journal
from primefixd.runtime.portfolio import Portfolio
from primefixd.runtime.ports import system_clock, system_ports
from primefixd.runtime.settings import ReconcileSettings, VenueSettings
from primefixd.runtime.shared import Shared
from tests.support.scripted import settings
from tests.support.storage import MemoryStore, in_place
from tests.support.world import TOKEN, World, configuration

WAIT_S = 20.0
CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION = 20, 21, 22, 23
SEALED_ALERT_BYTES = 19  # TLS 1.3 seals an alert's two bytes as if they were application bytes: type and tag beside
NAME = "venue.test"
OLD = datetime(2020, 1, 1, tzinfo=UTC)


class Spy:
    """A TLS server on a real socket. `wire`: what the first caller sent; `heard`: what was decrypted of all callers."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        self.wire: bytes | None = None
        self.heard = b""
        self.hung_up = trio.Event()  # by the first caller

    async def serve(self, stream: trio.SocketStream) -> None:
        first = self.wire is None
        if first:
            self.wire = b""
        inward, outward = ssl.MemoryBIO(), ssl.MemoryBIO()
        if self._tls is None:
            outward.write(b"8=FIX.4.2\x019=5\x01this is no TLS\x01")
        tls = self._tls and self._tls.wrap_bio(inward, outward, server_side=True)
        while data := await _read(stream):
            self.wire = (self.wire or b"") + (data if first else b"")
            inward.write(data)
            with suppress(ssl.SSLError):  # it wants more, or the caller's alert came, or TLS is not new enough
                while tls and (decrypted := tls.read()):
                    self.heard += decrypted
            with suppress(trio.BrokenResourceError):  # the caller has gone
                await stream.send_all(outward.read())
        if first:
            self.hung_up.set()

    def records(self) -> list[tuple[int, int]]:
        """Type and length of each TLS record of the first caller."""
        found, at, wire = [], 0, self.wire or b""
        while at < len(wire):
            found.append((wire[at], int.from_bytes(wire[at + 3 : at + 5])))
            at += 5 + found[-1][1]
        assert at == len(wire), "something that is no TLS record came"
        return found

    async def heard_only_a_handshake(self) -> bool:
        """Once the first caller has hung up: records of handshakes and alerts were all that ever came."""
        with trio.fail_after(WAIT_S):
            await self.hung_up.wait()
        kinds = [kind for kind, _ in self.records()]
        sealed = [length for kind, length in self.records() if kind == APPLICATION]
        plain = kinds[0] == HANDSHAKE and set(kinds) <= {CHANGE_CIPHER, ALERT, HANDSHAKE, APPLICATION}
        return plain and sealed in ([], [SEALED_ALERT_BYTES]) and self.heard == b""


async def _read(stream: trio.SocketStream) -> bytes:
    try:
        return bytes(await stream.receive_some(65_536))
    except trio.BrokenResourceError:
        return b""


def server_tls(chain: bytes, key: bytes, folder: Path, newest: ssl.TLSVersion) -> ssl.SSLContext:
    (folder / "server.pem").write_bytes(chain + key)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "server.pem")
    if newest < ssl.TLSVersion.TLSv1_2:
        tls.set_ciphers("ALL:@SECLEVEL=0")
        tls.minimum_version = ssl.TLSVersion.TLSv1
    tls.maximum_version = newest
    return tls


def issued(authority: trustme.CA, name: str = NAME, **times: datetime) -> tuple[bytes, bytes]:
    leaf = authority.issue_cert(name, **times)
    return b"".join(pem.bytes() for pem in leaf.cert_chain_pems), leaf.private_key_pem.bytes()


def signed_by_itself() -> tuple[bytes, bytes]:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return made.public_bytes(serialization.Encoding.PEM), key.private_bytes(serialization.Encoding.PEM, form, plain)


Listen = Callable[[Spy], Awaitable[int]]


@pytest.fixture
def listen(nursery: trio.Nursery) -> Listen:
    """Starts the spy; the port it listens on."""

    async def start(spy: Spy) -> int:
        listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), spy.serve, 0)
        return int(listeners[0].socket.getsockname()[1])

    return start


def far_from_now() -> Schedule:
    """A window that no test meets: half a day away."""
    hour = (datetime.now(UTC) + timedelta(hours=12)).hour
    return Schedule(zone="UTC", start=time(hour), end=time(hour, 5))


async def last_error(nursery: trio.Nursery, venue: VenueSettings) -> str | None:
    """What a session with real ports says after its first attempt; None once it waits for the Logon's answer."""
    store = MemoryStore()
    shared = Shared(
        journal=Journal(store, store.load(), Feed(), render.told, in_place, system_clock),
        ports=system_ports(),
        venue=venue,
        schedule=far_from_now(),
        quiet_ask_s=2.0,
        reconcile=ReconcileSettings(),
        accounts={},
    )
    portfolio = Portfolio(settings("a"), shared)
    nursery.start_soon(portfolio.run)
    with trio.fail_after(WAIT_S):
        while (view := portfolio.sessions()[0]).last_error is None:
            if view.sent:
                return None
            await trio.sleep(0.01)
    return view.last_error


ours, stranger = trustme.CA(), trustme.CA()
newest_versions = pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
CASES = {
    "wrong host name": (
        lambda: issued(ours, "other.test"),
        "is for another name (Hostname mismatch, certificate is not valid for 'venue.test'); "
        "check venue.host, or set venue.server_name to the name that it has",
    ),
    "unknown authority": (
        lambda: issued(stranger),
        "is signed by an authority that is not trusted here (unable to get local issuer certificate); "
        "check venue.ca_file, and who stands in between",
    ),
    "expired": (
        lambda: issued(ours, not_before=OLD, not_after=OLD + timedelta(days=90)),
        "has expired; see that it is renewed, fetch it anew if venue.ca_file holds it, and check this machine's clock",
    ),
    "not valid yet": (
        lambda: issued(ours, not_before=datetime.now(UTC) + timedelta(days=9)),
        "is not valid yet; check the clock of this machine",
    ),
    "signed by itself": (
        signed_by_itself,
        "is signed by itself and not in venue.ca_file; "
        "if it is the venue's, compare and keep it with `primefixd fetch-certificate` and set venue.ca_file",
    ),
}


@newest_versions
@pytest.mark.parametrize("case", CASES)
async def test_a_certificate_that_is_not_the_venues_gets_no_logon(
    case: str, newest: ssl.TLSVersion, tmp_path: Path, nursery: trio.Nursery, listen: Listen
) -> None:
    certificate, words = CASES[case]
    spy = Spy(server_tls(*certificate(), tmp_path, newest))
    port = await listen(spy)
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    venue = VenueSettings(host="127.0.0.1", port=port, server_name=NAME, ca_file=str(tmp_path / "ca.pem"))
    error = await last_error(nursery, venue)
    assert error == f"cannot connect to 127.0.0.1:{port}: the server's certificate {words}"
    assert await spy.heard_only_a_handshake()
    nursery.cancel_scope.cancel()


async def test_without_a_ca_file_only_the_systems_authorities_count(
    tmp_path: Path, nursery: trio.Nursery, listen: Listen
) -> None:
    spy = Spy(server_tls(*issued(ours), tmp_path, ssl.TLSVersion.TLSv1_3))
    error = await last_error(nursery, VenueSettings(host="127.0.0.1", port=await listen(spy), server_name=NAME))
    assert error is not None and "is signed by an authority that is not trusted here" in error
    assert await spy.heard_only_a_handshake()
    nursery.cancel_scope.cancel()


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_a_server_of_old_tls_gets_no_logon(
    newest: ssl.TLSVersion, tmp_path: Path, nursery: trio.Nursery, listen: Listen
) -> None:
    spy = Spy(server_tls(*issued(ours), tmp_path, newest))
    port = await listen(spy)
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    venue = VenueSettings(host="127.0.0.1", port=port, server_name=NAME, ca_file=str(tmp_path / "ca.pem"))
    error = await last_error(nursery, venue)
    assert error == (
        f"cannot connect to 127.0.0.1:{port}: the server does not offer TLS 1.2 or newer, as the venue does; "
        "check venue.host and what stands in between"
    )
    assert await spy.heard_only_a_handshake()
    nursery.cancel_scope.cancel()


async def test_a_server_without_tls_gets_no_logon(nursery: trio.Nursery, listen: Listen) -> None:
    spy = Spy(None)
    port = await listen(spy)
    error = await last_error(nursery, VenueSettings(host="127.0.0.1", port=port, server_name=NAME))
    assert error == (
        f"cannot connect to 127.0.0.1:{port}: the server does not speak TLS; "
        "check venue.port, or set venue.tls to false if a stunnel listens there"
    )
    assert await spy.heard_only_a_handshake()
    nursery.cancel_scope.cancel()


@newest_versions
@pytest.mark.parametrize("kept", ["authority", "certificate alone", "certificate signed by itself"])
async def test_the_venues_own_certificate_gets_the_logon_sealed(
    kept: str, newest: ssl.TLSVersion, tmp_path: Path, nursery: trio.Nursery, listen: Listen
) -> None:
    """What the spy would see if anything above leaked."""
    chain, key = signed_by_itself() if kept == "certificate signed by itself" else issued(ours)
    spy = Spy(server_tls(chain, key, tmp_path, newest))
    (tmp_path / "ca.pem").write_bytes(ours.cert_pem.bytes() if kept == "authority" else chain)
    venue = VenueSettings(host="127.0.0.1", port=await listen(spy), server_name=NAME, ca_file=str(tmp_path / "ca.pem"))
    assert await last_error(nursery, venue) is None
    with trio.fail_after(WAIT_S):
        while b"35=A" not in spy.heard:
            await trio.sleep(0.01)
    assert b"35=A" not in (spy.wire or b"") and max(spy.records())[1] > SEALED_ALERT_BYTES
    nursery.cancel_scope.cancel()


async def test_the_daemon_itself_sends_nothing_to_a_stranger_and_says_why(
    tmp_path: Path, nursery: trio.Nursery, listen: Listen
) -> None:
    spy = Spy(server_tls(*issued(stranger, "127.0.0.1"), tmp_path, ssl.TLSVersion.TLSv1_3))
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    made = World(tmp_path, configuration(tmp_path, sessions=2, venue_port=await listen(spy)))
    try:
        await made.start_daemon()
        async with connect(made.url, TOKEN) as desk:
            with trio.fail_after(WAIT_S):
                while not all(each["last_error"] for each in await desk.sessions()):
                    await trio.sleep(0.05)
            sessions = await desk.sessions()
        assert all("authority that is not trusted here" in each["last_error"] for each in sessions)
        assert [each["sent"] for each in sessions] == [0, 0] and await spy.heard_only_a_handshake()
    finally:
        await made.end("daemon")
    nursery.cancel_scope.cancel()
