"""The FIX log: what leaves and comes, one line each, masked, in the background, and lossy only where it says so."""

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from primefixd import logs
from primefixd.fix.codec import Decoder, encode
from primefixd.logs import Masking
from primefixd.runtime import fixlog
from primefixd.runtime.fixlog import FixLog
from primefixd.runtime.settings import FixLogSettings
from primefixd.secret import Secret
from tests.support.storage import in_place

AT = datetime(2026, 3, 2, 15, 0, 0, 123, tzinfo=UTC)
HEARTBEAT = encode([(35, "0"), (49, "me"), (34, "7")])


@pytest.fixture
def told() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What the daemon's own log says."""
    out = io.StringIO()
    logs.set_up(out=out)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    logs.set_up(level="critical")


class Disk:
    """Runs what blocks in place; hangs while `held`, and fails with `error`."""

    def __init__(self) -> None:
        self.held: trio.Event | None = None
        self.error: OSError | None = None

    async def blocking(self, work: Callable[[], Any], /) -> Any:
        if self.held is not None:
            await self.held.wait()
        await trio.lowlevel.checkpoint()
        if self.error is not None:
            raise self.error
        return work()


def made(file: Path, disk: Disk | None = None, *secrets: str) -> FixLog:
    mask = Masking(map(Secret, secrets)).values
    return FixLog(FixLogSettings(file=file), mask, disk.blocking if disk else in_place)


async def written(log: FixLog) -> None:
    """Everything that waits, and the end of the task."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(log.run)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()


async def test_each_message_is_a_line_with_time_session_and_direction(tmp_path: Path) -> None:
    log = made(tmp_path / "fix.log")
    log.sent("main-1", HEARTBEAT, AT)
    accented = encode([(35, "8"), (58, "é")])
    log.received("main-2", Decoder().feed(HEARTBEAT + accented), AT)
    await written(log)
    first, second, third = (tmp_path / "fix.log").read_text().splitlines()
    shown = HEARTBEAT.decode().replace("\x01", "|")
    assert first == f"2026-03-02T15:00:00.000123Z main-1 out {shown}"
    assert second == f"2026-03-02T15:00:00.000123Z main-2 in {shown}"
    assert third.endswith(f" main-2 in {accented.decode()}".replace("\x01", "|"))
    assert (tmp_path / "fix.log").stat().st_mode & 0o777 == 0o600


async def test_what_was_garbled_is_told_by_size_and_reason_and_not_by_content(tmp_path: Path) -> None:
    log = made(tmp_path / "fix.log")
    log.received("s", Decoder().feed(HEARTBEAT[:-4] + b"999\x01" + HEARTBEAT), AT)
    await written(log)
    first, second = (tmp_path / "fix.log").read_text().splitlines()
    assert first.endswith(f"s in garbled {len(HEARTBEAT)} bytes: the CheckSum is wrong")
    assert "|35=0|" in second


@pytest.mark.parametrize("direction", ["in", "out"])
async def test_secrets_are_masked_by_tag_and_by_value_whatever_they_hold(tmp_path: Path, direction: str) -> None:
    fields = [(35, "A"), (95, "9"), (96, "sig\x01natur"), (554, "my|pass=1"), (9407, "key"), (58, "not pa|55=ss")]
    data = encode(fields)
    log = made(tmp_path / "fix.log", None, "pa|55=ss")
    if direction == "out":
        log.sent("s", data, AT)
    else:
        log.received("s", Decoder().feed(data), AT)
    await written(log)
    text = (tmp_path / "fix.log").read_text()
    assert "|35=A|95=9|96=***|554=***|9407=***|58=not ***|10=" in text


async def test_a_value_can_neither_break_the_line_nor_look_like_a_field(tmp_path: Path) -> None:
    log = made(tmp_path / "fix.log")
    log.sent("s", encode([(35, "8"), (58, "a|39=2|b\nc\x1bd")]), AT)
    await written(log)
    (line,) = (tmp_path / "fix.log").read_text().splitlines()
    assert line.partition("|35=8")[2].startswith(r"|58=a\x7c39=2|b\nc\x1bd|10=")


async def test_neither_side_waits_for_a_disk_that_hangs_and_what_is_too_much_is_counted(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch, told: Any
) -> None:
    monkeypatch.setattr(fixlog, "WAITING_MAX_BYTES", 10 * (len(HEARTBEAT) + 300))
    disk = Disk()
    disk.held = trio.Event()
    log = made(tmp_path / "fix.log", disk)
    nursery.start_soon(log.run)
    log.sent("s", HEARTBEAT, AT)
    await trio.sleep(1)
    for _ in range(14):
        log.sent("s", HEARTBEAT, AT)
    assert log.dropped == 5 and not (tmp_path / "fix.log").exists()
    disk.held.set()
    await trio.sleep(1)
    log.sent("s", HEARTBEAT, AT)
    await trio.sleep(1)
    lines = (tmp_path / "fix.log").read_text().splitlines()
    assert [line.split()[2] for line in lines] == ["out"] * 10 + ["dropped"] + ["out"]
    assert lines[10].endswith("- dropped 5 lines: the disk did not keep up")
    assert [line["event"] for line in told()] == ["fix_log_full", "fix_log_dropped"] and told()[1]["lines"] == 5
    nursery.cancel_scope.cancel()


async def test_what_a_full_disk_did_not_take_waits_and_is_said_once(
    tmp_path: Path, autojump_clock: MockClock, nursery: trio.Nursery, told: Any
) -> None:
    disk = Disk()
    disk.error = OSError(28, "No space left on device")
    log = made(tmp_path / "fix.log", disk)
    nursery.start_soon(log.run)
    for _ in range(3):
        log.sent("s", HEARTBEAT, AT)
        await trio.sleep(2)
    disk.error = None
    await trio.sleep(2)
    assert [line["event"] for line in told()] == ["fix_log_not_writable", "fix_log_writable"]
    assert len((tmp_path / "fix.log").read_text().splitlines()) == 3 and log.dropped == 0
    nursery.cancel_scope.cancel()


async def test_a_stop_writes_what_waits_and_gives_up_on_a_disk_that_fails(tmp_path: Path) -> None:
    disk = Disk()
    log = made(tmp_path / "fix.log", disk)
    for _ in range(fixlog.GROUP_MAX_LINES + 1):
        log.sent("s", HEARTBEAT, AT)
    await written(log)
    assert len((tmp_path / "fix.log").read_text().splitlines()) == fixlog.GROUP_MAX_LINES + 1
    disk.error = OSError(28, "No space left on device")
    log.sent("s", HEARTBEAT, AT)
    with trio.fail_after(5):
        await written(log)
