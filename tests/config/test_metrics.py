"""The section `metrics`: off unless written, and on the loopback only."""

import re
from pathlib import Path

import pytest

from primefixd.config import ConfigError, load
from primefixd.metrics.settings import MetricsSettings

SAMPLE = (Path(__file__).parents[2] / "etc" / "primefixd.yaml").read_text()


def text(metrics: str) -> str:
    """The sample with secrets of its own and that line in place of its section `metrics`."""
    with_secrets = re.sub(r"\{credential: ([^}]*)\}", r"{value: \1}", SAMPLE)
    changed, sections = re.subn(r"(?m)^metrics:.*\n  listen: 127\.0\.0\.1:9417.*$", metrics, with_secrets)
    assert sections == 1
    return changed


def loaded(folder: Path, metrics: str) -> MetricsSettings | None:
    file = folder / "c.yaml"
    file.touch(mode=0o600)
    file.write_text(text(metrics))
    return load(file, None, {}).settings.metrics


def test_it_is_off_unless_it_is_written(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") is None
    assert loaded(tmp_path, "metrics: null") is None
    assert loaded(tmp_path, "metrics: {listen: 127.0.0.1:9417}") == MetricsSettings(listen="127.0.0.1:9417")
    assert loaded(tmp_path, "metrics: {listen: '[::1]:9417'}") == MetricsSettings(listen="[::1]:9417")


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{listen: 0.0.0.0:9417}", "metrics.listen: is not on the loopback"),
        ("{listen: example.com:9417}", "metrics.listen: is not on the loopback"),
        ("{listen: '[::]:9417'}", "metrics.listen: is not on the loopback"),
        ("{listen: unix:/run/metrics.sock}", "metrics.listen: must be HOST:PORT"),
        ("{listen: 127.0.0.1:99999}", "metrics.listen: must be HOST:PORT"),
        ("{listen: 9417}", "metrics.listen: must be"),
        ("{listen: 127.0.0.1:8417}", "metrics.listen: is in control.listen as well"),
        ("{}", "metrics"),
        ("{listen: 127.0.0.1:9417, token: x}", "metrics.token"),
    ],
)
def test_anything_else_is_refused_in_words(tmp_path: Path, written: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, f"metrics: {written}")
    (problem,) = refused.value.problems
    line = text("metrics: here").splitlines().index("metrics: here") + 1
    assert told in problem and f"{tmp_path}/c.yaml:{line}:" in problem
