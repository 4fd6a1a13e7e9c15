"""The venue's Logon: credentials, and the signature over what leaves with it (prime-fix.md section 2).

The signature covers MsgSeqNum and SendingTime with exactly the characters that go out in 34 and 52, so both come as the
session's Stamp and are never made here. Nothing secret is revealed but into the message.
"""

from base64 import b64encode
from hashlib import sha256
from hmac import digest

from attrs import frozen

from primefixd.fix import tags
from primefixd.fix.message import Field
from primefixd.fix.outbound import Stamp
from primefixd.fix.tags import MsgType
from primefixd.prime.venue import ACCESS_KEY, DROP_COPY_FLAG, TARGET_COMP_ID
from primefixd.secret import Secret


@frozen(kw_only=True)
class Credentials:
    """One API key of one portfolio; `service_account_id` is the session's SenderCompID."""

    portfolio_id: str
    service_account_id: str
    api_key: Secret
    api_secret: Secret
    passphrase: Secret


def signature(credentials: Credentials, stamp: Stamp) -> str:
    """RawData (96): base64 of HMAC-SHA256, keyed with the API secret's UTF-8 bytes."""
    signed = (
        stamp.sending_time,
        MsgType.LOGON,
        str(stamp.sequence_number),
        credentials.api_key.reveal(),
        TARGET_COMP_ID,
        credentials.passphrase.reveal(),
    )
    mac = digest(credentials.api_secret.reveal().encode(), "".join(signed).encode(), sha256)
    return b64encode(mac).decode("ascii")


def logon_body(credentials: Credentials, stamp: Stamp, drop_copy: bool) -> tuple[Field, ...]:
    """What the venue wants beyond FIX 4.2's Logon. `drop_copy`: reports of every order of the user (9406=Y)."""
    raw = signature(credentials, stamp)
    return (
        (tags.ACCOUNT, credentials.portfolio_id),
        (tags.RAW_DATA_LENGTH, str(len(raw))),
        (tags.RAW_DATA, raw),
        (tags.PASSWORD, credentials.passphrase.reveal()),
        (DROP_COPY_FLAG, "Y" if drop_copy else "N"),
        (ACCESS_KEY, credentials.api_key.reveal()),
    )
