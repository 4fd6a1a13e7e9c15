"""`check --connect`: what the venue shows is told, and nobody's session is touched by asking."""

import json
import socket
import threading

import trustme

from tests.cli.test_run import GOOD


def test_certificate_and_clock_are_told_and_no_session_is_disturbed(rig):
    before = rig.json("sessions")["sessions"]
    done = rig.check("--connect", "--json")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)["venue"]
    assert (seen["venue"], seen["issuer"]) == (rig.told["venue"], "primefixd sandbox")
    assert seen["tls"] in ("TLSv1.2", "TLSv1.3") and seen["valid_until"].endswith("Z")
    assert abs(seen["clock_offset_ms"]) < 4000
    after = rig.json("sessions")["sessions"]
    assert [(s["state"], s["since"]) for s in after] == [(s["state"], s["since"]) for s in before]


def test_people_are_told_line_by_line(rig):
    told = rig.check("--connect").stdout.splitlines()
    assert told[0].startswith("configuration is valid")
    assert [line.split()[0] for line in told[1:]] == [
        "venue", "tls", "certificate", "issuer", "valid_until", "clock_offset_ms"
    ]  # fmt: skip


def test_a_certificate_of_another_authority_is_refused_in_one_sentence(rig, tmp_path):
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    done = rig.check("--connect", ca_file=other)
    assert done.returncode == 1
    assert "certificate was not accepted" in done.stderr and done.stderr.count("\n") == 1


def test_a_venue_that_is_not_there_and_one_that_says_nothing(primefixd, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=_hang_up, args=(listener,), daemon=True).start()
        silent = _check(primefixd, tmp_path, port)
    assert silent.returncode == 0 and json.loads(silent.stdout)["venue"]["clock_offset_ms"] is None
    assert "without a word" in silent.stderr
    gone = _check(primefixd, tmp_path, port)
    assert (gone.returncode, gone.stdout) == (1, "")
    assert gone.stderr.splitlines()[-1] == f"cannot connect to 127.0.0.1:{port}: Connection refused"


def _hang_up(listener):
    connection, _ = listener.accept()
    connection.recv(65_536)
    connection.close()


def _check(primefixd, folder, port):
    config = folder / "c.yaml"
    config.write_text(GOOD.replace("port: 4198", f"port: {port}").replace("{credential: desk.token}", "{value: t}"))
    config.chmod(0o600)
    return primefixd("check", "--config", config, "--connect", "--json", env={"KEY": "key-two"})
