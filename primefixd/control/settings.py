"""Settings of the control plane: where it listens, and who may do what."""

from enum import StrEnum

from attrs import frozen

from primefixd.dispatch.risk import RiskLimits
from primefixd.secret import Secret


class Right(StrEnum):
    """`trade` has `read`; `admin` has only what is neither; `reference` is only the giving of reference prices."""

    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"
    REFERENCE = "reference"


@frozen(kw_only=True)
class ClientSettings:
    """One client by name. `portfolios` None means all; `uid` lets that user in on a Unix socket without a token.

    `risk` are limits of this client over all portfolios, None for none.
    """

    name: str
    token: Secret | None
    uid: int | None = None
    portfolios: frozenset[str] | None
    may: frozenset[Right]
    risk: RiskLimits | None = None


@frozen(kw_only=True)
class ControlSettings:
    """`listen` holds HOST:PORT (loopback only) and `unix:PATH` texts; `origins` the web origins that may connect."""

    listen: tuple[str, ...] = ("127.0.0.1:8417",)
    origins: tuple[str, ...] = ()
    clients: tuple[ClientSettings, ...] = ()


def limits_of(clients: tuple[ClientSettings, ...]) -> dict[str, RiskLimits]:
    """The limits of those clients that have any, by name."""
    return {each.name: each.risk for each in clients if each.risk is not None}
