"""A type for text that must never be shown.

It stands beside `clock` at the bottom of the layers, since credentials pass through every one of them. It knows nothing
of where a secret came from.
"""

from hmac import compare_digest


class Secret:
    """Text that prints as `Secret(…)` wherever it turns up; only `reveal()` gives it back."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The secret text itself, for the one place that signs or compares with it."""
        return self._text

    def matches(self, other: str) -> bool:
        """Whether `other` is the same text, in a time that does not tell how much of it is right."""
        return compare_digest(self._text.encode(), other.encode("utf-8", "surrogateescape"))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.matches(other._text)

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __reduce__(self) -> str:
        raise TypeError("a Secret cannot be pickled")
