"""Events with cursors to any number of subscribers, none of which can hold up another."""

import pytest
from trio.testing import MockClock

from primefixd.runtime import feed as feeds
from primefixd.runtime.feed import Feed, Overflowed
from primefixd.runtime.views import ServerStopping
from tests.support.scripted import virtual_clock


async def test_cursors_rise_by_one_and_every_subscriber_hears_what_concerns_it(autojump_clock: MockClock) -> None:
    feed = Feed("j")
    with feed.subscribe(None) as everything, feed.subscribe(frozenset({"b"})) as only_b:
        for portfolio in ("a", "b", None):
            feed.publish(ServerStopping(), portfolio, virtual_clock())
        assert [(await everything.next()).cursor for _ in range(3)] == [1, 2, 3]
        assert [(await only_b.next()).cursor for _ in range(2)] == [2, 3]
    assert feed.newest == 3 and feed.next == 4


async def test_a_subscriber_too_far_behind_is_cut_off_and_nobody_else(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "EVENTS_WAITING_MAX", 3)
    feed = Feed("j")
    with feed.subscribe(None) as slow, feed.subscribe(None) as quick:
        for _ in range(5):
            feed.publish(ServerStopping(), None, virtual_clock())
            await quick.next()
        assert [(await slow.next()).cursor for _ in range(3)] == [1, 2, 3]
        with pytest.raises(Overflowed):
            await slow.next()


async def test_an_ended_subscription_is_forgotten(autojump_clock: MockClock) -> None:
    feed = Feed("j")
    with feed.subscribe(None):
        pass
    feed.publish(ServerStopping(), None, virtual_clock())
    assert not feed._subscriptions
