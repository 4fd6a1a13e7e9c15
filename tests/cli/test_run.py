"""`check` tells every mistake with its line, and `run` starts with none of them."""

import json
import re
import subprocess

import pytest

from tests.cli.conftest import start, stop

KEYS = "api_key: {value: key-one}, api_secret: {value: secret-one}, passphrase: {value: pass-one}"
GOOD = f"""venue: {{host: 127.0.0.1, port: 4198, tls: false}}
control:
  listen: [127.0.0.1:0]
  clients:
    - {{name: desk, token: {{credential: desk.token}}, portfolios: "*", may: [trade]}}
portfolios:
  - name: main
    portfolio_id: p
    risk: none
    sessions:
      - {{name: main-1, service_account_id: a, {KEYS}, role: drop_copy}}
      - name: main-2
        service_account_id: b
        api_key: {{env: KEY}}
        api_secret: {{value: secret-two}}
        passphrase: {{value: pass-two}}
"""
BAD = GOOD.replace("listen: [127.0.0.1:0]", "listen: [0.0.0.0:80]\n  lisen: 1").replace("service_account_id: b", "")


@pytest.fixture
def checked(primefixd, tmp_path):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "desk.token").write_text("the-token\n")
    (tmp_path / "keys" / "desk.token").chmod(0o600)

    def check(text, *options, command="check"):
        (tmp_path / "c.yaml").write_text(text)
        (tmp_path / "c.yaml").chmod(0o600)
        options = ("--config", "c.yaml", "--credentials", "keys", *options)
        return primefixd(command, *options, env={"KEY": "key-two"})

    return check


def test_a_valid_configuration_is_counted(checked):
    done = checked(GOOD)
    assert (done.returncode, done.stdout) == (0, "configuration is valid: 1 portfolio, 2 sessions, 1 client\n")
    assert "c.yaml:11: " in done.stderr and "(warning)" in done.stderr


def test_the_counts_are_there_for_programs(checked):
    told = json.loads(checked(GOOD, "--json").stdout)
    assert (told["valid"], told["portfolios"], told["sessions"], told["clients"]) == (True, 1, 2, 1)
    assert told["warnings"] and told["problems"] == []


@pytest.mark.parametrize("command", ["check", "run"])
def test_every_problem_is_told_by_line_and_ends_with_78(checked, command):
    done = checked(BAD, command=command)
    assert (done.returncode, done.stdout) == (78, "")
    places = [line.split(": ")[:2] for line in done.stderr.splitlines()]
    assert ["c.yaml:3", "control.listen[0]"] in places
    assert ["c.yaml:4", "control.lisen"] in places
    assert any(key == "portfolios[0].sessions[1].service_account_id" for _, key in places)


def test_problems_are_there_for_programs_and_for_people_alike(checked):
    done = checked(BAD, "--json")
    assert done.returncode == 78
    told = json.loads(done.stdout)
    assert told["valid"] is False
    assert told["problems"] == done.stderr.splitlines()


@pytest.mark.parametrize("command", ["check", "run", "sandbox"])
def test_a_configuration_that_is_not_there_is_a_wrong_configuration(primefixd, command):
    done = primefixd(command, "--config", "absent.yaml")
    assert done.returncode == 78
    assert done.stderr.startswith("absent.yaml:1: ") and done.stderr.count("\n") == 1


def test_no_secret_is_ever_shown(checked):
    for command in ("check", "run"):
        for text in (GOOD.replace("port: 4198", "port: 0"), GOOD.replace("pass-two", "secret-two")):
            done = checked(text.replace("role: drop_copy", "role: dropcopy"), command=command)
            assert done.returncode == 78
            shown = done.stdout + done.stderr
            assert not [secret for secret in ("key-one", "secret-one", "pass-one", "the-token") if secret in shown]


def elsewhere(rig, folder):
    """The rig's configuration with a state directory of its own."""
    config = folder / "elsewhere.yaml"
    config.write_text(re.sub("(?m)^state_dir: .*", f"state_dir: {folder / 'own'}", rig.config.read_text()))
    config.chmod(0o600)
    return config


def test_a_state_folder_in_use_is_one_sentence(rig, primefixd):
    done = primefixd("run", "--config", rig.config)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"another primefixd (process {rig.daemon.pid}) uses ")
    assert "Traceback" not in done.stderr


def test_a_control_address_in_use_is_one_sentence_and_no_refusal_of_the_configuration(rig, primefixd, tmp_path):
    config = tmp_path / "own.yaml"
    config.write_text(re.sub("(?m)^state_dir: .*", f"state_dir: {tmp_path / 'own'}", rig.config.read_text()))
    config.chmod(0o600)
    done = primefixd("run", "--config", config)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("cannot listen: ")
    assert "or change control.listen " in done.stderr and str(config) in done.stderr
    assert "Traceback" not in done.stderr


def test_orders_kept_for_another_account_are_refused_as_a_wrong_configuration(rig, primefixd, tmp_path):
    config = elsewhere(rig, tmp_path).with_name("first.yaml")
    first = elsewhere(rig, tmp_path).read_text().replace(rig.url, f"unix:{tmp_path / 'c'}")
    config.write_text(first)
    config.chmod(0o600)
    daemon = start("run", "--config", config, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    while "started" not in daemon.stderr.readline():
        assert daemon.poll() is None
    stop(daemon)
    ids = re.findall("portfolio_id: (.*)", first)
    for wrong, says in (
        (first.replace(ids[0], "another-account"), "was kept with portfolio_id"),
        (first.replace("name: alpha\n", "name: gamma\n"), "was kept as portfolio alpha"),
    ):
        config.write_text(wrong)
        done = primefixd("run", "--config", config)
        assert (done.returncode, says in done.stderr.splitlines()[-1]) == (78, True), done.stderr


def test_the_log_of_a_running_daemon_is_json_and_holds_no_secret(rig):
    lines = rig.log.read_text().splitlines()
    assert {"started", "session_changed"} <= {json.loads(line)["event"] for line in lines}
    for file in rig.folder.glob("state/sandbox/credentials/*"):
        assert file.read_text().strip() not in rig.log.read_text()
