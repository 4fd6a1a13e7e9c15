"""Where the FIX log goes, and that it is on unless somebody writes it off."""

from pathlib import Path

import pytest

from primefixd.config import ConfigError, Settings, load
from primefixd.runtime.settings import FixLogSettings

TEXT = """\
venue: {host: 127.0.0.1, port: 4198}
control:
  clients: [{name: desk, token: {value: desk-token}, portfolios: "*", may: [trade]}]
portfolios:
  - name: main
    portfolio_id: p
    risk: none
    sessions:
      - service_account_id: a
        name: one
        api_key: {value: key}
        api_secret: {value: secret}
        passphrase: {value: word}
"""


def loaded(folder: Path, more: str) -> Settings:
    file = folder / "c.yaml"
    file.touch(mode=0o600)
    file.write_text(f"{TEXT}{more}\n")
    return load(file, None, {}).settings


@pytest.mark.parametrize("more", ["", "fix_log: {}", "fix_log: {file: null}"])
def test_unless_told_otherwise_it_lies_in_the_state_folder(tmp_path: Path, more: str) -> None:
    settings = loaded(tmp_path, f"state_dir: here\n{more}")
    assert settings.fix_log == FixLogSettings(file=tmp_path / "here" / "fix.log", max_mb=50, keep=10)


def test_it_can_lie_elsewhere_and_be_off(tmp_path: Path) -> None:
    told = loaded(tmp_path, "fix_log: {file: logs/f, max_mb: 1, keep: 2}").fix_log
    assert told == FixLogSettings(file=tmp_path / "logs" / "f", max_mb=1, keep=2)
    assert loaded(tmp_path, "fix_log: null").fix_log is None


@pytest.mark.parametrize("wrong", ["max_mb: 0", "keep: 0", "max_mb: '5'", "file: ''", "files: f", "keep: 1.5"])
def test_what_makes_no_sense_is_a_problem_by_its_key(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(ConfigError, match=f"fix_log.{wrong.split(':')[0]}"):
        loaded(tmp_path, f"fix_log: {{{wrong}}}")


def test_every_secret_of_the_file_is_told_for_masking(tmp_path: Path) -> None:
    assert {secret.reveal() for secret in loaded(tmp_path, "").secrets()} == {"desk-token", "key", "secret", "word"}
