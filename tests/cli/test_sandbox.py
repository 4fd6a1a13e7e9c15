"""`primefixd sandbox` leaves files that only their owner can read, and a configuration that works."""

import json
import signal
import socket
import subprocess
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.cli.conftest import first_line, start, stop

OPEN = (signal.SIGTERM, 0), (signal.SIGINT, 130)


@pytest.fixture
def play(tmp_path):
    running = []

    def begin(*options):
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        running.append(start("sandbox", "--json", *options, cwd=tmp_path, **quiet))
        return json.loads(first_line(running[-1]))

    begin.running = running
    yield begin
    for process in running:
        stop(process)


def test_a_made_up_venue_comes_with_keys_a_ca_and_a_configuration(play, primefixd, tmp_path):
    told = play("--port", 0, "--write-config", "made.yaml")
    assert told["tls"] is True and told["control"] is None
    private = [tmp_path / "made.yaml", *(tmp_path / "state/sandbox/credentials").iterdir()]
    assert len(private) == 1 + 14 * 3 + 1
    assert {oct(file.stat().st_mode)[-3:] for file in private} == {"600"}
    done = primefixd("check", "--config", "made.yaml")
    assert done.stdout == "configuration is valid: 2 portfolios, 14 sessions, 1 client\n"
    assert told["venue"].partition(":")[2] in (tmp_path / "made.yaml").read_text()


def test_keys_are_random_and_kept(play, tmp_path):
    def secrets():
        return {file.name: file.read_text() for file in (tmp_path / "state/sandbox/credentials").iterdir()}

    play("--port", 0)
    first = secrets()
    stop(play.running.pop())
    play("--port", 0)
    assert secrets() == first
    assert len(set(first.values())) == len(first)
    play("--port", 0, "--state-dir", "elsewhere")
    assert (tmp_path / "elsewhere/sandbox/credentials/desk.token").read_text() != first["desk.token"]


@pytest.mark.parametrize(("number", "code"), OPEN)
def test_it_ends_as_it_is_told(play, number, code):
    play("--port", 0)
    assert stop(play.running.pop(), number) == code


def test_people_are_told_where_everything_is_and_which_keys_it_takes(tmp_path):
    process = start("sandbox", "--port", 0, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    first_line(process)
    lines = [process.stdout.readline() for _ in range(20)]
    text = "".join(lines)
    key = (tmp_path / "state/sandbox/credentials/beta-drop.key").read_text().strip()
    secret = (tmp_path / "state/sandbox/credentials/beta-drop.secret").read_text().strip()
    stop(process)
    assert "state/sandbox/ca.pem" in text and key in text and secret not in text
    assert max(len(line) for line in lines if "/" not in line) <= 81


def test_a_configuration_is_played_as_it_stands(play, primefixd, tmp_path):
    play("--port", 0, "--no-tls", "--write-config", "made.yaml")
    made = (tmp_path / "made.yaml").read_text()
    assert "tls: false" in made and "ca_file: null" in made
    stop(play.running.pop())
    with_tls = made.replace("tls: false", "tls: true").replace("ca_file: null", "ca_file: own-ca.pem")
    (tmp_path / "own.yaml").write_text(with_tls)
    (tmp_path / "own.yaml").chmod(0o600)
    told = play("--config", "own.yaml", "--port", 0, "--control-port", 0)
    assert told["tls"] is True and told["control"].startswith("ws://127.0.0.1:")
    assert (tmp_path / "own-ca.pem").read_bytes() == (tmp_path / "state/sandbox/sandbox-ca.pem").read_bytes()
    assert primefixd("check", "--config", "own.yaml").returncode == 0


def test_rest_is_served_and_named_in_the_configuration(play, primefixd, tmp_path):
    told = play("--port", 0, "--rest-port", 0, "--write-config", "made.yaml")
    rest = told["rest"]
    assert rest.startswith("http://127.0.0.1:") and rest.endswith("/v1")
    assert f'rest:\n  url: "{rest}"\n' in (tmp_path / "made.yaml").read_text()
    assert primefixd("check", "--config", "made.yaml").returncode == 0
    with pytest.raises(HTTPError) as refused:
        urlopen(f"{rest}/portfolios/00000000-0000-4000-8000-000000000001/orders", timeout=10)
    assert refused.value.code == 401
    refused.value.close()
    assert play("--port", 0)["rest"] is None


def test_a_ca_file_of_somebody_else_is_left_alone(play, primefixd, tmp_path):
    play("--port", 0, "--write-config", "made.yaml")
    stop(play.running.pop())
    (tmp_path / "state/sandbox/sandbox-ca.pem").unlink()  # so that another CA is made
    done = primefixd("sandbox", "--config", "made.yaml", "--port", 0)
    assert done.returncode == 78
    assert "holds another CA than the sandbox's" in done.stderr and done.stderr.count("\n") == 1


def test_it_plays_on_this_machine_only(primefixd, tmp_path):
    text = "venue: {host: fix.example.com, port: 4198}\nportfolios: [{name: m, portfolio_id: p, risk: none, "
    text += "sessions: [{name: s, service_account_id: a, api_key: {value: k}, api_secret: {value: s}, "
    text += "passphrase: {value: w}}]}]\n"
    (tmp_path / "far.yaml").write_text(text)
    (tmp_path / "far.yaml").chmod(0o600)
    done = primefixd("sandbox", "--config", "far.yaml")
    assert done.returncode == 78
    assert "venue.host: is fix.example.com" in done.stderr.splitlines()[-1]


def test_a_configuration_of_somebody_else_is_not_overwritten(primefixd, tmp_path):
    (tmp_path / "mine.yaml").write_text("venue: {}\n")
    done = primefixd("sandbox", "--port", 0, "--write-config", "mine.yaml")
    assert done.returncode == 1
    assert "give --write-config another name" in done.stderr and done.stderr.count("\n") == 1
    assert (tmp_path / "mine.yaml").read_text() == "venue: {}\n"


def test_a_port_in_use_and_a_folder_that_cannot_be_used_are_one_sentence(primefixd, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = primefixd("sandbox", "--port", taken.getsockname()[1])
    assert done.returncode == 1
    assert done.stderr.startswith("cannot listen: ") and done.stderr.count("\n") == 1
    (tmp_path / "file").write_text("")
    done = primefixd("sandbox", "--port", 0, "--state-dir", "file")
    assert done.returncode == 1
    assert done.stderr.startswith("cannot use ") and done.stderr.count("\n") == 1
