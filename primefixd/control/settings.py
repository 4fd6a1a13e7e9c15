"""Settings of the control plane: where it listens, and who may do what."""

from enum import StrEnum

from attrs import frozen

from primefixd.secret import Secret


class Right(StrEnum):
    """`trade` has `read`; `admin` has only what is neither (contract.md section 3, rights)."""

    READ = "read"
    TRADE = "trade"
    ADMIN = "admin"


@frozen(kw_only=True)
class ClientSettings:
    """One client by name. `portfolios` None means all; `uid` lets that user in on a Unix socket without a token."""

    name: str
    token: Secret | None
    uid: int | None = None
    portfolios: frozenset[str] | None
    may: frozenset[Right]


@frozen(kw_only=True)
class ControlSettings:
    """`listen` holds HOST:PORT (loopback only) and `unix:PATH` texts; `origins` the web origins that may connect."""

    listen: tuple[str, ...] = ("127.0.0.1:8417",)
    origins: tuple[str, ...] = ()
    clients: tuple[ClientSettings, ...] = ()
