"""Settings of the trio shell, made by `config` from YAML and never from defaults hidden elsewhere."""

from enum import StrEnum
from pathlib import Path

from attrs import frozen

from primefixd.dispatch.risk import RiskLimits
from primefixd.secret import Secret

SESSIONS_PER_PORTFOLIO_MAX = 7  # prime-fix.md section 1, sessions
LAST_ORDER_LEAD_S = 10.0  # before the window: from then on no new order leaves (order-rules.md 24)


class SessionRole(StrEnum):
    """`orders` logs on with 9406=N, `drop_copy` with 9406=Y (prime-fix.md section 2)."""

    ORDERS = "orders"
    DROP_COPY = "drop_copy"


@frozen(kw_only=True)
class VenueSettings:
    """Where the venue is. `tls` False: plain TCP to a stunnel on the loopback; `ca_file` None: the system's roots."""

    host: str
    port: int
    tls: bool = True
    ca_file: str | None = None
    server_name: str | None = None


@frozen(kw_only=True)
class SessionSettings:
    name: str
    service_account_id: str
    api_key: Secret
    api_secret: Secret
    passphrase: Secret
    role: SessionRole = SessionRole.ORDERS
    heartbeat_s: int = 30


@frozen(kw_only=True)
class RateSettings:
    """Messages a second for each session, new orders a second for the portfolio; margin_ms: order-rules.md 20."""

    messages_per_second: int = 50
    orders_per_second: int = 50
    margin_ms: int = 15


@frozen(kw_only=True)
class HaltSettings:
    """What halts a portfolio by itself (order-rules.md 27): more than `in_doubt_max` orders in doubt, None for any."""

    overfill: bool = False
    contradiction: bool = False
    in_doubt_max: int | None = None
    cancel_open: bool = False


@frozen(kw_only=True)
class PortfolioSettings:
    """`risk` None: no limits, as a configuration says by `risk: none`."""

    name: str
    portfolio_id: str
    rate: RateSettings = RateSettings()
    spread: bool = False
    risk: RiskLimits | None = None
    halt_on: HaltSettings = HaltSettings()
    sessions: tuple[SessionSettings, ...]


@frozen(kw_only=True)
class RestSettings:
    """The venue's REST interface, which settles what FIX cannot. `ca_file` None: the system's roots."""

    url: str
    ca_file: str | None = None


@frozen(kw_only=True)
class FixLogSettings:
    """Where all messages are written: a new file every `max_mb` MB (10^6 bytes), and `keep` old ones beside it."""

    file: Path
    max_mb: int = 50
    keep: int = 10


@frozen(kw_only=True)
class ReconcileSettings:
    """`grace_s`: order-rules.md 5; `most_s`: order-rules.md 17."""

    grace_s: float = 30.0
    most_s: float = 120.0
