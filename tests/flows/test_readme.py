"""What the README shows is what works: its client, its commands, and that CI runs its test command."""

import os
import re
import subprocess
import sys
from pathlib import Path

import trio

from tests.support.world import TOKEN, world

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


async def test_the_client_in_ten_lines_trades(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    async with world(tmp_path) as (made, _desk, _oracle):
        environ = os.environ | {"PRIMEFIXD_URL": made.url, "PRIMEFIXD_TOKEN": TOKEN, "PYTHONUNBUFFERED": "1"}
        client = subprocess.Popen([sys.executable, "-c", program], env=environ, stdout=subprocess.PIPE, text=True)
        heard = ""
        with trio.move_on_after(15):
            while "order.updated OPEN" not in heard:
                heard += await trio.to_thread.run_sync(client.stdout.readline, abandon_on_cancel=True)
        client.kill()
        client.wait()
        client.stdout.close()
    assert "order.updated OPEN" in heard


def test_every_command_that_the_readme_names_exists() -> None:
    named = set(re.findall(r"^primefixd ([a-z-]+)", README, re.MULTILINE))
    assert {"sandbox", "check", "run", "status", "submit"} <= named
    for command in named:
        done = subprocess.run([sys.executable, "-m", "primefixd", command, "--help"], capture_output=True, check=False)
        assert done.returncode == 0, command


def test_ci_takes_its_test_command_from_the_readme() -> None:
    extract = re.search(r"^test_command=\$\((.*)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert extract is not None
    found = subprocess.run(["bash", "-c", extract[1]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert found.strip() in README and "pytest" in found and ".[dev]" in found
