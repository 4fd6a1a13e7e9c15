"""What a REST request asks to see, and how an answer is cut into pages (prime-fix.md section 6, REST shapes).

A cursor is the id of the last item that was served: what comes to the list meanwhile moves no page. Pure, and knows
orders only by what they can be filtered by.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Final, TypeVar
from urllib.parse import parse_qs

LIMIT_MAX: Final = 3_000  # items of a page
LIMIT: Final = 100  # the same, unless asked otherwise
QUERY_FIELDS_MAX: Final = 100

T = TypeVar("T")
Json = Mapping[str, object]


class Refused(Exception):
    """The request is answered with `status` and a message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class Query:
    """The query of a request, or Refused. `statuses` and `products` are what was asked for; empty means all."""

    def __init__(self, text: str) -> None:
        try:
            fields = parse_qs(text, keep_blank_values=True, max_num_fields=QUERY_FIELDS_MAX)
        except ValueError:
            raise Refused(400, f"a query has at most {QUERY_FIELDS_MAX} fields") from None
        self.statuses = frozenset(fields.get("order_statuses", ()))
        self.products = frozenset(fields.get("product_ids", ()))
        self._start, self._end = _time(fields, "start_date"), _time(fields, "end_date")
        self._cursor = _one(fields, "cursor")
        self._limit = _limit(_one(fields, "limit"))
        self._direction = _one(fields, "sort_direction") or "DESC"
        if self._direction not in ("ASC", "DESC"):
            raise Refused(400, "sort_direction is ASC or DESC")

    def spanned(self, ids: list[str], at: Callable[[str], datetime]) -> Sequence[str]:
        """Of `ids`, which come oldest first, those of the time asked for, in the direction asked for, past the cursor.

        start_date is part of that time, end_date is not.
        """
        first = bisect_left(ids, self._start, key=at) if self._start else 0
        last = bisect_left(ids, self._end, key=at) if self._end else len(ids)
        span = ids[first:last] if self._direction == "ASC" else ids[first:last][::-1]
        if not self._cursor:
            return span
        try:
            return span[span.index(self._cursor) + 1 :]
        except ValueError:
            raise Refused(400, "that cursor is not of this list") from None

    def page(self, name: str, items: Iterable[tuple[str, T]], render: Callable[[T], Json]) -> Json:
        """The first of `items`, which have their ids, as many as one page holds, and where the next one begins."""
        found = list(islice(items, self._limit + 1))
        shown, more = found[: self._limit], len(found) > self._limit
        return {
            name: [render(item) for _, item in shown],
            "pagination": {
                "next_cursor": shown[-1][0] if more else "",
                "sort_direction": self._direction,
                "has_next": more,
            },
        }


def _one(fields: Mapping[str, Sequence[str]], name: str) -> str:
    given = fields.get(name, ("",))
    if len(given) > 1:
        raise Refused(400, f"{name} is given more than once")
    return given[0]


def _limit(text: str) -> int:
    if not text:
        return LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LIMIT_MAX):
        raise Refused(400, f"limit is a number from 1 to {LIMIT_MAX}")
    return int(text)


def _time(fields: Mapping[str, Sequence[str]], name: str) -> datetime | None:
    text = _one(fields, name)
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Refused(400, f"{name} is a time such as 2026-01-27T15:55:05Z")
