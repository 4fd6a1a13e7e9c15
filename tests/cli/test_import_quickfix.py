"""`import-quickfix` writes what our loader reads; no input becomes YAML, a traceback or a secret shown."""

import json

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from primefixd.cli.import_quickfix import ID_TO_FILL_IN, MISTAKES_SHOWN_MAX, import_quickfix
from primefixd.cli.output import Failure
from primefixd.config import ConfigError, load
from primefixd.config.document import read
from primefixd.runtime.settings import SessionRole

FILE = """# our desk
[DEFAULT]
ConnectionType=initiator
BeginString=FIX.4.2
TargetCompID=COIN
HeartBtInt=30
ReconnectInterval=5
FileStorePath=store
StartTime=00:00:00
SocketConnectHost=127.0.0.1
SocketConnectPort=4198
Password=hunter2=#
[SESSION]
SenderCompID=22d47de1-bc5d-5d17-8028-4ec90e72c1dd
Account=314dbd76-4459-41cd-ba9a-dccdd86b44e2
[SESSION]
SenderCompID=22d47de1-bc5d-5d17-8028-4ec90e72c1de
Account=314dbd76-4459-41cd-ba9a-dccdd86b44e2
SessionQualifier=copies
DropCopyFlag=Y
HeartBtInt=10
"""
OTHER = "[SESSION]\nBeginString=FIX.4.4\nSenderCompID=x\n"


def run(content):
    """Output and the failure, in this process; anything else that is raised comes out."""
    result = CliRunner().invoke(import_quickfix, ["-"], input=content)
    if result.exception is not None and not isinstance(result.exception, Failure | SystemExit):
        raise result.exception
    return result.stdout, result.exception


def loaded(text, folder):
    """What our loader makes of it once every credential that it names is there."""
    (folder / "keys").mkdir(exist_ok=True)
    for count, (_, source) in enumerate(_credentials(text)):
        (folder / "keys" / source["credential"]).write_text(f"secret-{count}\n")
        (folder / "keys" / source["credential"]).chmod(0o600)
    (folder / "made.yaml").write_text(text)
    return load(folder / "made.yaml", folder / "keys", {}).settings


def _credentials(text):
    document = read(text)
    for pattern in ("control.clients[].token", *(f"portfolios[].sessions[].{n}" for n in _SECRETS)):
        yield from document.found(pattern, dict)


_SECRETS = ("api_key", "api_secret", "passphrase")


def test_the_result_is_loaded_once_the_credentials_are_there(primefixd, tmp_path):
    (tmp_path / "quickfix.cfg").write_text(FILE)
    done = primefixd("import-quickfix", "quickfix.cfg")
    assert done.returncode == 0 and done.stderr.count("\n") == 1 and "primefixd check" in done.stderr
    made = loaded(done.stdout, tmp_path)
    assert (made.venue.host, made.venue.port, made.venue.tls) == ("127.0.0.1", 4198, False)
    (portfolio,) = made.portfolios
    assert (portfolio.name, portfolio.portfolio_id) == ("main", "314dbd76-4459-41cd-ba9a-dccdd86b44e2")
    sessions = [(each.name, each.service_account_id[-2:], each.role, each.heartbeat_s) for each in portfolio.sessions]
    assert sessions == [("main-1", "dd", SessionRole.ORDERS, 30), ("copies", "de", SessionRole.DROP_COPY, 10)]


def test_what_is_left_behind_stands_in_comments_by_line_without_secrets():
    text, failure = run(FILE)
    assert failure is None and "hunter2" not in text
    comments = [line for line in text.splitlines() if line.startswith("#")]
    for place in (
        "line 7, ReconnectInterval: ",
        "line 8, FileStorePath: ",
        "line 9, StartTime: ",
        "line 12, Password: ",
    ):
        assert len([line for line in comments if place in line]) == 1
    assert any("SocketConnectHost: this machine, so a stunnel" in line for line in comments)


def test_a_portfolio_id_that_is_not_there_is_one_that_check_names(tmp_path):
    text, _ = run("\n".join(line for line in FILE.splitlines() if not line.startswith("Account")))
    with pytest.raises(ConfigError) as caught:
        loaded(text, tmp_path)
    (problem,) = caught.value.problems
    line = next(number for number, line in enumerate(text.splitlines(), 1) if ID_TO_FILL_IN in line)
    assert problem.startswith(f"{tmp_path / 'made.yaml'}:{line}: portfolios[0].portfolio_id: ")


def test_portfolios_get_names_and_the_client_all_of_them(tmp_path):
    text, _ = run(FILE.replace("cddd86b44e2\nSessionQ", "x\nSessionQ").replace("dccdd86b44e2\nSession", "two\nSession"))
    made = loaded(text, tmp_path)
    assert [portfolio.name for portfolio in made.portfolios] == ["portfolio-1", "portfolio-2"]
    assert made.control.clients[0].portfolios == frozenset({"portfolio-1", "portfolio-2"})


def test_names_of_sessions_stay_unique(tmp_path):
    more = "".join(
        f"[SESSION]\nSenderCompID=s{n}\nSessionQualifier={q}\n" for n, q in enumerate(("main-2", "", "main-2"))
    )
    text, failure = run(FILE[: FILE.index("[SESSION]")] + "Account=p\n" + more)
    assert failure is None
    assert [each.name for each in loaded(text, tmp_path).portfolios[0].sessions] == ["main-2", "main-2-x", "main-3"]


def test_more_sessions_than_the_venue_takes_are_told(tmp_path):
    more = "".join(f"[SESSION]\nSenderCompID=s{n}\n" for n in range(8))
    text, _ = run(FILE[: FILE.index("[SESSION]")] + "Account=p\n" + more)
    assert "# more sessions than the venue takes for a portfolio" in text
    with pytest.raises(ConfigError, match=r"portfolios\[0\].sessions: must hold 1 to 7"):
        loaded(text, tmp_path)


def test_a_session_of_another_fix_is_refused_by_line_and_the_rest_is_written(primefixd, tmp_path):
    (tmp_path / "quickfix.cfg").write_text(FILE + OTHER)
    done = primefixd("import-quickfix", "quickfix.cfg")
    line = FILE.count("\n") + 2
    refusal = (
        f"quickfix.cfg:{line}: BeginString is FIX.4.4; the venue speaks FIX.4.2 only, so this session is left out\n"
    )
    assert (done.returncode, done.stderr) == (1, refusal)
    assert len(loaded(done.stdout, tmp_path).portfolios[0].sessions) == 2
    assert f"# Line {line}: BeginString is FIX.4.4" in done.stdout


@pytest.mark.parametrize("content", [b"", b"\x00\xff\xfe", b"[SESSION]\n", OTHER.encode(), FILE[:20].encode()])
def test_what_cannot_be_taken_is_a_sentence_with_its_line_and_exit_code_1(primefixd, tmp_path, content):
    (tmp_path / "q.cfg").write_bytes(content)
    done = primefixd("import-quickfix", "q.cfg")
    assert (done.returncode, done.stdout) == (1, "")
    assert all(line.startswith("q.cfg:") for line in done.stderr.splitlines()) and done.stderr


def test_a_file_that_is_none_is_wrong_usage(primefixd, tmp_path):
    for name in ("absent.cfg", "."):
        done = primefixd("import-quickfix", name)
        assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr


def test_mistakes_are_bounded():
    _, failure = run("x\n" * 100_000)
    assert len(failure.lines) == MISTAKES_SHOWN_MAX + 1 and "99980 more" in failure.lines[-1]


_KEYS = st.sampled_from(
    ["SenderCompID", "Account", "SocketConnectHost", "SSLServerName", "SocketCAFile", "SessionQualifier", "HeartBtInt"]
)
_TEXT = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=30)
_HOSTILE = _TEXT | st.sampled_from(
    ['"\n', "a: b", "{x}", "*x", "&x", '" #', "\\", "a\\u0085b", "\x85x: y", "\u2028x: y"]
)
_LINES = st.lists(st.tuples(_KEYS | _TEXT, _HOSTILE), max_size=8)
_SHAPE = {"venue", "control", "portfolios"}


@settings(max_examples=150, deadline=None)
@given(_LINES)
def test_no_text_of_the_file_becomes_yaml(lines):
    text, _ = run(FILE + "".join(f"{key}={value}\n" for key, value in lines))
    if not text:
        return
    document = read(text)
    assert document.problems == [] and set(document.tree) == _SHAPE
    assert {key for portfolio in document.tree["portfolios"] for key in portfolio} == {
        "name",
        "portfolio_id",
        "risk",
        "sessions",
    }
    for _, value in document.found("portfolios[].sessions[].service_account_id", object):
        assert isinstance(value, str)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400) | st.binary(max_size=100).map(lambda junk: FILE.encode() + junk))
def test_any_bytes_are_answered(content):
    text, failure = run(content)
    assert text or failure is not None
    assert json.dumps(text)  # no surrogate, no half character
