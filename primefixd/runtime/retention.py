"""Gives back what is older than the retention: final orders out of memory and disk, and events out of the journal."""

from datetime import timedelta

import structlog
import trio

from primefixd.runtime.desk import Desk

COMPACT_EVERY_S = 600.0
ORDERS_AT_ONCE_MAX = 500  # forgotten in one turn, so that nobody waits long for it
EVENTS_AT_ONCE_MAX = 1_000  # deleted in one transaction, which commits wait for

_log = structlog.get_logger()


async def keep_within(desk: Desk, retention: timedelta) -> None:
    """Every COMPACT_EVERY_S seconds, a little at a time, until cancelled."""
    while True:
        before = desk.clock().utc - retention
        orders = events = 0
        for portfolio in list(desk.portfolios.values()):
            while forgotten := portfolio.compact(before, ORDERS_AT_ONCE_MAX):
                orders += forgotten
                if not await desk.journal.settled(desk.journal.last):
                    break
        while deleted := await desk.journal.compact(before, EVENTS_AT_ONCE_MAX):
            events += deleted
        if orders or events:
            _log.info("compacted", orders=orders, events=events)
        await trio.sleep(COMPACT_EVERY_S)
