"""Files that rotate: private, whole lines or nothing, and only so many."""

import os
from pathlib import Path

import pytest

from primefixd.runtime import rotated
from primefixd.runtime.rotated import Rotated


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted(folder.iterdir())}


def test_a_full_file_is_kept_under_a_number_and_the_oldest_goes(tmp_path: Path) -> None:
    file = Rotated(tmp_path / "f", 4, 2)
    for line in "abcdefg":
        file.append(f"{line}\n".encode())
    assert contents(tmp_path) == {"f": "g\n", "f.1": "e\nf\n", "f.2": "c\nd\n"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


def test_one_that_is_too_long_for_a_file_is_whole_all_the_same(tmp_path: Path) -> None:
    file = Rotated(tmp_path / "f", 4, 3)
    for _ in range(2):
        file.append(b"longer\n")
    assert contents(tmp_path) == {"f": "longer\n", "f.1": "longer\n"}


def test_a_file_of_wider_mode_is_narrowed_and_a_torn_line_ended(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("torn")
    (tmp_path / "f").chmod(0o644)
    Rotated(tmp_path / "f", 100, 1).append(b"a\n")
    assert contents(tmp_path) == {"f": "torn\na\n"}
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


def test_a_file_that_was_moved_away_is_made_anew(tmp_path: Path) -> None:
    file = Rotated(tmp_path / "f", 100, 1)
    file.append(b"a\n")
    (tmp_path / "f").rename(tmp_path / "mine")
    file.append(b"b\n")
    assert contents(tmp_path) == {"f": "b\n", "mine": "a\n"}


def test_a_disk_that_fills_up_half_way_leaves_nothing_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Rotated(tmp_path / "f", 100, 1)
    file.append(b"a\n")
    write, calls = os.write, []

    def filling(opened: int, lines: bytes) -> int:
        calls.append(lines)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(opened, lines[:3])

    monkeypatch.setattr(rotated.os, "write", filling)
    with pytest.raises(OSError, match="No space"):
        file.append(b"longer\n")
    assert contents(tmp_path) == {"f": "a\n"}


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "other").write_text("")
    (tmp_path / "f").symlink_to(tmp_path / "other")
    with pytest.raises(OSError, match="symbolic links"):
        Rotated(tmp_path / "f", 100, 1).append(b"a\n")
    assert (tmp_path / "other").read_text() == ""
