"""Whatever is logged, and by whom: one event a line, and no secret in it."""

import io
import json
import logging
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog

from primefixd import logs
from primefixd.secret import Secret

SECRETS = [Secret("hunter2-is-long"), Secret("hunter2")]


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.set_up(SECRETS, out=stream)
    yield stream
    structlog.reset_defaults()
    logging.basicConfig(handlers=[logging.NullHandler()], force=True)


def test_a_line_is_one_json_object_with_event_level_and_time(out: io.StringIO) -> None:
    structlog.get_logger().info("started", portfolios=["main"], port=1)
    line = json.loads(out.getvalue())
    assert (line["event"], line["level"], line["portfolios"], line["port"]) == ("started", "info", ["main"], 1)
    assert line["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "told",
    [
        "hunter2",
        {"deep": ["x", {"er": "is hunter2-is-long here"}]},
        "35=A|554=my-phrase|9407=my-key|96=c2lnbmF0dXJl|10=001",
        "35=A\x01554=my-phrase\x0196=c2lnbmF0dXJl\x019407=my-key\x01",
        b"554=my-phrase\x01",
        ValueError("hunter2"),
    ],
)
def test_secrets_are_masked_wherever_they_turn_up(out: io.StringIO, told: object) -> None:
    structlog.get_logger().warning("odd", what=told)
    text = out.getvalue()
    assert "***" in text and not any(word in text for word in ("hunter2", "my-phrase", "my-key", "c2lnbmF0dXJl"))


def test_other_tags_are_not_masked(out: io.StringIO) -> None:
    structlog.get_logger().warning("odd", what="35=D|1554=x|196=y|38=5")
    assert "1554=x|196=y|38=5" in out.getvalue()


def test_tracebacks_are_masked_too(out: io.StringIO) -> None:
    try:
        raise RuntimeError("the key is hunter2")
    except RuntimeError:
        structlog.get_logger().exception("crashed")
    assert "RuntimeError" in out.getvalue() and "hunter2" not in out.getvalue()


def quoted(text: str) -> str:
    return urllib.parse.quote(text, safe="")


@pytest.mark.parametrize(
    "shown", [repr, ascii, lambda text: repr(text.encode()), json.dumps, quoted, "554={}|96=x".format]
)
@pytest.mark.parametrize("secret", ["""pá"s'w|or\\d/1""", """pá's'w|or\\d/1""", """pá"s"w|or\\d/1"""])
def test_a_secret_is_masked_however_it_was_printed(shown: Callable[[str], str], secret: str) -> None:
    masking = logs.Masking()
    assert masking.mask(shown(secret)) != "***"
    masking.learn([Secret(secret)])
    masked = masking.mask(f"it is {shown(secret)}!")
    assert "***" in masked and "or" not in masked.replace("it is", "")


def test_what_was_learned_first_stays_masked() -> None:
    masking = logs.Masking(SECRETS)
    masking.learn([Secret("rotated")])
    assert masking.mask("hunter2 rotated") == "*** ***"


def counted(out: io.StringIO) -> list[tuple[str, str | None, object]]:
    lines = map(json.loads, out.getvalue().splitlines())
    return [(line["event"], line.get("session"), line.get("times")) for line in lines]


def test_an_event_that_repeats_itself_is_told_so_often_a_minute_and_then_counted(
    out: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "REPEATS_MAX_PER_MINUTE", 2)
    log = structlog.get_logger()
    for _ in range(5):
        log.warning("gap", session="a", number=1)
    log.warning("gap", session="b")
    log.error("gap", session="a")
    assert counted(out) == [("gap", "a", None)] * 2 + [("gap", "b", None), ("gap", "a", None)]
    logs.tell_left_out()
    logs.tell_left_out()
    assert counted(out)[4:] == [("left_out", "a", 3)]
    said = json.loads(out.getvalue().splitlines()[-1])
    assert said["what"] == "gap" and said["minute"] == said["timestamp"][:16]
    log.warning("gap", session="a")
    assert len(counted(out)) == 5


def test_the_next_minute_says_what_the_last_one_left_out_and_begins_anew(
    monkeypatch: pytest.MonkeyPatch, out: io.StringIO
) -> None:
    monkeypatch.setattr(logs, "REPEATS_MAX_PER_MINUTE", 1)
    repetition = logs.Repetition()

    def happens(time: str) -> bool:
        try:
            return bool(repetition(None, "info", {"event": "gap", "level": "info", "timestamp": time, "session": "a"}))
        except structlog.DropEvent:
            return False

    assert [happens(f"2026-03-02T15:00:{second}Z") for second in ("01", "58", "59")] == [True, False, False]
    assert not out.getvalue()
    assert happens("2026-03-02T15:01:00Z")
    assert counted(out) == [("left_out", "a", 2)]
    assert json.loads(out.getvalue())["minute"] == "2026-03-02T15:00"


def test_kinds_beyond_the_bound_are_told_without_a_limit(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "REPEATS_MAX_PER_MINUTE", 1)
    monkeypatch.setattr(logs, "KINDS_MAX", 1)
    for event in ("a", "b", "b", "a"):
        structlog.get_logger().info(event)
    assert [event for event, _, _ in counted(out)] == ["a", "b", "b"]


def test_the_standard_librarys_loggers_are_limited_too(out: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "REPEATS_MAX_PER_MINUTE", 1)
    for number in range(3):
        logging.getLogger("some.library").error("it broke %d", number)
    logging.getLogger("another.library").error("it broke %d", 4)
    logs.tell_left_out()
    assert [event for event, _, _ in counted(out)] == ["it broke 0", "it broke 4", "left_out"]


def test_the_standard_librarys_loggers_come_out_the_same_way(out: io.StringIO) -> None:
    logging.getLogger("some.library").error("it knows hunter2")
    logging.getLogger("some.library").info("not told")
    line = json.loads(out.getvalue())
    assert line["level"] == "error" and line["event"] == "it knows ***"


def logged_to(file: Path, journal: str) -> list[str]:
    """What arrives in `file` when $JOURNAL_STREAM names `journal`."""
    with file.open("w") as out, pytest.MonkeyPatch.context() as patch:
        patch.setenv("JOURNAL_STREAM", journal)
        logs.set_up(SECRETS, out=out, level="debug")
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(structlog.get_logger(), level)("said", what="hunter2\nis out")
        logging.getLogger("some.library").warning("not asked")
        logging.addLevelName(35, "LOUD")
        logging.getLogger("some.library").log(35, "shouted")
        logging.basicConfig(handlers=[logging.NullHandler()], force=True)
        structlog.reset_defaults()
    return file.read_text().splitlines()


def test_lines_for_the_journal_open_with_their_priority(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    file.touch()
    found = file.stat()
    lines = logged_to(file, f"{found.st_dev}:{found.st_ino}")
    assert [line[:3] for line in lines] == ["<7>", "<6>", "<4>", "<3>", "<2>", "<4>", "<5>"]
    assert [json.loads(line[3:])["event"] for line in lines] == ["said"] * 5 + ["not asked", "shouted"]


def test_another_stream_than_the_journals_gets_plain_lines(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for journal in ("", "1:2", f"{file.stat().st_dev}:{tmp_path.stat().st_ino}"):
        assert all(json.loads(line)["event"] for line in logged_to(file, journal))
