"""UTCTimestamp fields (SendingTime and others) as text and back, exactly as FIX 4.2 writes them."""

import re
from datetime import UTC, datetime
from typing import Final

_SHAPE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?")


def timestamp(utc: datetime) -> str:
    """`YYYYMMDD-HH:MM:SS.sss`, cut (not rounded) to milliseconds."""
    return (
        f"{utc.year:04}{utc.month:02}{utc.day:02}-"
        f"{utc.hour:02}:{utc.minute:02}:{utc.second:02}.{utc.microsecond // 1000:03}"
    )


def read_timestamp(text: str) -> datetime | None:
    """The moment in UTC, None if `text` is no UTCTimestamp. Fractions may have 1 to 9 digits; a leap second is :59."""
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in shape.groups()[:6])
    microsecond = int((shape[7] or "").ljust(6, "0")[:6])
    try:
        return datetime(year, month, day, hour, minute, min(second, 59), microsecond, UTC) if second <= 60 else None
    except ValueError:
        return None
