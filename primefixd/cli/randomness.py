"""Random ids and secrets for commands, from the system's own source. Nothing here can be seeded."""

import os
from base64 import urlsafe_b64encode


def new_id() -> str:
    """A random UUID (RFC 9562 version 4)."""
    number = os.urandom(16).hex()
    return (
        f"{number[:8]}-{number[8:12]}-4{number[13:16]}-{'89ab'[int(number[16], 16) % 4]}{number[17:20]}-{number[20:]}"
    )


def new_secret(size: int) -> str:
    """`size` random bytes as letters, digits, `-` and `_`, without padding."""
    return urlsafe_b64encode(os.urandom(size)).decode().rstrip("=")
