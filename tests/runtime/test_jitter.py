"""The rate as the venue sees it: sessions behind a network that jitters (order-rules.md 20)."""

from random import Random

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from primefixd.runtime.settings import RateSettings
from tests.support.scripted import Rig, limit, settings


class _Jittery(trio.abc.Stream):
    """What is sent arrives 10 ms later, give or take up to 10 ms, in its order, as TCP keeps it."""

    def __init__(self, inner: trio.abc.Stream, nursery: trio.Nursery, random: Random) -> None:
        self._inner = inner
        self._random = random
        self._send, self._pending = trio.open_memory_channel[tuple[float, bytes]](100_000)
        nursery.start_soon(self._carry)

    async def _carry(self) -> None:
        async for due, data in self._pending:
            await trio.sleep_until(due)
            await self._inner.send_all(data)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        self._send.send_nowait((trio.current_time() + self._random.uniform(0.0, 0.02), bytes(data)))

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._inner.receive_some(max_bytes)

    async def aclose(self) -> None:
        self._send.close()
        await self._inner.aclose()


@pytest.mark.parametrize("seed", range(5))
async def test_rule_20_under_10_ms_of_jitter_98_percent_is_used_and_no_second_exceeds_the_rate(
    autojump_clock: MockClock, nursery: trio.Nursery, seed: int
) -> None:
    rig = Rig(nursery, settings("a", "b", "c", rate=RateSettings()))
    random, open_stream = Random(seed), rig.venue.open_stream

    async def open_jittery(venue: object) -> trio.abc.Stream:
        return _Jittery(await open_stream(venue), nursery, random)

    object.__setattr__(rig.shared.ports, "open_stream", open_jittery)
    await trio.sleep(3)
    assert all(view.state.value == "ACTIVE" for view in rig.portfolio.sessions())
    for n in range(900):
        await rig.portfolio.submit(limit(f"o-{n:03}", product=f"P{n % 3}-USD", ttl_ms=60_000), "desk")
    await trio.sleep(25)
    arrivals = sorted(at for c in rig.venue.connections for at, m in c.heard if m.type == "D")
    assert len(arrivals) == 900
    for phase in (n / 100 for n in range(100)):
        per_second: dict[int, int] = {}
        for at in arrivals:
            per_second[int(at + phase)] = per_second.get(int(at + phase), 0) + 1
        assert max(per_second.values()) <= 50
    # While every session still has orders: at the end the last of them has its own 36 a second and no more.
    assert (600 - 50) / (arrivals[599] - arrivals[0]) >= 49 * 0.999  # 98 % of 50; the jitter of the two ends is 20 ms
    nursery.cancel_scope.cancel()
