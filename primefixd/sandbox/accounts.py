"""Who may log on: the venue's checks of a Logon (prime-fix.md sections 1, 2 and 7).

The signature is computed here from the published recipe and from nothing that the daemon uses to sign, so that a
mistake there is refused here. Sequence reset and SendingTime are the session's own checks, before these.
"""

import hmac
from base64 import b64encode
from collections.abc import Collection, Sequence
from typing import Final

from attrs import frozen

from primefixd.fix import tags
from primefixd.fix.message import Message
from primefixd.prime.venue import ACCESS_KEY, DROP_COPY_FLAG, TARGET_COMP_ID
from primefixd.sandbox.settings import SESSIONS_PER_PORTFOLIO_MAX, Account

HEARTBEAT_MAX_S: Final = 300  # prime-fix.md section 2, Logon


@frozen
class Admitted:
    account: Account
    drop_copy: bool


@frozen
class Denied:
    """`text` is for the Logout, `word` for the count in `venue.sessions`, `account` whose it was, if known."""

    text: str
    word: str
    account: Account | None = None


class Accounts:
    """Everybody that the venue knows."""

    def __init__(self, accounts: Sequence[Account]) -> None:
        self._accounts = {account.service_account_id: account for account in accounts}

    def judge(self, logon: Message, connected: Collection[str]) -> Admitted | Denied:
        """Whether the Logon is let in while the service accounts in `connected` are."""
        account = self._accounts.get(logon.get(tags.SENDER_COMP_ID) or "")
        if account is None:
            return Denied("unknown SenderCompID (49)", "unknown_account")
        denied = _false_credentials(account, logon) or _false_terms(account, logon)
        if denied is None and account.service_account_id in connected:
            denied = "this API key has a session already", "key_in_use"
        if denied is None and self._beside(account, connected) >= SESSIONS_PER_PORTFOLIO_MAX:
            denied = f"the portfolio has {SESSIONS_PER_PORTFOLIO_MAX} sessions already", "portfolio_full"
        if denied is not None:
            return Denied(*denied, account)
        return Admitted(account, logon.get(DROP_COPY_FLAG) != "N")

    def _beside(self, account: Account, connected: Collection[str]) -> int:
        return sum(self._accounts[name].portfolio_id == account.portfolio_id for name in connected)


def _false_credentials(account: Account, logon: Message) -> tuple[str, str] | None:
    if not account.api_key.matches(logon.get(ACCESS_KEY) or ""):
        return "unknown AccessKey (9407)", "access_key"
    if not account.passphrase.matches(logon.get(tags.PASSWORD) or ""):
        return "wrong Password (554)", "passphrase"
    if not hmac.compare_digest(_signature(account, logon), (logon.get(tags.RAW_DATA) or "").encode()):
        return "invalid signature in RawData (96)", "signature"
    return None


def _false_terms(account: Account, logon: Message) -> tuple[str, str] | None:
    if logon.get(tags.ACCOUNT) not in (None, account.portfolio_id):
        return "Account (1) is not the portfolio of this API key", "account"
    if logon.get(tags.ENCRYPT_METHOD) != "0":
        return "EncryptMethod (98) must be 0", "logon_field"
    if not 1 <= (logon.number(tags.HEART_BT_INT) or 0) <= HEARTBEAT_MAX_S:
        return f"HeartBtInt (108) must be 1 to {HEARTBEAT_MAX_S} seconds", "logon_field"
    if logon.get(DROP_COPY_FLAG) not in (None, "Y", "N"):
        return "DropCopyFlag (9406) must be Y or N", "logon_field"
    return None


def _signature(account: Account, logon: Message) -> bytes:
    signed = (
        logon.get(tags.SENDING_TIME) or "",
        "A",
        logon.get(tags.MSG_SEQ_NUM) or "",
        account.api_key.reveal(),
        TARGET_COMP_ID,
        account.passphrase.reveal(),
    )
    return b64encode(hmac.digest(account.api_secret.reveal().encode(), "".join(signed).encode(), "sha256"))
