"""Certificates in words, and `primefixd fetch-certificate`: the chain that a server sends.

Python's own TLS shows a chain publicly only from 3.13 on, and the server's certificate alone before; so the program
`openssl` is asked. What it fetches is not verified: it is what a server says, to be looked at.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address

import click
from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from primefixd.cli.output import Failure, say, warn

FETCH_S = 10.0  # for openssl altogether; then it is ended, and what it has printed is not used
_PLACE = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9][A-Za-z0-9.-]{0,252})):([0-9]{1,5})")
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_ERROR = re.compile(r"^[0-9A-F]+:error:[^:]*:[^:]*:[^:]*:([^:\n]+):.*?:[0-9]+:(.*)", re.MULTILINE)


class NoChain(Exception):
    """The chain could not be had; the text says why and what to do."""


@frozen
class Certificate:
    """One certificate in words; times are aware UTC, `sha256` is the fingerprint in hexadecimal."""

    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    sha256: str
    der: bytes = field(repr=False)

    @property
    def pem(self) -> str:
        return x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM).decode().strip()

    def words(self) -> str:
        names = f", for {', '.join(self.names)}" if self.names else ""
        return f"{self.subject}{names}; issued by {self.issuer}; expires {self.not_after:%Y-%m-%d %H:%M} UTC"


def in_words(der: bytes) -> Certificate:
    """Raises NoChain for what is no certificate that can be read."""
    try:
        read = x509.load_der_x509_certificate(der)
        return Certificate(
            subject=read.subject.rfc4514_string() or "(no subject)",
            issuer=read.issuer.rfc4514_string() or "(no issuer)",
            names=_names(read),
            not_before=read.not_valid_before_utc,
            not_after=read.not_valid_after_utc,
            sha256=read.fingerprint(SHA256()).hex(),
            der=der,
        )
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType) as error:
        raise NoChain(f"a certificate cannot be read: {error}; look at it with openssl") from None


def _names(read: x509.Certificate) -> tuple[str, ...]:
    try:
        names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    addresses = names.get_values_for_type(x509.IPAddress)
    return (*names.get_values_for_type(x509.DNSName), *map(str, addresses))


def fetch(host: str, port: int, server_name: str | None = None) -> tuple[Certificate, ...]:
    """The chain that the server sends, its own certificate first; raises NoChain."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    program = shutil.which("openssl")
    if program is None:
        raise NoChain("a chain is fetched with the program openssl, which is not installed; install it")
    name = server_name or host
    asked = ("-noservername",) if _is_address(name) else ("-servername", name)
    command = [program, "s_client", "-showcerts", "-connect", where, *asked]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=FETCH_S, check=False)
    except subprocess.TimeoutExpired:
        raise NoChain(f"{where} sent no certificate within {FETCH_S:.0f} s; check that it is a TLS port") from None
    except OSError as error:
        raise NoChain(f"cannot run {program}: {os.strerror(error.errno or 0)}; install openssl") from None
    found = _PEM.findall(done.stdout.decode("ascii", "replace"))
    if not found:
        raise NoChain(f"{where} sent no certificate: {_why(done.stderr)}; check address and port")
    return tuple(in_words(_der(pem)) for pem in found)


def _der(pem: str) -> bytes:
    try:
        return x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError as error:
        raise NoChain(f"a certificate cannot be read: {error}; look at it with openssl") from None


def _why(stderr: bytes) -> str:
    """OpenSSL's first reason; that of the resolver stands at the end of its line."""
    found = _ERROR.search(stderr.decode("utf-8", "replace"))
    if found is None:
        return "the connection ended"
    return found[2] if found[1] == "system lib" else found[1]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@click.command(
    "fetch-certificate", epilog="Example: primefixd fetch-certificate fix.prime.coinbase.com:4198 > venue.pem"
)
@click.argument("place", metavar="HOST:PORT")
def fetch_certificate(place: str) -> None:
    """Print the certificate chain of the TLS server at HOST:PORT as PEM, and what is in it on stderr.

    The chain is shown as the server sends it, its own certificate first. Nothing verifies it here: before it is used
    as `venue.ca_file`, compare a fingerprint with one from elsewhere. It takes the program openssl.
    """
    found = _PLACE.fullmatch(place)
    if found is None or not 1 <= int(found[3]) <= 65535:
        raise click.UsageError(f"{place} is no HOST:PORT, such as fix.prime.coinbase.com:4198")
    try:
        chain = fetch(found[1] or found[2], int(found[3]))
    except NoChain as error:
        raise Failure(str(error)) from None
    for certificate in chain:
        say(certificate.pem)
    warn(*_summary(chain))


def _summary(chain: Sequence[Certificate]) -> list[str]:
    return [f"certificate {number}: {each.words()}; SHA-256 {each.sha256}" for number, each in enumerate(chain, 1)]
