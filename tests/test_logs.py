"""Whatever is logged, and by whom: one event a line, and no secret in it."""

import io
import json
import logging
from collections.abc import Iterator
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
