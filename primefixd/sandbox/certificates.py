"""The sandbox's own certificate authority and server certificate, and the TLS that it serves with.

Made once under the state directory, so that clients go on trusting it; never for anything but the imitation.
"""

import os
import ssl
from pathlib import Path

import trustme
from attrs import frozen

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")


@frozen
class Certificates:
    """Paths of the CA (for clients), the server's chain and its key (for the server)."""

    ca_file: Path
    cert_chain_file: Path
    key_file: Path


def make_certificates(directory: Path, host: str) -> Certificates:
    """The certificates in `directory`, good for `host` (a name or an address) and for the loopback.

    They are made if a client that trusts the CA could not connect with those that are there (absent, expired, for
    another host, of different making). Files are 0600. Raises OSError when the directory cannot be written.
    """
    made = Certificates(directory / "sandbox-ca.pem", directory / "sandbox-chain.pem", directory / "sandbox-key.pem")
    if not _usable(made, host):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        authority = trustme.CA(organization_name="primefixd sandbox")
        server = authority.issue_cert(*dict.fromkeys((host, *LOOPBACK_NAMES)))
        _write(made.ca_file, authority.cert_pem.bytes())
        _write(made.key_file, server.private_key_pem.bytes())
        _write(made.cert_chain_file, b"".join(blob.bytes() for blob in server.cert_chain_pems))
    return made


def server_tls(certificates: Certificates) -> ssl.SSLContext:
    """TLS 1.2 or newer, as the venue's (prime-fix.md section 1). Raises OSError or ssl.SSLError for bad files."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    tls.load_cert_chain(certificates.cert_chain_file, certificates.key_file)
    return tls


def _usable(certificates: Certificates, host: str) -> bool:
    """Whether a handshake with them succeeds, played in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        server = server_tls(certificates).wrap_bio(to_server, to_client, server_side=True)
        trusting = ssl.create_default_context(cafile=certificates.ca_file)
        client = trusting.wrap_bio(to_client, to_server, server_hostname=host)
        while not _shaken(client):
            _shaken(server)
    except OSError:  # an ssl.SSLError, too
        return False
    return True


def _shaken(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
