"""Events to any number of subscribers, none of which can hold up another."""

import pytest
from trio.testing import MockClock

from primefixd.runtime import feed as feeds
from primefixd.runtime.feed import Event, Feed, Overflowed
from primefixd.runtime.views import ServerStopping
from tests.support.scripted import BEGIN


def event(cursor: int, portfolio: str | None = None) -> Event:
    return Event(cursor, BEGIN, portfolio, "server.stopping", b"{}", ServerStopping())


async def test_every_subscriber_hears_what_concerns_it_after_its_cursor(autojump_clock: MockClock) -> None:
    feed = Feed()
    everything, only_b, later = feed.subscribe(None, 0), feed.subscribe(frozenset({"b"}), 0), feed.subscribe(None, 2)
    for cursor, portfolio in enumerate(("a", "b", None), 1):
        feed.tell(event(cursor, portfolio))
    assert [(await everything.next()).cursor for _ in range(3)] == [1, 2, 3]
    assert [(await only_b.next()).cursor for _ in range(2)] == [2, 3]
    assert (await later.next()).cursor == 3
    assert feed.newest == 3


async def test_a_subscriber_too_far_behind_is_cut_off_and_nobody_else(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "EVENTS_WAITING_MAX", 3)
    feed = Feed()
    slow, quick = feed.subscribe(None, 0), feed.subscribe(None, 0)
    for cursor in range(1, 6):
        feed.tell(event(cursor))
        await quick.next()
    assert [(await slow.next()).cursor for _ in range(3)] == [1, 2, 3]
    with pytest.raises(Overflowed):
        await slow.next()


async def test_an_ended_subscription_is_forgotten(autojump_clock: MockClock) -> None:
    feed = Feed()
    feed.forget(feed.subscribe(None, 0))
    feed.tell(event(1))
    assert not feed._subscriptions
