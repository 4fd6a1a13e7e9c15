"""What `primefixd check --connect` finds at the venue: TLS as the daemon opens it, and the certificates behind it.

It logs nobody on: a true Logon could end a running daemon's session, and would be handed the reports that wait for one.
The clock is read off the answer to a Logon without credentials, which the venue must refuse (prime-fix.md section 2).
"""

import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta

import trio
from attrs import frozen

from primefixd.cli.certificates import Certificate, NoChain, fetch, in_words
from primefixd.fix.events import Ended
from primefixd.fix.session import Role, Session, SessionSettings
from primefixd.prime.venue import TARGET_COMP_ID
from primefixd.runtime.link import CLOCK_REFUSE_S
from primefixd.runtime.ports import (
    CONNECT_S,
    Connected,
    connect_error_in_words,
    describe,
    open_stream,
    system_clock,
)
from primefixd.runtime.settings import VenueSettings

EXPIRY_WARNING_DAYS = 21
ANSWER_S = 10.0  # for the venue to refuse the Logon; then its clock is unknown
READ_BYTES_MAX = 65_536


@frozen
class Probed:
    """`refusal` is a sentence, None where the daemon could log on; `chain` as far as it could be had."""

    venue: VenueSettings
    connected: Connected | None
    refusal: str | None
    host_verified: bool | None
    chain: tuple[Certificate, ...]
    warnings: tuple[str, ...]
    now: datetime
    clock_offset_ms: float | None

    def pairs(self) -> Iterator[tuple[str, object]]:
        """For people."""
        yield "venue", f"{self.venue.host}:{self.venue.port}"
        yield "TLS", self._tls()
        yield "host name", self._host_name()
        for number, certificate in enumerate(self.chain, 1):
            yield f"certificate {number}", f"{certificate.words()} ({_left(certificate, self.now)})"
        if self.refusal is None:
            offset = "unknown: the venue ended the connection without a word"
            yield "clock offset", offset if self.clock_offset_ms is None else f"{self.clock_offset_ms} ms"

    def document(self) -> dict[str, object]:
        """For programs. `clock_offset_ms` is the venue's clock less ours, null if it gave no answer."""
        return {
            "venue": f"{self.venue.host}:{self.venue.port}",
            "refusal": self.refusal,
            "tls": self.venue.tls,
            "tls_version": self.connected and self.connected.tls_version,
            "cipher": self.connected and self.connected.cipher,
            "host_verified": self.host_verified,
            "chain": [_document(certificate, self.now) for certificate in self.chain],
            "clock_offset_ms": self.clock_offset_ms,
        }

    def _tls(self) -> str | None:
        if not self.venue.tls:
            return "none from here; the stunnel at that address verifies the venue"
        return f"{self.connected.tls_version}, {self.connected.cipher}" if self.connected else None

    def _host_name(self) -> str | None:
        if self.host_verified is None:
            return None
        return f"{_name(self.venue)}, {'verified' if self.host_verified else 'not in the certificate'}"


def probe(venue: VenueSettings, service_account_id: str) -> Probed:
    """Connect as the daemon would, once more for the clock, and with openssl for the chain; at most some 40 s."""
    now, connected, error = trio.run(_attempt, venue)
    chain: tuple[Certificate, ...] = ()
    warnings: list[str] = []
    untrusted = isinstance(error and error.__cause__, ssl.SSLCertVerificationError)
    if connected is not None or untrusted:
        try:
            chain = _chain(venue, connected)
        except NoChain as failed:
            warnings.append(f"the whole chain is not shown: {failed}")
            chain = (in_words(connected.certificate),) if connected else ()
    warnings += (warning for certificate in chain for warning in _expiry_warnings(certificate, now))
    refusal = _refusal(venue, error) if error else None
    offset_ms = None if error else trio.run(_clock_offset_ms, venue, service_account_id)
    if offset_ms is not None and abs(offset_ms) >= CLOCK_REFUSE_S * 1000:
        warnings.append("this machine's clock is off: new orders will be refused until it is right")
    verified = _host_verified(connected, error)
    return Probed(venue, connected, refusal, verified, chain, tuple(warnings), now, offset_ms)


async def _clock_offset_ms(venue: VenueSettings, service_account_id: str) -> float | None:
    settings = SessionSettings(
        role=Role.INITIATOR,
        sender_comp_id=service_account_id,
        target_comp_id=TARGET_COMP_ID,
        sending_time_tolerance_s=None,
    )
    session = Session(settings)
    with trio.move_on_after(ANSWER_S), suppress(OSError, trio.BrokenResourceError, trio.TooSlowError):
        stream = await open_stream(venue)
        try:
            await stream.send_all(session.logon((), system_clock()).data)
            while received := await stream.receive_some(READ_BYTES_MAX):
                if any(isinstance(event, Ended) for event in session.receive(bytes(received), system_clock())):
                    break
        finally:
            await trio.aclose_forcefully(stream)
    offset_s = session.clock_offset_s
    return None if offset_s is None else round(offset_s * 1000, 1)


async def _attempt(venue: VenueSettings) -> tuple[datetime, Connected | None, Exception | None]:
    try:
        return system_clock().utc, await describe(venue), None
    except (OSError, trio.BrokenResourceError, trio.TooSlowError) as error:
        return system_clock().utc, None, error


def _chain(venue: VenueSettings, connected: Connected | None) -> tuple[Certificate, ...]:
    """Led by the certificate that the daemon's own connection was shown, where there is one."""
    chain = fetch(venue.host, venue.port, venue.server_name)
    if connected is not None and chain[0].der != connected.certificate:
        raise NoChain("the venue shows different certificates to different connections; try again")
    return chain


def _host_verified(connected: Connected | None, error: Exception | None) -> bool | None:
    """None where it did not come to that: TLS checks the chain first."""
    if connected is not None:
        return True
    cause = error and error.__cause__
    return False if isinstance(cause, ssl.SSLCertVerificationError) and _is_mismatch(cause) else None


def _is_mismatch(error: ssl.SSLCertVerificationError) -> bool:
    return error.verify_code in (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH


def _refusal(venue: VenueSettings, error: Exception) -> str:
    where = f"{venue.host}:{venue.port}"
    if isinstance(error, trio.TooSlowError):
        return f"{where} did not answer within {CONNECT_S:.0f} s; check the network, venue.host and venue.port"
    return f"cannot connect to {where}: {connect_error_in_words(error)}"


def _expiry_warnings(certificate: Certificate, now: datetime) -> Iterator[str]:
    if certificate.not_after - now <= timedelta(days=EXPIRY_WARNING_DAYS):
        advice = "see that the venue renews it, and fetch it anew if venue.ca_file holds it"
        yield f"venue: the certificate {certificate.subject} {_left(certificate, now)}; {advice}"


def _left(certificate: Certificate, now: datetime) -> str:
    left = certificate.not_after - now
    if left.total_seconds() <= 0:
        return f"expired on {certificate.not_after:%Y-%m-%d}"
    return f"expires in {left.days} d" if left.days else "expires within a day"


def _document(certificate: Certificate, now: datetime) -> dict[str, object]:
    return {
        "subject": certificate.subject,
        "issuer": certificate.issuer,
        "names": certificate.names,
        "not_before": certificate.not_before.isoformat(),
        "not_after": certificate.not_after.isoformat(),
        "expires_in_days": (certificate.not_after - now).days,
        "sha256": certificate.sha256,
    }


def _name(venue: VenueSettings) -> str:
    return venue.server_name or venue.host
