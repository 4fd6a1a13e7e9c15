"""`primefixd journal` beside a real daemon, and the restore drill: backup, disaster, restore; then all is known."""

import json
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from tests.cli.conftest import PROGRAM, QUIET
from tests.support.world import CROSSING, RESTING, World, agree, booked, configuration, until, until_ready, world


async def primefixd(folder: Path, *arguments: str) -> tuple[int, str, str]:
    """Exit code and what was printed."""
    done = await trio.run_process(
        [*PROGRAM, "journal", *arguments], capture_stdout=True, capture_stderr=True, check=False, cwd=folder, env=QUIET
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


async def test_the_journal_of_a_running_daemon_is_verified_backed_up_and_exported(tmp_path: Path) -> None:
    async with world(tmp_path) as (live, desk, _):
        for number in range(5):
            await desk.submit(client_order_id=f"o-{number}", **CROSSING)
            await until(desk, f"o-{number}", status="FILLED")
        newest = (await desk.info())["cursor"]
        code, said, _ = await primefixd(tmp_path, "verify", "--state-dir", "state")
        assert code == 0 and said.startswith("journal is whole: state\n")
        code, said, _ = await primefixd(tmp_path, "backup", "copy", "--config", str(live.file), "--json")
        made = json.loads(said)
        assert code == 0 and made["backup"] and made["newest"] >= newest and made["orders"] == 5
        code, said, _ = await primefixd(tmp_path, "verify", "--state-dir", "copy", "--json")
        assert code == 0 and json.loads(said) == made
        code, said, _ = await primefixd(tmp_path, "export", "--state-dir", "state")
        exported = [json.loads(line) for line in said.splitlines()]
        assert code == 0 and [event["cursor"] for event in exported[:newest]] == list(range(1, newest + 1))
        async with desk.subscribe(from_=0) as events:
            with trio.fail_after(10):
                async for event in events:
                    del event["previous"]
                    assert event == exported[event["cursor"] - 1]
                    if event["cursor"] == newest:
                        break
        code, said, _ = await primefixd(tmp_path, "export", "--state-dir", "copy", "--from", str(newest - 1))
        assert code == 0 and json.loads(said.splitlines()[0]) == exported[newest - 1]
        await desk.submit(client_order_id="after", **CROSSING)
        await until(desk, "after", status="FILLED")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("verify", "--state-dir", "none"), 1, "there is no journal in none; name a daemon's state directory"),
        (("verify",), 1, "there is no journal in state; name a daemon's state directory"),
        (("export", "--config", "none.yaml"), 78, "none.yaml:1: file: cannot be read"),
        (("backup",), 2, "Missing argument 'FOLDER'"),
        (("backup", "there", "--state-dir", "none"), 1, "there is no journal in none"),
        (("export", "--from", "-1"), 2, "Invalid value for '--from'"),
    ],
)
async def test_what_cannot_be_is_one_sentence_and_its_exit_code(
    tmp_path: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    ended, said, told = await primefixd(tmp_path, *arguments)
    assert (ended, said) == (code, "") and words in told and "Traceback" not in told
    assert not (tmp_path / "there").exists()


async def test_a_damaged_journal_ends_with_1_and_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "journal.sqlite").write_bytes(b"nonsense" * 1000)
    code, said, told = await primefixd(tmp_path, "verify")
    assert (code, said) == (1, "") and told.startswith("state/journal.sqlite is damaged: file is not a database; ")


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[World]:
    made = World(folder, configuration(folder, top=("reconcile_grace_s: 1",)))
    try:
        await made.start_sandbox()
        await made.start_daemon()
        yield made
    finally:
        for name in list(made.processes):
            await made.end(name)


async def test_the_restore_drill_knows_every_order_of_the_backup_and_asks_what_became_of_it(tmp_path: Path) -> None:
    async with running(tmp_path) as live, live.oracle() as oracle:
        async with live.desk() as desk:
            await until_ready(desk)
            await desk.submit(client_order_id="done", **CROSSING)
            await until(desk, "done", status="FILLED")
            for key in ("stays", "is filled", "is cancelled"):
                await desk.submit(client_order_id=key, **RESTING)
                await until(desk, key, status="OPEN")
            journal = (await desk.info())["journal"]
            assert (await primefixd(tmp_path, "backup", "copy", "--state-dir", "state"))[0] == 0
            await oracle.call("venue.fill", client_order_id="is filled")
            await until(desk, "is filled", status="FILLED")
            await desk.cancel("is cancelled")
            await until(desk, "is cancelled", status="CANCELLED")
        await live.end("daemon")
        for file in (tmp_path / "state").glob("journal.*"):
            file.unlink()
        for file in (tmp_path / "copy").iterdir():
            shutil.copy(file, tmp_path / "state")
        await live.start_daemon()
        async with live.desk() as desk:
            await until_ready(desk)
            at_venue = await booked(oracle)
            ends = {"done": "FILLED", "stays": "OPEN", "is filled": "FILLED", "is cancelled": "CANCELLED"}
            await until(desk, "is filled", filled_quantity="0.01")  # told as a total only, so a little later
            for key, status in ends.items():
                agree(await until(desk, key, status=status, in_doubt=False), at_venue[key])
            assert (await desk.info())["journal"] != journal
            again = await desk.submit(client_order_id="stays", **RESTING)
            assert again["duplicate"] and (await booked(oracle))["stays"]["received"] == 1
            await desk.cancel("stays")
            await until(desk, "stays", status="CANCELLED")
        remarks = [line["remark"] for line in live.log() if line["event"] == "journal_remark"]
        assert len(remarks) == 1 and "is a backup, so what came after it is not known here" in remarks[0]
