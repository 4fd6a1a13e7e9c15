"""A secret shows itself only to who asks by name."""

import pickle

import pytest
import structlog
from attrs import frozen

from primefixd.secret import Secret


@frozen
class Held:
    secret: Secret


def test_it_prints_nowhere() -> None:
    secret = Secret("hunter2")
    for text in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>20}",
        f"{secret}",
        repr(Held(secret)),
        repr([secret]),
    ):
        assert "hunter2" not in text
    assert "hunter2" not in str(structlog.processors.KeyValueRenderer()(None, "", {"x": secret}))
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_it_is_compared_by_value_and_told_on_request() -> None:
    assert Secret("a") == Secret("a") != Secret("b") and hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a").reveal() == "a"
    assert Secret("gé").matches("gé") and not Secret("a").matches("a ") and not Secret("a").matches("\udcff")
