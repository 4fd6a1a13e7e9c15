"""The peer's side of the numbers: what is due, what came too early, and which ranges are missing.

Used in full only where the peer can resend; otherwise a gap is told once and the session goes on behind it
(prime-fix.md section 1: a gap is repaired by reconciliation). What arrived early is held, not thrown away, because an
application message that the peer covers with a gap fill never comes again.
"""

from collections import deque
from typing import Final

from primefixd.fix.message import Message

HELD_MAX: Final = 1024
"""Messages held behind a gap; one more ends the session, as the peer does not resend."""
MISSED_MAX: Final = 64
"""Ranges of lost numbers that are remembered; beyond it the oldest is forgotten, and what comes from it is ignored."""


class Inbound:
    """Numbers of one session as they come in."""

    def __init__(self) -> None:
        self.expected = 1
        self._held: dict[int, Message | None] = {}  # None: acted on already, only its number is remembered
        self._asked_through = 0
        self._missed = deque[range](maxlen=MISSED_MAX)

    def hold(self, number: int, message: Message | None) -> bool:
        """Remember a message that is early. False at HELD_MAX."""
        if len(self._held) >= HELD_MAX:
            return False
        self._held[number] = message
        return True

    def holds(self, number: int) -> bool:
        return number in self._held

    def ready(self) -> tuple[int, Message | None] | None:
        """Take the lowest held message that is due or that a gap fill has passed over."""
        number = min(self._held, default=None)
        if number is None or number > self.expected:
            return None
        return number, self._held.pop(number)

    def pass_over(self, number: int) -> None:
        """Go on at `number`; what lies before it is lost, unless it comes late."""
        if number > self.expected:
            self._missed.append(range(self.expected, number))
            self.expected = number

    def recover(self, number: int) -> bool:
        """Whether `number` was passed over and comes only now; True once for each."""
        for missed in self._missed:
            if number in missed:
                self._missed.remove(missed)
                halves = range(missed.start, number), range(number + 1, missed.stop)
                self._missed.extend(half for half in halves if half)
                return True
        return False

    @property
    def waiting(self) -> bool:
        """Whether something is missing before a message that has come."""
        return bool(self._held)

    def to_ask(self) -> tuple[int, int] | None:
        """The missing range, first and last, if it was not asked for yet; it counts as asked then."""
        if not self._held or self.expected <= self._asked_through:
            return None
        first_held = min(self._held)
        self._asked_through = first_held - 1
        return self.expected, first_held - 1
