"""The rules of the house that a program can check: style, types, layers, sizes, and what the top level holds."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "primefixd").rglob("*.py"))
TOP_LEVEL = {"pyproject.toml", "README.md", "primefixd", "etc", "systemd", "tests"}
FUNCTION_LINES_MAX = 70
MODULE_LINES_MAX = 400


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "command",
    ["ruff check .", "ruff format --check .", "mypy", "lint-imports --no-cache"],
)
def test_the_checkers_have_nothing_to_say(command: str) -> None:
    program, *arguments = command.split()
    beside_python = str(Path(sys.executable).with_name(program))
    done = subprocess.run([beside_python, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"


def test_the_top_level_holds_nothing_else() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    held = {line.split("/")[0] for line in listed.stdout.splitlines()}
    assert {name for name in held if not name.startswith(".")} <= TOP_LEVEL


def _functions() -> Iterator[tuple[str, int]]:
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


def test_functions_and_modules_stay_small() -> None:
    assert [where for where, lines in _functions() if lines > FUNCTION_LINES_MAX] == []
    assert [str(path) for path in MODULES if len(path.read_text().splitlines()) > MODULE_LINES_MAX] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [str(path) for path in MODULES if not ast.get_docstring(ast.parse(path.read_text()))] == []
