"""A writer that is killed: everything it called committed is there, and nothing by halves."""

import random
import subprocess
import sys
from pathlib import Path

from tests.support.stored import contents, expected, opened

KILLS = 30
WRITE = """
import sys
from pathlib import Path
from tests.support.stored import commit, opened
store = opened(Path(sys.argv[1]), "other")
number = store.load().newest // 2
while True:
    number += 1
    store.commit(commit(number))
    print(number, flush=True)
"""


def _killed(folder: Path, lines: int) -> int:
    """The last commit that it told of."""
    command = [sys.executable, "-c", WRITE, str(folder)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        told += writer.stdout.readlines()
    return int(next(line for line in reversed(told) if line.endswith("\n")))


def test_whatever_was_told_is_there_after_kills_at_random_moments(tmp_path: Path) -> None:
    draw = random.Random(11)
    told = 0
    for _ in range(KILLS):
        before, told = told, _killed(tmp_path, draw.randint(1, 60))
        assert told > before
        if draw.random() < 0.5:
            continue  # the next writer opens what this one left
        store = opened(tmp_path)
        made = store.load().newest // 2
        assert told <= made <= told + 1
        assert contents(store) == expected(made)
        assert all("bytes after the last whole commit" in remark for remark in store.load().remarks)
        store.close()
