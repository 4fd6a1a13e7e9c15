"""What commands print fits, and carries nothing that steers a terminal."""

import pytest

from primefixd.cli.output import moment, plain, say_pairs, say_table, span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.9, "0 s"), (59, "59 s"), (60, "1 min"), (13_200, "3 h 40 min"), (183_600, "2 d 3 h")],
)
def test_spans_are_told_in_words(seconds, words):
    assert span(seconds) == words


def test_control_characters_line_ends_and_lone_surrogates_are_escaped():
    assert plain("a\x1b[1m\r\nb\ud800é") == "a\\x1b[1m\\r\\nb\\ud800é"


def test_tables_fit_eighty_columns_and_lose_nothing(capsys):
    name = "0190a1b2-7c3d-7e4f-8a5b-6c7d8e9f0a1b"
    rows = [(name, "SHIB-USDC", "SELL", "123456789.12345678", "0.00001234", None, "PENDING_CANCEL?")]
    say_table(("ORDER", "PRODUCT", "SIDE", "SIZE", "PRICE", "FILLED", "STATUS"), rows, folding=("ORDER", "SIZE"))
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "".join(line.split("  ")[0].strip() for line in text.splitlines()[1:]).startswith("0190a1b2")
    letters = [char for char in text if not char.isspace()]
    assert all(letters.count(char) >= name.count(char) for char in set(name))
    assert "PENDING_CANCEL?" in text and "–" in text and "\x1b" not in text


def test_pairs_without_a_value_are_left_out(capsys):
    say_pairs([("name", "x"), ("other", None), ("longer", 2)])
    assert capsys.readouterr().out == "name    x\nlonger  2\n"


def test_a_time_that_is_none_stays_none():
    assert moment("soon") is None and moment(None) is None
    assert moment("2026-01-31T16:55:00Z").isoformat() == "2026-01-31T16:55:00+00:00"
