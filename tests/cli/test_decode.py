"""`primefixd decode` names tags and letters, masks secrets in every form, and reads a pipe as it comes."""

import json
import subprocess

import pytest

from primefixd.fix.codec import encode
from tests.cli.conftest import first_line, start, stop

REPORT = encode([(35, "8"), (34, "5"), (39, "2"), (54, "1"), (103, "6"), (139, "12"), (847, "L"), (5999, "?")])
LOGON = encode([(35, "A"), (34, "1"), (95, "9"), (96, "signature"), (554, "hush"), (9406, "N"), (9407, "the-key")])


def test_names_stand_beside_numbers_and_words_beside_letters(primefixd, tmp_path):
    (tmp_path / "log").write_bytes(b"in " + REPORT)
    lines = primefixd("decode", "log").stdout.splitlines()
    assert lines[0] == "ExecutionReport  in"
    assert "    39 OrdStatus            2  (filled)" in lines
    assert "    54 Side                 1  (BUY)" in lines
    assert "   103 OrdRejReason         6  (duplicate order)" in lines
    assert "   139 MiscFeeType          12  (trading desk)" in lines
    assert "   847 TargetStrategy       L  (limit)" in lines
    assert any(line.split() == ["5999", "?"] for line in lines)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_are_never_shown(primefixd, form):
    done = primefixd("decode", *form, stdin=LOGON.decode().replace("\x01", "|"))
    assert done.returncode == 0
    assert not [secret for secret in ("signature", "hush", "the-key") if secret in done.stdout]
    assert "AccessKey" in done.stdout


def test_json_is_one_object_a_message(primefixd):
    done = primefixd("decode", "--json", stdin=(REPORT + LOGON).decode().replace("44=", "45="))
    first, second = map(json.loads, done.stdout.splitlines())
    assert (first["type"], first["name"], second["name"]) == ("8", "ExecutionReport", "Logon")
    assert {"tag": 39, "name": "OrdStatus", "value": "2", "meaning": "filled"} in first["fields"]
    assert first["problems"] == []


def test_a_wrong_check_sum_is_said_under_the_message(primefixd):
    done = primefixd("decode", stdin=REPORT.decode().replace("103=6", "103=0"))
    assert done.returncode == 0
    assert "     ! CheckSum (10) is " in done.stdout


def test_a_terminal_cannot_be_steered_by_a_message(primefixd):
    done = primefixd("decode", stdin=encode([(35, "5"), (58, "\x1b[2Jgone")]).decode())
    assert "\x1b" not in done.stdout
    assert "\\x1b[2Jgone" in done.stdout


def test_input_without_a_message_is_refused_with_what_to_give(primefixd):
    done = primefixd("decode", stdin="nothing here\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("no FIX message found; give ")


def test_a_pipe_is_decoded_while_it_is_open(tmp_path):
    process = start("decode", cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.stdin.write(REPORT.decode() + "\n")
    process.stdin.flush()
    assert first_line(process) == "ExecutionReport\n"
    stop(process)


def test_the_daemons_fix_log_reads_whole_though_its_secrets_are_masked(primefixd):
    shown = {kind: data.decode().replace("\x01", "|") for kind, data in (("in", REPORT), ("out", LOGON))}
    shown["out"] = shown["out"].replace("=signature|", "=***|").replace("=hush|", "=***|")
    head = "2026-03-02T15:00:00.000123Z main-1"
    garbled = f"{head} in garbled 57 bytes: the CheckSum is wrong\n"
    log = garbled + "".join(f"{head} {way} {text}\n" for way, text in shown.items())
    first, second = map(json.loads, primefixd("decode", "--json", stdin=log).stdout.splitlines())
    assert (first["prefix"], first["name"], first["problems"]) == (f"{head} in", "ExecutionReport", [])
    assert (second["prefix"], second["name"], second["problems"]) == (f"{head} out", "Logon", [])
    wrong = json.loads(primefixd("decode", "--json", stdin=log.replace("|34=5|", "|34=6|")).stdout.splitlines()[0])
    assert ["CheckSum" in problem for problem in wrong["problems"]] == [True]
