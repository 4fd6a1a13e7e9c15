"""The port through which the venue's REST interface is reached: one HTTP client that every portfolio shares.

It decides nothing about orders. Whatever the machine's environment says of proxies or certificates is not heard: the
headers carry keys of the venue's, and go to the configured address alone.
"""

import ssl
from collections.abc import Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Final

import httpx

from primefixd.runtime.settings import RestSettings

CONNECTIONS_MAX: Final = 16  # at once, over all portfolios; a request beyond waits for one, within its own time
IDLE_S: Final = 20.0  # an unused connection is closed after that
CONNECT_S: Final = 5.0  # for TCP and for TLS each; a whole attempt is bounded in `rest`

OpenClient = Callable[[RestSettings], httpx.AsyncClient]


def open_client(settings: RestSettings) -> httpx.AsyncClient:
    """A client that follows no redirect and verifies chain and name; TLS 1.2 or newer.

    Raises OSError or ssl.SSLError when `ca_file` cannot be used.
    """
    tls = ssl.create_default_context(cafile=settings.ca_file)
    tls.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.ca_file is not None:
        tls.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return httpx.AsyncClient(
        verify=tls,
        trust_env=False,
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),  # one portfolio's are not sent for another
        follow_redirects=False,
        timeout=httpx.Timeout(None, connect=CONNECT_S),
        limits=httpx.Limits(
            max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX, keepalive_expiry=IDLE_S
        ),
    )
