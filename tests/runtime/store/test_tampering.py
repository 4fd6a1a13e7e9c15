"""Files cut and bytes flipped: right, or refused or remarked by name; never wrong in silence.

A run takes a sample; PRIMEFIXD_TAMPER_EVERY=1 in the environment tries every byte.
"""

import os
import re
import shutil
from pathlib import Path

import pytest

from primefixd.runtime.store import StoreRefused
from tests.support.stored import contents, expected, journal_of, opened

FIRST, MORE = 8, 3  # commits in the database and in its log
ALL = FIRST + MORE
EVERY = int(os.environ.get("PRIMEFIXD_TAMPER_EVERY", "211"))
FRAME = 24 + 4096


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("left") / "state"
    journal_of(folder, FIRST, MORE)
    return folder


def _snapshot(folder: Path) -> dict[str, bytes]:
    names = ("journal.sqlite", "journal.sqlite-wal", "journal.seal")
    return {name: path.read_bytes() for name in names if (path := folder / name).exists() and path.stat().st_size}


def _copy(left: Path, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(left, folder)
    return folder


def _found(folder: Path, name: str) -> str | None:
    """None when everything is right and nothing is said, else what is said; everything is right unless refused."""
    before = _snapshot(folder)
    try:
        store = opened(folder, "new")
    except StoreRefused as refused:
        assert name in str(refused) or "journal.sqlite" in str(refused)
        assert _snapshot(folder) == before, "a refused journal is left as it was found"
        return str(refused)
    stored = store.load()
    assert contents(store) == expected(ALL)
    store.close()
    if stored.remarks:
        assert all(str(folder) in remark for remark in stored.remarks)
        return " ".join(stored.remarks)
    return None


def test_a_log_cut_anywhere_is_refused_as_short_of_its_seal(left: Path, tmp_path: Path) -> None:
    folder = _copy(left, tmp_path / "state")
    log = folder / "journal.sqlite-wal"
    size = log.stat().st_size
    assert (size - 32) % FRAME == 0
    cuts = {cut for cut in range(0, size) if cut % EVERY == 0 or (cut - 32) % FRAME in (0, 1, 23, 24, 25, FRAME - 1)}
    missing_before = 1
    for cut in sorted(cuts, reverse=True):
        os.truncate(log, cut)
        said = _found(folder, log.name)
        assert said is not None
        found = re.match(r"commits are missing at the end of \S+/journal\.sqlite: (\d+)", said)
        assert found is not None
        assert missing_before <= int(found[1]) <= MORE
        missing_before = int(found[1])
    assert missing_before == MORE


@pytest.mark.parametrize("more", range(MORE + 1))
def test_a_cut_log_without_its_seal_gives_the_last_whole_commit(left: Path, tmp_path: Path, more: int) -> None:
    journal_of(tmp_path / "shorter", FIRST, more)
    ends = (tmp_path / "shorter" / "journal.sqlite-wal").stat().st_size
    folder = _copy(left, tmp_path / "state")
    (folder / "journal.seal").unlink()
    torn = min(ends + FRAME + 100, (left / "journal.sqlite-wal").stat().st_size)
    os.truncate(folder / "journal.sqlite-wal", torn)
    store = opened(folder, "new")
    assert contents(store) == expected(FIRST + more)
    remarks = store.load().remarks
    assert "journal.seal was missing" in remarks[-1]
    if more < MORE:
        assert f"{torn - max(ends, 32)} bytes after the last whole commit of {folder}/journal.sqlite-wal" in remarks[0]
    store.close()


@pytest.mark.parametrize("size", [1, 24, 1000, FRAME, FRAME + 1, 3 * FRAME])
def test_a_torn_tail_after_the_last_commit_is_dropped_and_remarked(left: Path, tmp_path: Path, size: int) -> None:
    journal_of(tmp_path / "longer", FIRST, MORE + 1)
    ends = (left / "journal.sqlite-wal").stat().st_size
    longer = tmp_path / "longer"
    shutil.copy(left / "journal.seal", longer / "journal.seal")
    os.truncate(longer / "journal.sqlite-wal", ends + size)
    said = _found(longer, "journal.sqlite-wal")
    assert said is not None
    assert f"{size} bytes after the last whole commit of {longer}/journal.sqlite-wal were dropped" in said


@pytest.mark.parametrize("name", ["journal.sqlite", "journal.sqlite-wal", "journal.seal"])
def test_a_flipped_byte_is_never_wrong_in_silence(left: Path, tmp_path: Path, name: str) -> None:
    original = (left / name).read_bytes()
    folder = _copy(left, tmp_path / "state")
    said: dict[int, str | None] = {}
    heads = {place for place in range(len(original)) if place < 100 or (name[-1] == "l" and (place - 32) % FRAME < 24)}
    for place in sorted(heads | set(range(0, len(original), EVERY))):
        changed = bytearray(original)
        changed[place] ^= 1 << (place % 8)
        (folder / name).write_bytes(changed)
        said[place] = _found(folder, name)
        if said[place] is None or "were dropped" in str(said[place]) or "new journal id" in str(said[place]):
            _copy(left, folder)
    if name == "journal.sqlite-wal":
        assert all("commits are missing" in str(text) for text in said.values())
        assert f"(frame 2 of {name} is damaged)" in str(said[32 + FRAME])
        assert f"(the header of {name} cannot be read)" in str(said[0])
    elif name == "journal.seal":
        assert all("journal.seal was missing or unreadable" in str(text) for text in said.values())
    else:
        assert any(said.values())


def test_a_database_cut_short_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    journal_of(folder, ALL, 0)
    size = (folder / "journal.sqlite").stat().st_size
    for cut in range(size - 1, 0, -1024):
        os.truncate(folder / "journal.sqlite", cut)
        said = _found(folder, "journal.sqlite")
        assert said is not None or cut > size - 4096, "the last bytes of its last page may be unused"
