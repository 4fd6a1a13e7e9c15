"""`primefixd check --connect`: what the venue shows before anybody is logged on, its certificate and its clock.

The clock is read off the answer to a Logon without credentials, which the venue must refuse (prime-fix.md section 2).
A true Logon could end a running daemon's session, and would be handed the reports that wait for one.
"""

import ssl
from datetime import UTC, datetime
from typing import Any

import trio
from attrs import frozen

from primefixd.cli.output import Failure
from primefixd.fix.events import Ended
from primefixd.fix.session import Role, Session, SessionSettings
from primefixd.prime.venue import TARGET_COMP_ID
from primefixd.runtime.ports import Ports
from primefixd.runtime.settings import VenueSettings
from primefixd.runtime.supervisor import in_words

ANSWER_S = 10.0  # for the venue to refuse the Logon; then its clock is unknown
READ_BYTES = 65_536


@frozen(kw_only=True)
class Seen:
    """`certificate` None: no TLS. `clock_offset_ms`: the venue's clock less ours, None if it gave no answer."""

    venue: str
    tls: str | None = None
    certificate: str | None = None
    issuer: str | None = None
    valid_until: str | None = None
    clock_offset_ms: float | None


async def probe(venue: VenueSettings, service_account_id: str, ports: Ports) -> Seen:
    """What the venue shows. Raises Failure if it cannot be connected to."""
    where = f"{venue.host}:{venue.port}"
    try:
        stream = await ports.open_stream(venue)
    except trio.TooSlowError:
        raise Failure(f"{where} did not answer in time; check the network and the address") from None
    except (OSError, trio.BrokenResourceError) as error:
        raise Failure(f"cannot connect to {where}: {in_words(error)}") from None
    try:
        offset_ms = await _clock_offset_ms(stream, service_account_id, ports)
        return Seen(venue=where, clock_offset_ms=offset_ms, **(_shown(stream) if venue.tls else {}))
    finally:
        await trio.aclose_forcefully(stream)


async def _clock_offset_ms(stream: trio.abc.Stream, service_account_id: str, ports: Ports) -> float | None:
    settings = SessionSettings(
        role=Role.INITIATOR,
        sender_comp_id=service_account_id,
        target_comp_id=TARGET_COMP_ID,
        sending_time_tolerance_s=None,
    )
    session = Session(settings)
    with trio.move_on_after(ANSWER_S):
        try:
            await stream.send_all(session.logon((), ports.clock()).data)
            while data := await stream.receive_some(READ_BYTES):
                if any(isinstance(event, Ended) for event in session.receive(bytes(data), ports.clock())):
                    break
        except trio.BrokenResourceError:
            pass  # closed without a word, which venues may do
    offset_s = session.clock_offset_s
    return None if offset_s is None else round(offset_s * 1000, 1)


def _shown(stream: Any) -> dict[str, str]:
    """The TLS version, and whose certificate was accepted; trio's stream passes these questions on to `ssl`."""
    certificate = stream.getpeercert()
    until = datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)
    return {
        "tls": stream.version(),
        "certificate": _name(certificate["subject"]),
        "issuer": _name(certificate["issuer"]),
        "valid_until": until.isoformat().replace("+00:00", "Z"),
    }


def _name(parts: tuple[tuple[tuple[str, str], ...], ...]) -> str:
    """A distinguished name as `ssl` gives it: its attributes, the most telling ones."""
    told = {key: value for part in parts for key, value in part}
    return ", ".join(told[key] for key in ("commonName", "organizationName") if key in told) or "without a name"
