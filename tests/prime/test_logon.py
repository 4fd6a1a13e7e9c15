"""The signature against a vector made elsewhere, and the Logon's fields."""

import base64
import hashlib
import hmac

import pytest
from attrs import evolve

from primefixd.fix import tags
from primefixd.fix.outbound import Stamp
from primefixd.prime.logon import Credentials, logon_body, signature
from primefixd.prime.venue import ACCESS_KEY, DROP_COPY_FLAG
from primefixd.secret import Secret

CREDENTIALS = Credentials(
    portfolio_id="314dbd76-4459-41cd-ba9a-dccdd86b44e2",
    service_account_id="22d47de1-bc5d-5d17-8028-4ec90e72c1dd",
    api_key=Secret("api-key-1"),
    api_secret=Secret("sécret/+="),
    passphrase=Secret("pass phrase"),
)
STAMP = Stamp(1, "20261123-21:54:10.123")

# printf '%s' '20261123-21:54:10.123A1api-key-1COINpass phrase' |
#     openssl dgst -sha256 -hmac 'sécret/+=' -binary | base64
VECTOR = "DPZiVe/m9nDA7R5BDSAnWle+KUTvbpPJdVEHEwiN1cs="


def by_hand(sending_time: str, number: str) -> str:
    text = f"{sending_time}A{number}api-key-1COINpass phrase".encode()
    return base64.b64encode(hmac.new("sécret/+=".encode(), text, hashlib.sha256).digest()).decode()


def test_the_signature_is_the_known_one() -> None:
    assert signature(CREDENTIALS, STAMP) == VECTOR == by_hand("20261123-21:54:10.123", "1")


@pytest.mark.parametrize(
    "stamp", [Stamp(1, "20261123-21:54:10.124"), Stamp(2, "20261123-21:54:10.123"), Stamp(17, "20261123-21:54:10")]
)
def test_it_covers_the_very_characters_of_52_and_34(stamp: Stamp) -> None:
    assert signature(CREDENTIALS, stamp) == by_hand(stamp.sending_time, str(stamp.sequence_number)) != VECTOR


@pytest.mark.parametrize("field", ["api_key", "api_secret", "passphrase"])
def test_it_covers_every_credential(field: str) -> None:
    assert signature(evolve(CREDENTIALS, **{field: Secret("another")}), STAMP) != VECTOR


@pytest.mark.parametrize("drop_copy, flag", [(True, "Y"), (False, "N")])
def test_the_logon_carries_what_the_venue_asks_for(drop_copy: bool, flag: str) -> None:
    body = logon_body(CREDENTIALS, STAMP, drop_copy)
    assert dict(body) == {
        tags.ACCOUNT: CREDENTIALS.portfolio_id,
        tags.RAW_DATA_LENGTH: str(len(VECTOR)),
        tags.RAW_DATA: VECTOR,
        tags.PASSWORD: "pass phrase",
        DROP_COPY_FLAG: flag,
        ACCESS_KEY: "api-key-1",
    }
    order = [tag for tag, _ in body]
    assert order.index(tags.RAW_DATA) == order.index(tags.RAW_DATA_LENGTH) + 1


def test_credentials_do_not_print() -> None:
    shown = repr(CREDENTIALS)
    assert CREDENTIALS.service_account_id in shown
    assert not any(secret in shown for secret in ("api-key-1", "sécret", "pass phrase"))
