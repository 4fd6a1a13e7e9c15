"""Values that the sandbox's tests share: two portfolios' accounts, a moment, orders as the wire has them."""

import base64
import hashlib
import hmac
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import trio
import trio.testing

from primefixd.clock import Clock, Moment
from primefixd.fix.codec import Decoder, encode
from primefixd.fix.message import Message
from primefixd.sandbox.book import VenueOrder
from primefixd.sandbox.exchange import Exchange
from primefixd.sandbox.gateway import Gateway
from primefixd.sandbox.intake import Intake
from primefixd.sandbox.reporting import Answer, Malformed, Reply
from primefixd.sandbox.settings import Account, SandboxSettings
from primefixd.secret import Secret

Build = Callable[..., Message]


@pytest.fixture
def now() -> Moment:
    return Moment(1000.0, datetime(2026, 11, 23, 15, 0, tzinfo=UTC))


@pytest.fixture
def accounts() -> tuple[Account, ...]:
    """Nine keys of the portfolio `main`, two of `side`."""
    names = [("main", number) for number in range(1, 10)] + [("side", 1), ("side", 2)]
    return tuple(
        Account(
            portfolio_id=portfolio,
            service_account_id=f"{portfolio}-{number}",
            api_key=Secret(f"key-{portfolio}-{number}"),
            api_secret=Secret("secret"),
            passphrase=Secret("phrase"),
        )
        for portfolio, number in names
    )


@pytest.fixture
def build() -> Build:
    """Message from transcript text: `35=D|11=a|…`."""

    def message(text: str) -> Message:
        pairs = (item.split("=", 1) for item in text.split("|"))
        return Message([(int(tag), value.encode()) for tag, value in pairs])

    return message


class Desk:
    """The venue as the messages of one account meet it, in virtual time; BTC-USD begins at 60000.

    Answers are told as `150/39`, OrderCancelReject as `9/39 434 102`, Quote as `S`, its refusal as `b 300`; or as the
    tags that are asked for: `11=a|39=0`.
    """

    def __init__(self, accounts: Sequence[Account], build: Build, now: Moment) -> None:
        self.exchange = Exchange(7, now)
        self.intake = Intake(self.exchange, accounts, limits=False)
        self.account, self.build, self.now = accounts[0], build, now
        self.price(60000)

    def say(self, text: str, *tags: int, account: Account | None = None) -> list[str]:
        account = account or self.account
        answers = self.intake.answer(self.build(f"35=D|1={account.portfolio_id}|{text}"), account, False, self.now)
        return [_answer(answer, tags) for answer in answers]

    def ask(self, text: str, *tags: int) -> list[str]:
        """As `say`, for a message with a type of its own."""
        answers = self.intake.answer(self.build(text), self.account, False, self.now)
        return [_answer(answer, tags) for answer in answers]

    def wait(self, seconds: float, *tags: int) -> list[str]:
        self.now = self.now.later(seconds)
        return [_answer(told, tags) for told in self.exchange.advance(self.now)]

    def price(self, price: float, *tags: int) -> list[str]:
        told = self.exchange.set_price("BTC-USD", Decimal(str(price)), self.now)
        return [_answer(each, tags) for each in told]

    def order(self, client_order_id: str = "a") -> VenueOrder:
        order = self.exchange.book.named(client_order_id)
        assert order is not None
        return order

    def filled(self, client_order_id: str = "a") -> Decimal:
        return self.order(client_order_id).filled

    def fill(self, quantity: str, price: str, *tags: int) -> list[str]:
        told = self.exchange.fill(self.order(), Decimal(quantity), Decimal(price), self.now)
        assert isinstance(told, list)
        return [_answer(each, tags) for each in told]


def _answer(answer: Answer, tags: Sequence[int]) -> str:
    assert not isinstance(answer, Malformed)
    fields = dict(answer.body)
    if tags:
        return "|".join(f"{tag}={fields.get(tag)}" for tag in tags)
    if isinstance(answer, Reply) and answer.msg_type != "8":
        told = {"9": (39, 434, 102), "S": (), "b": (300,), "j": (380,)}[answer.msg_type]
        return " ".join([answer.msg_type, *(fields[tag] for tag in told)])
    return f"{fields[150]}/{fields[39]}"


@pytest.fixture
def desk(accounts: tuple[Account, ...], build: Build, now: Moment) -> Desk:
    return Desk(accounts, build, now)


class RawClient:
    """A FIX client of its own, so that the daemon's mistakes cannot hide here."""

    def __init__(self, stream: trio.abc.Stream, account: Account, clock: Clock) -> None:
        self.stream, self.account, self.clock = stream, account, clock
        self.number = 0
        self.decoder = Decoder()
        self.heard: deque[Message] = deque()

    async def say(self, text: str, **changes: str) -> None:
        """Sends `35=D|11=a|…` with a header; `changes` replace header fields: t52="…"."""
        await self.stream.send_all(self.wire(text, **changes))

    def wire(self, text: str, **changes: str) -> bytes:
        self.number += 1
        first, *rest = [(int(item.split("=", 1)[0]), item.split("=", 1)[1]) for item in text.split("|")]
        header = {49: self.account.service_account_id, 56: "COIN", 34: str(self.number), 52: self.time()}
        header |= {int(name[1:]): value for name, value in changes.items()}
        return encode([first, *header.items(), *rest])

    def time(self, off: float = 0.0) -> str:
        utc = self.clock().later(off).utc
        return f"{utc:%Y%m%d-%H:%M:%S}.{utc.microsecond // 1000:03}"

    def signature(self, time: str, number: int = 1) -> str:
        account = self.account
        text = f"{time}A{number}{account.api_key.reveal()}COIN{account.passphrase.reveal()}"
        return base64.b64encode(
            hmac.new(account.api_secret.reveal().encode(), text.encode(), hashlib.sha256).digest()
        ).decode()

    async def send_logon(self, flag: str | None = "N", **changes: str | None) -> None:
        """A Logon as the facts say; `changes` replace (or, None, leave out) fields of it: t96="…"."""
        time = changes.pop("t52", None) or self.time()
        signature = self.signature(time)
        fields: dict[int, str | None] = {98: "0", 108: "30", 141: "Y", 95: str(len(signature)), 96: signature}
        fields |= {554: self.account.passphrase.reveal(), 9406: flag, 9407: self.account.api_key.reveal()}
        number = changes.pop("t34", None) or "1"
        fields |= {int(name[1:]): value for name, value in changes.items()}
        text = "|".join(["35=A", *(f"{tag}={value}" for tag, value in fields.items() if value is not None)])
        await self.say(text, t52=time, t34=number)

    async def logon(self, flag: str | None = "N", **changes: str | None) -> "RawClient":
        await self.send_logon(flag, **changes)
        assert (await self.hear()).type == "A"
        return self

    async def hear(self) -> Message:
        """The next message that is not a Heartbeat."""
        with trio.fail_after(60):
            while True:
                while self.heard:
                    message = self.heard.popleft()
                    if message.type != "0":
                        return message
                data = await self.stream.receive_some(65536)
                if not data:
                    raise EOFError
                self.heard.extend(item for item in self.decoder.feed(data) if isinstance(item, Message))

    async def told(self, *tags: int, count: int = 1) -> list[str]:
        """The given tags of the next messages, as `35=8|39=0`."""
        return [tell(await self.hear(), *tags) for _ in range(count)]

    async def silent(self, seconds: float = 1.0) -> bool:
        """Whether nothing (Heartbeats apart) comes for so long."""
        with trio.move_on_after(seconds):
            self.heard.appendleft(await self.hear())
            return False
        return True

    async def closed(self) -> bool:
        """Whether the stream ends without another message."""
        try:
            await self.hear()
        except (EOFError, trio.BrokenResourceError):
            return True
        return False


def tell(message: Message, *tags: int) -> str:
    return "|".join(f"{tag}={message.get(tag)}" for tag in tags)


@pytest.fixture
def raw_client() -> type[RawClient]:
    return RawClient


class Venue:
    """A gateway in virtual time, reached through memory."""

    def __init__(self, gateway: Gateway, nursery: trio.Nursery, accounts: Sequence[Account], clock: Clock) -> None:
        self.gateway, self.nursery, self.clock = gateway, nursery, clock
        self.accounts = {account.service_account_id: account for account in accounts}

    def client(self, name: str = "main-1", lockstep: bool = False) -> RawClient:
        mine, theirs = trio.testing.lockstep_stream_pair() if lockstep else trio.testing.memory_stream_pair()
        self.nursery.start_soon(self.gateway.converse, theirs)
        return RawClient(mine, self.accounts[name], self.clock)


@pytest.fixture
async def venue(
    accounts: tuple[Account, ...], autojump_clock: trio.testing.MockClock
) -> AsyncIterator[Callable[..., Venue]]:
    """Makes venues: `venue()` or `venue(limits=False)`; BTC-USD stands at 60000."""
    start = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)

    def clock() -> Moment:
        return Moment(trio.current_time(), start + timedelta(seconds=trio.current_time()))

    async with trio.open_nursery() as nursery:

        def make(**changes: object) -> Venue:
            settings = SandboxSettings(accounts=accounts, **changes)  # type: ignore[arg-type]
            gateway = Gateway(settings, None, clock)
            gateway.publish(gateway.exchange.set_price("BTC-USD", Decimal(60000), clock()))
            nursery.start_soon(gateway.keep_time)
            return Venue(gateway, nursery, accounts, clock)

        yield make
        nursery.cancel_scope.cancel()
