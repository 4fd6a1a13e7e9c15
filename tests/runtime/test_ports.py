"""The real ports: ids, TLS settings, and streams that fail in words."""

import ssl
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
import trio
import trustme

from primefixd.clock import Moment
from primefixd.runtime.ports import open_stream, tls_for, uuid7
from primefixd.runtime.settings import VenueSettings
from tests.support.scripted import BEGIN


def test_ids_are_uuid_version_7_and_sort_by_time() -> None:
    ids = [uuid7(Moment(0.0, BEGIN).later(n / 1000)) for n in range(100)]
    assert ids == sorted(ids) and len(set(ids)) == 100
    assert all(UUID(each).version == 7 and UUID(each).variant == "specified in RFC 4122" for each in ids)
    assert int(UUID(ids[0]).hex[:12], 16) == int(BEGIN.timestamp() * 1000)


def test_tls_is_at_least_1_2_and_verifies_name_and_chain() -> None:
    tls = tls_for(VenueSettings(host="h", port=1))
    assert tls.minimum_version is ssl.TLSVersion.TLSv1_2
    assert tls.check_hostname and tls.verify_mode is ssl.CERT_REQUIRED


async def test_tls_accepts_a_given_authority_and_refuses_another_name_or_authority(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    for name, each in (("ours.pem", authority), ("other.pem", stranger)):
        each.cert_pem.write_to_path(tmp_path / name)

    async def serve(stream: trio.SocketStream) -> None:
        with trio.move_on_after(5):
            try:
                await trio.SSLStream(stream, server, server_side=True).do_handshake()
            except trio.BrokenResourceError:
                return

    listeners = await nursery.start(partial(trio.serve_tcp, host="127.0.0.1"), serve, 0)
    port = listeners[0].socket.getsockname()[1]

    def venue(ca: str, name: str | None = None) -> VenueSettings:
        return VenueSettings(host="127.0.0.1", port=port, ca_file=str(tmp_path / ca), server_name=name)

    stream = await open_stream(venue("ours.pem", "localhost"))
    await trio.aclose_forcefully(stream)
    for wrong in (venue("ours.pem"), venue("other.pem", "localhost")):
        with pytest.raises(trio.BrokenResourceError) as caught:
            await open_stream(wrong)
        assert isinstance(caught.value.__cause__, ssl.SSLCertVerificationError)
    nursery.cancel_scope.cancel()
