"""The control port's parameters, read as strictly as the daemon's own protocol reads (contract.md section 3)."""

from collections.abc import Mapping
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from primefixd.sandbox.values import read_amount

TEXT_MAX_CHARS = 200

_E = TypeVar("_E", bound=StrEnum)


class Wrong(Exception):
    """A parameter that cannot be; `field` is its path, the text what is wrong with it."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"params.{name} {what}")
        self.field = f"params.{name}"


class Parameters:
    """The members of `params`, taken one by one; `end` refuses what nobody took."""

    def __init__(self, members: Mapping[str, object]) -> None:
        self._members = dict(members)

    def end(self) -> None:
        """Raises Wrong for the first member that this method does not have."""
        for name in self._members:
            shown = name[:TEXT_MAX_CHARS].encode("ascii", "backslashreplace").decode()
            raise Wrong(shown, "is not a parameter of this method")

    def text(self, name: str) -> str:
        """Required printable text."""
        value = self.optional_text(name)
        if value is None:
            raise Wrong(name, "is required")
        return value

    def optional_text(self, name: str) -> str | None:
        value = self._members.pop(name, None)
        if value is not None and not (isinstance(value, str) and 0 < len(value) <= TEXT_MAX_CHARS):
            raise Wrong(name, f"must be a text of 1 to {TEXT_MAX_CHARS} characters")
        if isinstance(value, str) and not value.isprintable():
            raise Wrong(name, "must be printable")
        return value

    def flag(self, name: str, default: bool | None = None) -> bool:
        """True or false; required without a default."""
        value = self._members.pop(name, default)
        if not isinstance(value, bool):
            raise Wrong(name, "must be true or false")
        return value

    def number(self, name: str, most: int, default: int | None = None) -> int:
        """A whole number from 0 to `most`; required without a default."""
        value = self._members.pop(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise Wrong(name, f"must be a whole number from 0 to {most}")
        return value

    def amount(self, name: str) -> Decimal:
        """A required positive decimal, as text."""
        value = self.optional_amount(name)
        if value is None:
            raise Wrong(name, "is required")
        return value

    def optional_amount(self, name: str) -> Decimal | None:
        value = self._members.pop(name, None)
        amount = read_amount(value) if isinstance(value, str) else None
        if value is not None and amount is None:
            raise Wrong(name, 'must be a positive decimal in a string, such as "0.5"')
        return amount

    def choice(self, name: str, choices: type[_E]) -> _E:
        """One of the words of `choices`; required."""
        value = self._members.pop(name, None)
        found = next((choice for choice in choices if choice == value), None)
        if found is None:
            raise Wrong(name, f"must be one of {', '.join(choices)}")
        return found
