"""What sessions of a QuickFIX file come to: what is taken, from which key, and why the rest is not."""

import pytest

from primefixd.cli.quickfix import Imported, to_primefixd
from primefixd.cli.quickfix_file import read
from primefixd.runtime.settings import SessionRole, VenueSettings

DEFAULTS = """[DEFAULT]
BeginString=FIX.4.2
TargetCompID=COIN
HeartBtInt=30
SocketConnectHost=fix.prime.coinbase.com
SocketConnectPort=4198
"""
VENUE = VenueSettings(host="fix.prime.coinbase.com", port=4198)


def imported(text):
    sections = read(text.encode())
    assert sections.mistakes == ()
    return to_primefixd(sections)


def one(lines="", session="SenderCompID=a"):
    made = imported(f"{DEFAULTS}{lines}\n[SESSION]\n{session}\n")
    assert isinstance(made, Imported) and made.refused == ()
    (kept,) = (kept for sessions in made.sessions.values() for kept in sessions)
    return kept, made


def notes_on(key, made):
    return [note.what.removeprefix(f"{key}: ") for note in made.left_out if note.what.startswith(f"{key}: ")]


def refused(text):
    made = imported(text)
    return [(note.line, note.what) for note in (made.refused if isinstance(made, Imported) else made)]


def test_a_session_takes_the_defaults_beneath_it():
    kept, made = one()
    assert (kept.service_account_id, kept.heartbeat_s, kept.role) == ("a", 30, SessionRole.ORDERS)
    assert (made.venue, kept.portfolio_id, kept.named) == (VENUE, None, None)
    assert made.left_out == ()


def test_a_session_overrides_a_default_and_a_later_key_an_earlier_one():
    kept, made = one(session="SenderCompID=a\nheartbtint = 10\nHeartBtInt=20")
    assert kept.heartbeat_s == 20
    assert [(note.line, note.what) for note in made.left_out] == [
        (10, "heartbtint: it stands in line 11 again, which counts")
    ]


def test_sections_and_keys_are_known_in_any_case_and_values_keep_their_signs():
    kept, _ = one(session="SENDERCOMPID = a=b#c \n# SenderCompID=x\n  \n#")
    assert kept.service_account_id == "a=b#c"
    made = imported(DEFAULTS.replace("DEFAULT", " default ") + "[Session]\nSenderCompID=a\n[sEsSiOn]\nSenderCompID=b\n")
    assert [kept.service_account_id for kept in made.sessions[None]] == ["a", "b"]


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(ending):
    text = f"{DEFAULTS}\n[SESSION]\nSenderCompID=a\nHeartBtInt=0\n".replace("\n", ending)
    assert refused("\ufeff" + text) == [(10, "HeartBtInt must be a whole number from 1 to 300, not 0")]


def test_defaults_may_stand_below_and_in_two_sections():
    made = imported("[SESSION]\nSenderCompID=a\n[DEFAULT]\nHeartBtInt=5\n" + DEFAULTS.replace("HeartBtInt=30\n", ""))
    assert made.sessions[None][0].heartbeat_s == 5


@pytest.mark.parametrize("key", ["Account", "Portfolio", "PortfolioId", "portfolio_id"])
def test_a_portfolio_id_is_taken_from_where_desks_write_it(key):
    kept, made = one(f"{key}=p-1")
    assert kept.portfolio_id == "p-1" and list(made.sessions) == ["p-1"] and made.left_out == ()


def test_sessions_are_grouped_by_their_portfolio():
    rows = [("a", "p"), ("b", "q"), ("c", "p")]
    text = "".join(f"[SESSION]\nSenderCompID={sender}\nAccount={account}\n" for sender, account in rows)
    made = imported(DEFAULTS + text)
    senders = {key: [kept.service_account_id for kept in sessions] for key, sessions in made.sessions.items()}
    assert senders == {"p": ["a", "c"], "q": ["b"]}


@pytest.mark.parametrize(
    ("flag", "role"), [("Y", SessionRole.DROP_COPY), ("N", SessionRole.ORDERS), ("true", SessionRole.DROP_COPY)]
)
def test_a_drop_copy_session_stays_one(flag, role):
    assert one(f"DropCopyFlag={flag}")[0].role is role


@pytest.mark.parametrize("key", ["CertificationAuthoritiesFile", "SSLCACertificate", "SocketCAFile"])
def test_an_authority_is_carried_over(key):
    assert one(f"{key}=/etc/ca.pem")[1].venue.ca_file == "/etc/ca.pem"


@pytest.mark.parametrize("key", ["SSLServerName", "SNIHostName", "SocketServerName"])
def test_a_server_name_is_carried_over(key):
    assert one(f"{key}=prime.example")[1].venue.server_name == "prime.example"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_a_host_on_this_machine_is_a_stunnel(host):
    _, made = one(f"SocketConnectHost={host}\nSocketCAFile=ca.pem\nSSLServerName=x.example")
    assert made.venue == VenueSettings(host=host, port=4198, tls=False)
    assert "so a stunnel is taken to stand there" in notes_on("SocketConnectHost", made)[-1]
    assert "stunnel that verifies" in notes_on("SocketCAFile", made)[0]
    assert "stunnel that verifies" in notes_on("SSLServerName", made)[0]


@pytest.mark.parametrize("key", ["SocketUseSSL", "SSLEnable"])
def test_tls_that_is_asked_for_is_tls_and_elsewhere_it_always_is(key):
    assert one(f"SocketConnectHost=localhost\n{key}=Y")[1].venue.tls
    assert one(f"{key}=Y")[1].left_out == ()
    _, made = one(f"{key}=N")
    assert made.venue.tls and notes_on(key, made) == ["the venue takes TLS only, so `tls: true`"]


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("FileStorePath", "no message store"),
        ("JdbcURL", "no message store"),
        ("PostgreSQLStoreDatabase", "no message store"),
        ("PersistMessages", "no message store"),
        ("StartTime", "`schedule`"),
        ("EndDay", "`schedule`"),
        ("NonStopSession", "`schedule`"),
        ("ResetOnLogon", "always reset"),
        ("RefreshOnLogon", "always reset"),
        ("ReconnectInterval", "back-off"),
        ("Password", "credential"),
        ("ApiSecret", "credential"),
        ("AccessKey", "credential"),
        ("SocketTrustStorePassword", "Java key store"),
        ("ClientCertificateKeyFile", "no certificate of ours"),
        ("SSLCertificate", "no certificate of ours"),
        ("SocketPrivateKeyFile", "no certificate of ours"),
        ("CertificationVerify", "always verified"),
        ("CertificateVerifyLevel", "always verified"),
        ("SSLValidateCertificates", "always verified"),
        ("SocketInsecureSkipVerify", "always verified"),
        ("EnabledProtocols", "TLS 1.2 or newer"),
        ("CipherSuites", "TLS 1.2 or newer"),
        ("SocketMinimumTLSVersion", "TLS 1.2 or newer"),
        ("FileLogPath", "logs to stderr"),
        ("ScreenLogShowIncoming", "logs to stderr"),
        ("SLF4JLogEventCategory", "logs to stderr"),
        ("DataDictionary", "built in"),
        ("ValidateUserDefinedFields", "built in"),
        ("CheckLatency", "clocks are compared"),
        ("LogonTimeout", "with bounds"),
        ("SocketConnectHost1", "one address"),
        ("SocketAcceptPort", "accepts no FIX"),
        ("ProxyHost", "connects directly"),
        ("SocketNodelay", "no tuning"),
        ("SenderSubID", "no such field"),
        ("Frobnicate", "no such setting"),
    ],
)
def test_what_does_not_carry_over_is_told_with_why_and_never_with_its_value(key, word):
    for spelling in (key, key.upper()):
        _, made = one(f"{spelling}=the-value")
        (why,) = notes_on(spelling, made)
        assert word in why and "the-value" not in str(made)


def test_a_default_that_is_left_out_is_told_once():
    made = imported(f"{DEFAULTS}FileStorePath=x\n[SESSION]\nSenderCompID=a\n[SESSION]\nSenderCompID=b\n")
    assert len(made.left_out) == 1


@pytest.mark.parametrize(
    ("lines", "line", "word"),
    [
        ("BeginString=FIX.4.4", 9, "BeginString is FIX.4.4; the venue speaks FIX.4.2 only"),
        ("BeginString=FIXT.1.1", 9, "BeginString is FIXT.1.1"),
        ("ConnectionType=acceptor", 9, "accepts no FIX"),
        ("TargetCompID=BROKER", 9, "the venue is COIN"),
        ("SenderCompID=a b", 9, "without blanks"),
        ("SenderCompID=${account}", 9, "variable of QuickFIX/J"),
        ("SenderCompID=", 7, "has no SenderCompID"),
        ("BeginString=", 7, "has no BeginString"),
        ("HeartBtInt=301", 9, "from 1 to 300"),
        ("HeartBtInt=half", 9, "from 1 to 300"),
        ("HeartBtInt=²", 9, "from 1 to 300"),
        ("SocketConnectHost=a b", 9, "host name"),
        ("SocketConnectPort=0", 9, "from 1 to 65535"),
        ("SocketUseSSL=maybe", 9, "must be Y or N"),
        ("Account=p q", 9, "without blanks"),
        ("SessionQualifier=-x", 9, "letters"),
    ],
)
def test_a_session_that_cannot_be_kept_is_left_out_with_its_line(lines, line, word):
    text = f"{DEFAULTS}[SESSION]\nSenderCompID=a\n{lines}\n"
    ((at, what),) = refused(text)
    assert at == line and word in what
    made = imported(text + "[SESSION]\nSenderCompID=good\n")
    assert [kept.service_account_id for kept in made.sessions[None]] == ["good"]
    assert [note.line for note in made.refused] == [line]


def test_a_wrong_default_is_told_once_and_words_may_be_in_any_case():
    text = (
        DEFAULTS.replace("=30", "=0")
        + "ConnectionType=INITIATOR\n[SESSION]\nSenderCompID=a\n[SESSION]\nSenderCompID=b\n"
    )
    assert [line for line, _ in refused(text)] == [4]


def test_sessions_must_fit_together():
    second = DEFAULTS + "[SESSION]\nSenderCompID=a\n[SESSION]\n"
    assert refused(second + "SenderCompID=a\n") == [
        (9, "this session has the SenderCompID of that of line 7; the venue takes one session for each service account")
    ]
    ((line, what),) = refused(second + "SenderCompID=b\nSocketConnectPort=4199\n")
    assert line == 9 and "make another file" in what


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("", 1, "no [SESSION]"),
        ("[DEFAULT]\nA=b\n", 1, "no [SESSION]"),
        ("A=b\n[SESSION]\n", 1, "before any section"),
        ("[SESSION]\nnonsense\n", 2, "neither [SECTION] nor KEY=VALUE"),
        ("[SESSION\n", 1, "neither [SECTION] nor KEY=VALUE"),
        ("[SESSION]\n=x\n", 2, "no key"),
        ("[SESSION]\n\n[OTHER]\nA=b\n", 3, "[OTHER] is no section"),
        ("#" * 262_145, 1, "larger than"),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_line(text, line, word):
    ((at, what),) = ((note.line, note.what) for note in read(text.encode()).mistakes)
    assert at == line and word in what
