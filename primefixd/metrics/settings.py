"""Settings of the listener for monitoring."""

from attrs import frozen


@frozen(kw_only=True)
class MetricsSettings:
    """`listen` is HOST:PORT, on the loopback only."""

    listen: str
