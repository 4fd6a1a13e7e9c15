"""The units: what systemd itself thinks of them, and that they fit the sample configuration and the daemon."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from primefixd.runtime.portfolio import STOP_ACK_S, STOP_LOGOUT_S

ROOT = Path(__file__).parents[2]
UNITS = ("primefixd.service", "primefixd@.service")
EXPOSURE_MAX = 1.2
RUN_S = 30

analyzed = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


@pytest.fixture(params=UNITS)
def unit(request: pytest.FixtureRequest) -> Path:
    return ROOT / "systemd" / request.param


def values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", unit.read_text(), re.MULTILINE)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=RUN_S, check=False, stdin=subprocess.DEVNULL)


@analyzed
def test_its_exposure_is_small(unit: Path) -> None:
    told = analyze("security", "--offline=yes", "--no-pager", str(unit))
    (exposure,) = re.findall(r"Overall exposure level for \S+ ([\d.]+)", told.stdout)
    assert float(exposure) <= EXPOSURE_MAX, told.stdout


@analyzed
def test_systemd_finds_nothing_to_say_about_it(unit: Path, tmp_path: Path) -> None:
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace("/usr/bin/primefixd ", f"{sys.executable} "))
    told = analyze("verify", str(copy))
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")
    copy.write_text(copy.read_text().replace("WatchdogSec=", "WatchDogSec="))
    assert "WatchDogSec" in analyze("verify", str(copy)).stderr  # it does look, though it exits 0


def test_it_gets_every_credential_of_the_sample_configuration(unit: Path) -> None:
    sample = re.sub(r"#.*", "", (ROOT / "etc" / "primefixd.yaml").read_text())
    named = re.findall(r"\{credential: ([^}]+)\}", sample)
    folder = "/etc/primefixd/%i/credentials" if "@" in unit.name else "/etc/primefixd/credentials"
    assert len(named) > 20 and values(unit, "LoadCredential") == [f"{name}:{folder}/{name}" for name in named]


def test_each_instance_has_its_own_user_folders_and_configuration() -> None:
    for key in ("User", "Group", "StateDirectory", "RuntimeDirectory"):
        assert values(ROOT / "systemd" / "primefixd@.service", key) == ["primefixd-%i"]
        assert values(ROOT / "systemd" / "primefixd.service", key) == ["primefixd"]
    (start,) = values(ROOT / "systemd" / "primefixd@.service", "ExecStart")
    assert start.endswith("--config /etc/primefixd/%i/primefixd.yaml")


def test_both_units_differ_only_in_names_and_words() -> None:
    plain, template = (
        [line for line in (ROOT / "systemd" / name).read_text().splitlines() if not line.startswith("#")]
        for name in UNITS
    )
    named = [line.replace("primefixd-%i", "primefixd").replace("primefixd/%i", "primefixd") for line in template]
    assert [line.replace(" (%i)", "") for line in named] == plain


def test_a_stop_has_time_for_the_whole_drain(unit: Path) -> None:
    (most,) = values(unit, "TimeoutStopSec")
    assert float(most.removesuffix("s")) >= 2 * (STOP_ACK_S + STOP_LOGOUT_S)


def test_what_systemd_must_know_of_the_daemon(unit: Path) -> None:
    assert values(unit, "Type") == ["notify"] and values(unit, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert values(unit, "RestartPreventExitStatus") == ["78"] and values(unit, "WatchdogSec") == ["30s"]
    assert values(unit, "LimitCORE") == ["0"] and values(unit, "UMask") == ["0077"]
    assert values(unit, "PrivateUsers") == []  # it would hide the user ids by which clients on a Unix socket are told
