"""What the imitation venue is set up with: whom it knows, where it listens, how it behaves.

The command line makes these, from a daemon's configuration file or out of nothing; this module reads nothing.
"""

from attrs import frozen

from primefixd.secret import Secret

SESSIONS_PER_PORTFOLIO_MAX = 7  # prime-fix.md section 1, sessions: the eighth is refused
MESSAGES_PER_SECOND_MAX = 50  # prime-fix.md section 1, rate: per session; what exceeds is rejected, not queued
ORDERS_PER_SECOND_MAX = 50  # the same, new orders per portfolio over all its sessions
REST_PER_SECOND_MAX, REST_BURST_MAX = 25, 50  # prime-fix.md section 6, REST: of a portfolio
REST_ADDRESS_PER_SECOND_MAX = 100  # the same, of an IP address


@frozen(kw_only=True)
class Account:
    """One API key: a service account of a portfolio, with all that signs its Logon."""

    portfolio_id: str
    service_account_id: str
    api_key: Secret
    api_secret: Secret
    passphrase: Secret


@frozen(kw_only=True)
class SandboxSettings:
    """`seed` fixes prices and fills; `clock_offset_s` is added to the UTC clock, seconds; port 0 means any free one.

    `control_port` None: no control port; `rest_port` None: no REST endpoints, else on the loopback without TLS.
    `rest_own_fill_ids`: REST calls a fill by another id than FIX does. `limits` False: the rate rules are off.
    """

    host: str = "127.0.0.1"
    port: int = 0
    control_port: int | None = None
    rest_port: int | None = None
    rest_own_fill_ids: bool = False
    accounts: tuple[Account, ...]
    limits: bool = True
    seed: int = 0
    clock_offset_s: float = 0.0
