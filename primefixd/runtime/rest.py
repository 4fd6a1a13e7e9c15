"""The venue's REST interface at work: asking for orders and fills, page by page, within the venue's limits.

It decides nothing about orders, and keeps nothing between two questions. Whatever goes wrong outside is one RestFailed
with a sentence: whoever asks goes on without an answer and asks again later, since absence is never proof
(order-rules.md 13). 25 requests a second are allowed for a portfolio and 100 for an address (prime-fix.md section 6).
"""

import ssl
from collections.abc import Callable
from datetime import datetime
from typing import Final, Never, TypeVar

import httpx
import trio

from primefixd.clock import Clock
from primefixd.dispatch.limiter import Window
from primefixd.orders.reports import Report, RestFill
from primefixd.prime import rest
from primefixd.prime.logon import Credentials
from primefixd.prime.rest import Ask, Malformed, Page
from primefixd.runtime.http import OpenClient, open_client
from primefixd.runtime.settings import RestSettings
from primefixd.strict import shown

PORTFOLIO_PER_SECOND_MAX: Final = 20  # of the venue's 25: the portfolio's UI and others share them
ADDRESS_PER_SECOND_MAX: Final = 80  # of the venue's 100, over all portfolios
MARGIN_S: Final = 0.05  # jitter on the way that is allowed for
AT_ONCE_MAX: Final = 4  # requests of one portfolio on their way; the others wait, first come first served
ATTEMPT_S: Final = 15.0  # for one request and the whole of its reply; then it counts as lost
TRIES_MAX: Final = 4  # of one request; then it failed
PAUSE_S: Final = 0.5  # before the second try, doubled before each further one
PAUSE_MAX_S: Final = 5.0  # even if the venue names a longer one: who asks has a time of its own to keep
PAGES_MAX: Final = 200  # of one question; more is a failure, never an answer that is cut short
REPLY_MAX_BYTES: Final = 33_554_432  # of one page; a longer one is a failure
SAID_MAX_CHARS: Final = 200  # of the venue's own words in a sentence
ITEMS_AT_ONCE_MAX: Final = 100  # read before others may run: nobody waits for a long page

_T = TypeVar("_T")
_ADVICE: Final = {
    400: "see whether a later primefixd asks otherwise",
    401: "check the API key, its secret and passphrase, its permissions, and this machine's clock",
    403: "check portfolio_id, and what the API key may read",
    404: "check rest.url and portfolio_id",
    429: "see what else asks for this portfolio or from this address",
}


class RestFailed(Exception):
    """A question that stays unanswered; the text is one sentence, without secrets, that says why and what to do."""


class _NotThere(RestFailed):
    """The venue does not know what was asked for."""


class _Again(Exception):
    """A request that is worth another try, `pause_s` seconds later at the earliest."""

    def __init__(self, why: str, pause_s: float = 0.0) -> None:
        super().__init__(why)
        self.pause_s = pause_s


class Rest:
    """What all portfolios share: one HTTP client, and the budget of this machine's address. Close it at the end.

    Raises OSError or ssl.SSLError when `rest.ca_file` cannot be used.
    """

    def __init__(self, settings: RestSettings, clock: Clock, open_client: OpenClient = open_client) -> None:
        self.url = settings.url.rstrip("/")
        self.host = httpx.URL(settings.url).host
        self.client = open_client(settings)
        self.clock = clock
        self.budget = Window(ADDRESS_PER_SECOND_MAX, MARGIN_S)

    async def aclose(self) -> None:
        await self.client.aclose()


class RestDesk:
    """One portfolio's questions to the venue. Every method raises RestFailed, and nothing else, when it stays open."""

    def __init__(self, credentials: Credentials, shared: Rest) -> None:
        self._credentials, self._shared = credentials, shared
        self._portfolio_id = credentials.portfolio_id
        self._budget = Window(PORTFOLIO_PER_SECOND_MAX, MARGIN_S)
        self._turn = trio.CapacityLimiter(AT_ONCE_MAX)

    def become(self, credentials: Credentials) -> None:
        """Ask with another key from now on."""
        self._credentials = credentials

    async def open_orders(self) -> tuple[Report, ...]:
        """Every open order of the portfolio, whoever placed it."""
        return await self._all(rest.open_orders(self._portfolio_id), "orders", self._report, paged=False)

    async def orders(self, since: datetime) -> tuple[Report, ...]:
        """Every order that is not open any more, of those created since then."""
        return await self._all(rest.orders(self._portfolio_id, since), "orders", self._report)

    async def order(self, order_id: str) -> Report | None:
        """The order with this id of the venue's; None if the venue says that it knows none, which proves nothing."""
        try:
            text = await self._get(rest.order(self._portfolio_id, order_id))
        except _NotThere:
            return None
        try:
            return rest.read_order(text, self._portfolio_id)
        except Malformed as error:
            raise self._failed(str(error)) from None

    async def fills(self, order_id: str) -> tuple[RestFill, ...]:
        """Every fill of the order with this id of the venue's."""
        return await self._all(rest.order_fills(self._portfolio_id, order_id), "fills", rest.fill)

    def _report(self, item: object) -> Report:
        return rest.report(item, self._portfolio_id)

    # -- pages

    async def _all(self, ask: Ask, name: str, read: Callable[[object], _T], *, paged: bool = True) -> tuple[_T, ...]:
        """What is on every page of the answer; all of it or RestFailed."""
        found: list[_T] = []
        seen: set[str] = set()
        following = ask
        for _ in range(PAGES_MAX):
            page = self._page(await self._get(following), name, paged)
            await self._read(page, read, found)
            if page.next_cursor is None:
                return tuple(found)
            if page.next_cursor in seen:
                raise self._failed("it names the same page twice")
            seen.add(page.next_cursor)
            following = ask.after(page.next_cursor)
        raise self._failed(f"its answer has more than {PAGES_MAX} pages; ask for a shorter time")

    def _page(self, text: str, name: str, paged: bool) -> Page:
        try:
            return rest.read_page(text, name, paged=paged)
        except Malformed as error:
            raise self._failed(str(error)) from None

    async def _read(self, page: Page, read: Callable[[object], _T], found: list[_T]) -> None:
        try:
            for number, item in enumerate(page.items):
                found.append(read(item))
                if number % ITEMS_AT_ONCE_MAX == 0:
                    await trio.lowlevel.checkpoint()
        except Malformed as error:
            raise self._failed(str(error)) from None

    # -- requests

    async def _get(self, ask: Ask) -> str:
        """The venue's reply to a GET, asked for again while that can help."""
        async with self._turn:
            for tried in range(TRIES_MAX):
                await self._slot()
                try:
                    return await self._attempt(ask)
                except _Again as again:
                    why = str(again)
                    pause_s = max(PAUSE_S * 2**tried, again.pause_s)
                if tried + 1 < TRIES_MAX:
                    await trio.sleep(min(pause_s, PAUSE_MAX_S))
        raise self._failed(f"{why} ({TRIES_MAX} tries)")

    async def _slot(self) -> None:
        """Wait until one more request may leave, and take its place."""
        budgets = (self._budget, self._shared.budget)
        while True:
            now = self._shared.clock().mono
            delay = max(budget.delay(now) for budget in budgets)
            if not delay:
                break
            await trio.sleep(delay)
        for budget in budgets:
            budget.take(now)

    async def _attempt(self, ask: Ask) -> str:
        """One request, signed as it leaves. Raises _Again or RestFailed."""
        client = self._shared.client
        try:
            request = client.build_request("GET", self._shared.url + ask.target)
            path = request.url.raw_path.partition(b"?")[0].decode()
            request.headers.update(rest.signed_headers(self._credentials, path, self._shared.clock().utc))
            request.headers.update({"accept": "application/json", "accept-encoding": "identity"})
            with trio.move_on_after(ATTEMPT_S):
                response = await client.send(request, stream=True)
                try:
                    return self._judge(response, await self._body(response))
                finally:
                    await response.aclose()
        except (httpx.LocalProtocolError, httpx.InvalidURL, httpx.UnsupportedProtocol):  # its words hold the headers
            raise self._failed("a request cannot be written; check rest.url, the API key and the passphrase") from None
        except httpx.HTTPError as error:
            self._lost(error)
        raise _Again(f"it did not answer within {ATTEMPT_S:g} s; see whether it can be reached")

    async def _body(self, response: httpx.Response) -> str:
        """The text of a reply; it was asked for unpacked, since what is packed has no bound before it is unpacked."""
        if response.headers.get("content-encoding", "identity") != "identity":
            raise self._failed(f"it answered {response.status_code} with what is packed, which was not asked for")
        content = bytearray()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > REPLY_MAX_BYTES:
                raise self._failed(f"its reply is longer than {REPLY_MAX_BYTES} bytes; ask for a shorter time")
        try:
            return content.decode()
        except UnicodeDecodeError:
            raise self._failed(f"it answered {response.status_code} with what is no text") from None

    def _judge(self, response: httpx.Response, text: str) -> str:
        """The text of a reply that answers."""
        status = response.status_code
        if status == 200:
            return text
        what = f"it answered {status}{self._said(text)}"
        if status == 429 or status >= 500:
            after = response.headers.get("retry-after", "")
            pause_s = float(after) if after.isascii() and after.isdigit() else 0.0
            raise _Again(f"{what}; {_ADVICE.get(status, 'it may do better later')}", pause_s)
        advice = _ADVICE.get(status, "check rest.url, no redirect is followed")
        failure = _NotThere if status == 404 else RestFailed
        raise failure(f"the venue's REST interface at {self._shared.host}: {what}; {advice}")

    def _said(self, text: str) -> str:
        """The venue's own words about a refusal, should it repeat what we sent without secrets."""
        said = rest.refusal(text) or ""
        own = self._credentials
        for secret in (own.api_key, own.api_secret, own.passphrase):
            said = said.replace(secret.reveal(), "…")
        return f" ({shown(said, SAID_MAX_CHARS)})" if said else ""

    def _lost(self, error: httpx.HTTPError) -> Never:
        """A request that came to nothing on its way. A certificate does not get better by asking again."""
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, ssl.SSLCertVerificationError):
                why = f"its certificate was not accepted ({cause.verify_message}); check rest.url and rest.ca_file"
                raise self._failed(why) from None
            cause = cause.__cause__ or cause.__context__
        kind = "cannot be reached" if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout) else "broke off"
        raise _Again(f"it {kind}; check rest.url and the way to it") from None

    def _failed(self, why: str) -> RestFailed:
        return RestFailed(f"the venue's REST interface at {self._shared.host}: {why}")
