"""The configuration file: the sample loads, every mistake is told with its line and key, and nothing else is raised."""

import re
from collections.abc import Callable
from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest
import trustme
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primefixd.config import ConfigError, Loaded, load
from primefixd.control.settings import Right
from primefixd.dispatch.risk import Brake, RiskLimits
from primefixd.orders.model import OrderType
from primefixd.runtime.settings import RestSettings, SessionRole
from primefixd.secret import Secret

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "etc" / "primefixd.yaml"
GOOD = """\
venue:
  host: 127.0.0.1
  port: 4198
control:
  listen: [127.0.0.1:8417]
  clients:
    - name: desk
      token: {env: TOKEN}
      portfolios: [main]
      may: [read, trade]
rest: {url: https://api.prime.coinbase.com/v1}
portfolios:
  - name: main
    portfolio_id: p-1
    risk: none
    sessions:
      - name: one
        service_account_id: s-1
        api_key: {env: KEY_1}
        api_secret: {env: S}
        passphrase: {env: S}
      - name: two
        service_account_id: s-2
        api_key: {env: KEY_2}
        api_secret: {env: S}
        passphrase: {env: S}
        role: drop_copy
"""
ENV = {"TOKEN": "t0ken", "TOKEN_2": "t0ken", "KEY_1": "k1", "KEY_2": "k2", "SAME": "k1", "S": "s3cret", "EMPTY": ""}
ENV |= {"BLANK": "a b", "LINES": "a\x01b", "BYTES": "\udcff"}
CLIENT = """
    - name: other
      token: {env: KEY_1}
      portfolios: "*"
      may: [read]"""

Read = Callable[..., Loaded]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "c.yaml"
    path.touch(mode=0o600)
    return path


def refused(file: Path, text: str, env: dict[str, str] = ENV) -> list[tuple[int, str, str]]:
    """Every problem of the file as (line, key, what)."""
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file, None, env)
    told = []
    for problem in caught.value.problems:
        match = re.fullmatch(re.escape(str(file)) + r":(\d+): ([^ ]+): (.+)", problem)
        assert match, problem
        told.append((int(match[1]), match[2], match[3]))
    return told


def changed(old: str, new: str) -> str:
    assert GOOD.count(old) == 1, old
    return GOOD.replace(old, new)


def test_the_sample_loads_with_the_credentials_that_it_names(tmp_path: Path) -> None:
    names = re.findall(r"\{credential: ([a-z0-9.-]+)\}", SAMPLE.read_text())
    for name in names:
        (tmp_path / name).touch(mode=0o600)
        (tmp_path / name).write_text(f"secret of {name}\n" if "token" not in name else f"{name}\n")
    loaded = load(SAMPLE, tmp_path, {})
    assert loaded.warnings == ()
    assert loaded.settings.rest == RestSettings(url="https://api.prime.coinbase.com/v1")
    (main,) = loaded.settings.portfolios
    assert [session.role for session in main.sessions] == [SessionRole.ORDERS] * 6 + [SessionRole.DROP_COPY]
    assert main.sessions[0].api_key == Secret("secret of main-1.key")
    assert loaded.settings.control.clients[0].portfolios == frozenset({"main"})
    assert loaded.settings.control.clients[1].portfolios is None
    assert loaded.settings.control.clients[1].may == {Right.READ, Right.ADMIN}


def test_the_unit_passes_the_credentials_that_the_sample_names() -> None:
    unit = (ROOT / "systemd" / "primefixd.service").read_text()
    assert re.findall(r"^LoadCredential=([^:]+):", unit, re.M) == re.findall(
        r"\{credential: ([a-z0-9.-]+)\}", SAMPLE.read_text()
    )


def test_what_is_left_out_takes_the_documented_defaults(file: Path) -> None:
    file.write_text(GOOD)
    made = load(file, None, ENV).settings
    assert (made.venue.tls, made.venue.ca_file, made.venue.server_name) == (True, None, None)
    assert (made.retention_days, made.quiet_ask_s, made.state_dir) == (7, 2.0, Path("state"))
    assert (made.reconcile.grace_s, made.reconcile.most_s) == (30.0, 120.0)
    assert made.rest == RestSettings(url="https://api.prime.coinbase.com/v1", ca_file=None)
    assert (made.schedule.zone, made.schedule.start, made.schedule.end) == ("America/New_York", time(17), time(17, 5))
    assert made.portfolios[0].rate.messages_per_second == 50
    assert made.portfolios[0].sessions[0].heartbeat_s == 30
    assert made.control.origins == ()


def test_where_state_goes(file: Path) -> None:
    file.write_text(GOOD)
    assert load(file, None, ENV | {"STATE_DIRECTORY": "/var/lib/primefixd:/b"}).settings.state_dir == Path(
        "/var/lib/primefixd"
    )
    file.write_text(GOOD + "state_dir: here\n")
    assert load(file, None, ENV).settings.state_dir == file.parent / "here"


def test_a_secret_never_shows_in_settings(file: Path) -> None:
    file.write_text(GOOD)
    assert "s3cret" not in repr(load(file, None, ENV))


MISTAKES = [
    # unknown keys, repeated keys, wrong types
    ("  port: 4198", "  port: 4198\n  servername: x", 4, "venue.servername", "did you mean server_name?"),
    ("  port: 4198", "  port: 4198\n  port: 4199", 4, "venue.port", "line 3 already"),
    ("  port: 4198", "  ? [a]\n  : b", 3, "file", "key that is a list"),
    ("  port: 4198", "  port: 0417", 3, "venue.port", "not the text '0417'"),
    ("  port: 4198", "  port: '4198'", 3, "venue.port", "must be a whole number"),
    ("  port: 4198", "  port: 4198.0", 3, "venue.port", "must be a whole number"),
    ("  port: 4198", "  port: 0x1066", 3, "venue.port", "must be a whole number"),
    ("  port: 4198", "  port: 70000", 3, "venue.port", "must be from 1 to 65535"),
    ("  port: 4198", "  port: 4198\n  tls: 'no'", 4, "venue.tls", "must be true or false"),
    ("  port: 4198", "  port: 4198\n  tls: yes", 4, "venue.tls", "not the text 'yes'"),
    ("  port: 4198", "  port: !!int 4198", 3, "file", "tags are not taken"),
    ("  port: 4198", "  port: &p 4198", 3, "file", "anchors and aliases"),
    ("  port: 4198", "  port: *p", 3, "file", "anchors and aliases"),
    ("  port: 4198", "  port: [", 5, "file", "while parsing a flow sequence begun in line 3"),
    ("  port: 4198", "", 1, "venue.port", "is missing"),
    ("  host: 127.0.0.1", "  host: 'a b'", 2, "venue.host", "must be a host name"),
    ("    - name: desk", "    - name: 12", 7, "control.clients[0].name", "must be text in quotes"),
    ("    - name: desk", "    - name: ../desk", 7, "control.clients[0].name", "must be 1 to 64"),
    ("    portfolio_id: p-1", "    portfolio_id: 'p 1'", 14, "portfolios[0].portfolio_id", "without blanks"),
    ("venue:", "retention_days: 0\nvenue:", 1, "retention_days", "from 1 to 3650"),
    ("venue:", "reconcile_grace_s: 0\nvenue:", 1, "reconcile_grace_s", "from 1 to 600, not 0"),
    ("venue:", "reconcile_grace_s: 0.09\nvenue:", 1, "reconcile_grace_s", "from 0.1 to 600, not 0.09"),
    ("venue:", "reconcile_grace_s: 601\nvenue:", 1, "reconcile_grace_s", "from 1 to 600"),
    ("venue:", "reconcile_grace_s: 600.5\nvenue:", 1, "reconcile_grace_s", "from 0.1 to 600"),
    ("venue:", "reconcile_max_s: 0\nvenue:", 1, "reconcile_max_s", "from 1 to 3600"),
    ("venue:", "reconcile_max_s: 3601\nvenue:", 1, "reconcile_max_s", "from 1 to 3600"),
    ("venue:", "reconcile_max_s: 0.5\nvenue:", 1, "reconcile_max_s", "from 1 to 3600"),
    ("venue:", "quiet_ask_s: 0.01\nvenue:", 1, "quiet_ask_s", "must be from 0.1"),
    ("venue:", "state_dir: ''\nvenue:", 1, "state_dir", "must be a path"),
    # the venue
    ("  host: 127.0.0.1", "  host: fix.example.com\n  tls: false", 3, "venue.tls", "secrets would travel in clear"),
    ("  port: 4198", "  port: 4198\n  ca_file: missing.pem", 4, "venue.ca_file", "no such file"),
    ("  port: 4198", "  port: 4198\n  ca_file: c.yaml", 4, "venue.ca_file", "without a certificate"),
    # the control plane
    ("[127.0.0.1:8417]", "[0.0.0.0:8417]", 5, "control.listen[0]", "is not on the loopback"),
    ("[127.0.0.1:8417]", "[example.com:8417]", 5, "control.listen[0]", "is not on the loopback"),
    ("[127.0.0.1:8417]", "['[::]:8417']", 5, "control.listen[0]", "is not on the loopback"),
    ("[127.0.0.1:8417]", "[127.0.0.1:70000]", 5, "control.listen[0]", "must be HOST:PORT"),
    ("[127.0.0.1:8417]", "[127.0.0.1]", 5, "control.listen[0]", "must be HOST:PORT"),
    ("[127.0.0.1:8417]", "[8417]", 5, "control.listen[0]", "must be text in quotes"),
    ("[127.0.0.1:8417]", "['unix:control.sock']", 5, "control.listen[0]", "absolute path"),
    ("[127.0.0.1:8417]", f"['unix:/{'x' * 107}']", 5, "control.listen[0]", "at most 107 bytes"),
    ("[127.0.0.1:8417]", "[127.0.0.1:8417, 127.0.0.1:8417]", 5, "control.listen[1]", "once"),
    ("[127.0.0.1:8417]", "[]", 5, "control.listen", "at least one address"),
    ("[127.0.0.1:8417]", "127.0.0.1:8417", 5, "control.listen", "must be a list"),
    ("[127.0.0.1:8417]", "[127.0.0.1:8417]\n  origins: ['*']", 6, "control.origins[0]", "must be an origin"),
    ("portfolios: [main]", "portfolios: [mian]", 9, "control.clients[0].portfolios[0]", "did you mean main?"),
    ("portfolios: [main]", "portfolios: [zzz]", 9, "control.clients[0].portfolios[0]", "configured are: main"),
    ("portfolios: [main]", "portfolios: main", 9, "control.clients[0].portfolios", "must be a list"),
    ("portfolios: [main]", "portfolios:", 9, "control.clients[0].portfolios", "must be a list"),
    ("portfolios: [main]", "portfolios: []", 9, "control.clients[0].portfolios", "at least one"),
    ("may: [read, trade]", "may: [read, write]", 10, "control.clients[0].may[1]", "one of read, trade, admin"),
    ("may: [read, trade]", "may: []", 10, "control.clients[0].may", "at least one"),
    ("token: {env: TOKEN}", "uid: -1", 8, "control.clients[0].uid", "must be from 0"),
    ("      token: {env: TOKEN}\n", "", 7, "control.clients[0]", "neither token nor uid"),
    ("may: [read, trade]", "may: [read]" + CLIENT.replace("other", "desk"), 11, "control.clients[1].name", "line 7"),
    ("may: [read, trade]", "may: [read]" + CLIENT.replace("KEY_1", "TOKEN_2"), 12, "control.clients[1].token", "8;"),
    ("may: [read, trade]", f"uid: 7\n      may: [read]{CLIENT}\n      uid: 7", 16, "control.clients[1].uid", "line 10"),
    # secrets
    ("token: {env: TOKEN}", "token: t0ken", 8, "control.clients[0].token", "must be one of {credential: …}"),
    ("token: {env: TOKEN}", "token: {value: 1234}", 8, "control.clients[0].token", "in quotes if it looks like"),
    ("token: {env: TOKEN}", "token: {vaule: t0ken}", 8, "control.clients[0].token", "must be one of"),
    ("token: {env: TOKEN}", "token: {env: A, value: B}", 8, "control.clients[0].token", "must be one of"),
    ("token: {env: TOKEN}", "token: {env: EMPTY}", 8, "control.clients[0].token", "is empty"),
    ("token: {env: TOKEN}", "token: {value: ''}", 8, "control.clients[0].token", "is empty"),
    ("token: {env: TOKEN}", "token: {env: BLANK}", 8, "control.clients[0].token", "is no token"),
    ("token: {env: TOKEN}", "token: {env: NONE}", 8, "control.clients[0].token", "NONE, which is not set"),
    ("token: {env: TOKEN}", "token: {credential: x}", 8, "control.clients[0].token", "pass --credentials DIR"),
    ("token: {env: TOKEN}", "token: {credential: ../x}", 8, "control.clients[0].token", "by its file name"),
    ("token: {env: TOKEN}", "token: {file: none}", 8, "control.clients[0].token", "no such file"),
    ("token: {env: TOKEN}", "token: {file: .}", 8, "control.clients[0].token", "is not a file"),
    ("api_key: {env: KEY_1}", "api_key: {env: LINES}", 19, "portfolios[0].sessions[0].api_key", "cannot be a secret"),
    ("api_key: {env: KEY_1}", "api_key: {env: BYTES}", 19, "portfolios[0].sessions[0].api_key", "cannot be a secret"),
    ("api_key: {env: KEY_1}", "api_key:", 19, "portfolios[0].sessions[0].api_key", "must be a secret such as"),
    ("        api_key: {env: KEY_1}\n", "", 17, "portfolios[0].sessions[0].api_key", "is missing"),
    # portfolios and sessions
    ("{env: KEY_2}", "{env: SAME}", 24, "portfolios[0].sessions[1].api_key", "sessions[0].api_key in line 19"),
    ("service_account_id: s-2", "service_account_id: s-1", 23, "portfolios[0].sessions[1].service_account_id", "18;"),
    ("- name: two", "- name: one", 22, "portfolios[0].sessions[1].name", "across all portfolios"),
    ("role: drop_copy", "role: both", 27, "portfolios[0].sessions[1].role", "one of orders, drop_copy"),
    ("role: drop_copy", "heartbeat_s: 301", 27, "portfolios[0].sessions[1].heartbeat_s", "from 1 to 300"),
    ("role: drop_copy", "heartbeat_s: 30s", 27, "portfolios[0].sessions[1].heartbeat_s", "must be a whole number"),
    ("role: drop_copy", "hartbeat_s: 30", 27, "portfolios[0].sessions[1].hartbeat_s", "did you mean heartbeat_s?"),
    ("- name: main\n", "- name: main\n    rate: {margin_ms: -1}\n", 14, "portfolios[0].rate.margin_ms", "0 to 500"),
    ("- name: main\n", "- name: main\n    rate: 50\n", 14, "portfolios[0].rate", "must be an object with"),
    ("- name: main\n", "- name: main\n    spread: 1\n", 14, "portfolios[0].spread", "must be true or false"),
    # risk
    ("    risk: none\n", "", 13, "portfolios[0].risk", "of the portfolio main is not there; write its limits, or"),
    ("risk: none", "risk:", 15, "portfolios[0].risk", "of the portfolio main is not there"),
    ("risk: none", "risk: nothing", 15, "portfolios[0].risk", "must be an object with"),
    ("risk: none", "risk: {open_orders: 1}", 15, "portfolios[0].risk.open_orders", "did you mean open_orders_max?"),
    ("risk: none", "risk: {order_quote_value_max: 5}", 15, "portfolios[0].risk.order_quote_value_max", "in quotes"),
    (
        "risk: none",
        "risk: {order_base_quantity_max: {BTC-USD: 5}}",
        15,
        "portfolios[0].risk.order_base_quantity_max.BTC-USD",
        "in quotes",
    ),
    ("risk: none", "risk: {order_base_quantity_max: 5}", 15, "portfolios[0].risk.order_base_quantity_max", "by prod"),
    ("risk: none", "risk: {order_types: [LIMITS]}", 15, "portfolios[0].risk.order_types[0]", "must be one of MARKET"),
    ("risk: none", "risk: {rejects: {max: 0, per_s: 1}}", 15, "portfolios[0].risk.rejects.max", "must be from 1"),
    ("risk: none", "risk: {rejects: {max: 1, per_s: 301}}", 15, "portfolios[0].risk.rejects.per_s", "to 300"),
    ("[read, trade]", "[read]\n      risk: {open_orders_max: -1}", 11, "control.clients[0].risk.open_orders_max", "0"),
    ("risk: none", "risk: none\n    halt_on: {in_doubt_max: -1}", 16, "portfolios[0].halt_on.in_doubt_max", "from 0"),
    ("risk: none", "risk: none\n    halt_on: {overfil: true}", 16, "portfolios[0].halt_on.overfil", "mean overfill?"),
    # schedule and rest
    ("rest:", "schedule: {window: 17:00}\nrest:", 11, "schedule.window", 'such as "17:00-17:05", not 17:00'),
    ("rest:", "schedule: {window: 17:00-25:00}\nrest:", 11, "schedule.window", "must be two times of day"),
    ("rest:", "schedule: {last_order_lead_s: 301}\nrest:", 11, "schedule.last_order_lead_s", "from 0 to 300"),
    ("rest:", "schedule: {last_order_lead_s: -0.5}\nrest:", 11, "schedule.last_order_lead_s", "from 0 to 300"),
    ("rest:", "schedule: {window: 17:00-17:00}\nrest:", 11, "schedule.window", "must be two times of day"),
    ("rest:", "schedule: {zone: America/Atlantis}\nrest:", 11, "schedule.zone", "is not a time zone"),
    ("rest:", "schedule: {zone: ../../etc/passwd}\nrest:", 11, "schedule.zone", "is not a time zone"),
    ("rest:", "schedule: {days: weekdays}\nrest:", 11, "schedule.days", "must be all"),
    ("https://api", "http://api", 11, "rest.url", "must be an https address"),
    ("https://api.prime.coinbase.com/v1", "'https://a:port/'", 11, "rest.url", "must be an https address"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "key", "says"), MISTAKES)
def test_a_mistake_is_told_by_line_and_key(file: Path, old: str, new: str, line: int, key: str, says: str) -> None:
    ((found_line, found_key, what),) = refused(file, changed(old, new))
    assert (found_line, found_key) == (line, key)
    assert says in what
    assert "t0ken" not in what and "1234" not in what


def test_limits_are_read_as_they_are_written(file: Path) -> None:
    risk = (
        '{order_base_quantity_max: {BTC-USD: "2.50"}, order_quote_value_max: "100", price_collar_percent: "5", '
        "reference_max_age_s: 3, open_orders_max: 7, new_orders_per_second_max: 2, products: [BTC-USD], "
        'order_types: [LIMIT], daily_notional_max: "1000", identical_orders: {max: 3, per_s: 1.5}, '
        "rejects: {max: 4, per_s: 60}}"
    )
    written = RiskLimits(
        order_base_quantity_max={"BTC-USD": Decimal("2.50")},
        order_quote_value_max=Decimal(100),
        price_collar_percent=Decimal(5),
        reference_max_age_s=3,
        open_orders_max=7,
        new_orders_per_second_max=2,
        products=frozenset({"BTC-USD"}),
        order_types=frozenset({OrderType.LIMIT}),
        daily_notional_max=Decimal(1000),
        identical_orders=Brake(max=3, per_s=1.5),
        rejects=Brake(max=4, per_s=60),
    )
    file.write_text(changed("risk: none", f"risk: {risk}").replace("trade]", f"trade]\n      risk: {risk}"))
    loaded = load(file, None, ENV).settings
    assert loaded.portfolios[0].risk == loaded.control.clients[0].risk == written
    file.write_text(GOOD)
    loaded = load(file, None, ENV).settings
    assert loaded.portfolios[0].risk is loaded.control.clients[0].risk is None


def test_an_eighth_session_or_none_at_all(file: Path) -> None:
    more = "".join(
        f"      - {{name: n{n}, service_account_id: a{n}, api_key: {{value: x{n}}}, api_secret: {{env: S}},"
        " passphrase: {env: S}}\n"
        for n in range(6)
    )
    file.write_text(GOOD + "".join(more.splitlines(keepends=True)[:5]))
    assert len(load(file, None, ENV).settings.portfolios[0].sessions) == 7
    ((line, key, what),) = refused(file, GOOD + more)
    assert (line, key) == (16, "portfolios[0].sessions")
    assert "1 to 7 sessions" in what
    told = refused(file, GOOD[: GOOD.index("    sessions:")] + "    sessions: []\n")
    assert [key for _, key, _ in told] == ["portfolios[0].sessions"]
    assert refused(file, GOOD[: GOOD.index("portfolios:\n  -")] + "portfolios: []\n")[-1][1] == "portfolios"


def test_names_and_keys_are_compared_across_portfolios(file: Path) -> None:
    second = GOOD[GOOD.index("  - name: main") :]
    told = refused(file, GOOD + second)
    assert [(line, key) for line, key, _ in told] == [
        (28, "portfolios[1].name"),
        (29, "portfolios[1].portfolio_id"),
        (32, "portfolios[1].sessions[0].name"),
        (33, "portfolios[1].sessions[0].service_account_id"),
        (34, "portfolios[1].sessions[0].api_key"),
        (37, "portfolios[1].sessions[1].name"),
        (38, "portfolios[1].sessions[1].service_account_id"),
        (39, "portfolios[1].sessions[1].api_key"),
    ]


def test_all_mistakes_at_once_by_line(file: Path) -> None:
    text = GOOD
    for old, new in (
        ("host: 127.0.0.1", "hots: 127.0.0.1"),
        ("[127.0.0.1:8417]", "[10.0.0.1:8417]"),
        ("{env: TOKEN}", "{env: NONE}"),
        ("[main]", "[mian]"),
        ("service_account_id: s-2", "service_account_id: s-1"),
        ("role: drop_copy", "heartbeat_s: '30'"),
    ):
        text = text.replace(old, new)
    told = refused(file, text)
    assert [(line, key) for line, key, _ in told] == [
        (1, "venue.host"),
        (2, "venue.hots"),
        (5, "control.listen[0]"),
        (8, "control.clients[0].token"),
        (9, "control.clients[0].portfolios[0]"),
        (23, "portfolios[0].sessions[1].service_account_id"),
        (27, "portfolios[0].sessions[1].heartbeat_s"),
    ]


def test_secrets_that_cannot_be_had_are_not_compared(file: Path) -> None:
    told = refused(file, GOOD, {"TOKEN": "t", "S": "s"})
    assert [key for _, key, _ in told] == ["portfolios[0].sessions[0].api_key", "portfolios[0].sessions[1].api_key"]


def test_a_secret_in_the_file_is_warned_of_and_refused_where_others_read_it(file: Path) -> None:
    file.write_text(changed("token: {env: TOKEN}", "token: {value: t0ken}"))
    loaded = load(file, None, ENV)
    assert loaded.settings.control.clients[0].token == Secret("t0ken")
    assert any(":8: control.clients[0].token: is a secret in the configuration" in text for text in loaded.warnings)
    file.chmod(0o640)
    load(file, None, ENV)
    file.chmod(0o644)
    ((line, key, what),) = refused(file, file.read_text())
    assert (line, key) == (8, "control.clients[0].token")
    assert "mode 0600" in what


def test_secrets_from_files(file: Path) -> None:
    token = file.parent / "token"
    token.touch(mode=0o600)
    token.write_text("t0ken\r\n")
    file.write_text(changed("{env: TOKEN}", "{file: token}"))
    loaded = load(file, None, ENV)
    assert loaded.settings.control.clients[0].token == Secret("t0ken")
    assert not any("token" in text for text in loaded.warnings)
    token.chmod(0o604)
    assert any(":8: control.clients[0].token:" in text and "0600" in text for text in load(file, None, ENV).warnings)
    token.write_bytes(b"x" * 5000)
    assert "larger than any secret" in refused(file, file.read_text())[0][2]
    token.write_bytes(b"\xff")
    assert "cannot be a secret" in refused(file, file.read_text())[0][2]
    token.write_text("one\ntwo\n")
    assert "cannot be a secret" in refused(file, file.read_text())[0][2]


def test_credentials_come_from_the_given_directory_or_the_service_managers(file: Path, tmp_path: Path) -> None:
    for name in ("given", "managed"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "desk").touch(mode=0o600)
        (tmp_path / name / "desk").write_text(name)
    file.write_text(changed("{env: TOKEN}", "{credential: desk}"))
    env = ENV | {"CREDENTIALS_DIRECTORY": str(tmp_path / "managed")}
    assert load(file, None, env).settings.control.clients[0].token == Secret("managed")
    assert load(file, tmp_path / "given", env).settings.control.clients[0].token == Secret("given")


def test_a_ca_file_is_found_beside_the_configuration_and_only_the_sandbox_may_miss_it(file: Path) -> None:
    file.write_text(changed("  port: 4198", "  port: 4198\n  ca_file: ca.pem"))
    absent = load(file, None, ENV, ca_file_required=False)
    assert absent.settings.venue.ca_file == str(file.parent / "ca.pem")
    trustme.CA().cert_pem.write_to_path(str(file.parent / "ca.pem"))
    assert load(file, None, ENV).settings.venue.ca_file == str(file.parent / "ca.pem")


def test_how_long_reconciling_takes_is_set(file: Path) -> None:
    file.write_text("reconcile_grace_s: 0.1\nreconcile_max_s: 3600\n" + GOOD)
    made = load(file, None, ENV).settings.reconcile
    assert (made.grace_s, made.most_s) == (0.1, 3600.0)


@pytest.mark.parametrize("lead_s", [0, 2.5, 300])
def test_how_long_before_the_window_new_orders_stop_is_set(file: Path, lead_s: float) -> None:
    file.write_text(f"schedule: {{last_order_lead_s: {lead_s}}}\n" + GOOD)
    assert load(file, None, ENV).settings.last_order_lead_s == lead_s
    file.write_text(GOOD)
    assert load(file, None, ENV).settings.last_order_lead_s == 10


def test_what_rest_trusts_is_found_beside_the_configuration(file: Path) -> None:
    file.write_text(changed(REST, "rest: {url: https://localhost/v1, ca_file: rest.pem}\n"))
    with pytest.raises(ConfigError, match=r":11: rest.ca_file: names .*rest.pem, which cannot be read"):
        load(file, None, ENV)
    trustme.CA().cert_pem.write_to_path(str(file.parent / "rest.pem"))
    made = load(file, None, ENV).settings.rest
    assert made is not None and made.ca_file == str(file.parent / "rest.pem")


REST = "rest: {url: https://api.prime.coinbase.com/v1}\n"


@pytest.mark.parametrize(
    ("changes", "key", "says"),
    [
        ([(REST, ""), ("role: drop_copy", "role: orders")], "12: portfolios[0]", "has no session with role drop_copy"),
        ([("      - name: two", "        role: drop_copy\n      - name: two")], "13: portfolios[0]", "role orders"),
        (
            [("- name: main\n", "- name: main\n    rate: {orders_per_second: 51}\n")],
            "14: portfolios[0].rate.orders_per_second",
            "more than the 50",
        ),
        ([("token: {env: TOKEN}", "uid: 1000")], "8: control.clients[0].uid", "has no effect"),
    ],
)
def test_what_is_likely_not_meant_is_warned_of(file: Path, changes: list[tuple[str, str]], key: str, says: str) -> None:
    text = GOOD
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    file.write_text(text)
    told = [warning for warning in load(file, None, ENV).warnings if warning.startswith(f"{file}:{key}: ")]
    assert len(told) == 1 and says in told[0]


def test_a_drop_copy_or_rest_is_enough(file: Path) -> None:
    file.write_text(GOOD.replace(REST, ""))
    assert load(file, None, ENV).warnings == ()
    file.write_text(GOOD.replace("role: drop_copy", "role: orders"))
    assert load(file, None, ENV).warnings == ()


def test_nobody_to_connect_is_warned_of(file: Path) -> None:
    file.write_text(GOOD[: GOOD.index("  clients:")] + GOOD[GOOD.index("rest:") :])
    assert any("control.clients: is empty" in text for text in load(file, None, ENV).warnings)


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"", 1, "must be an object"),
        (b"- a\n", 1, "must be an object"),
        (b"a: 1\n---\nb: 1\n", 2, "is no YAML here"),
        (b"a: 1\nb: \xff\n", 2, "is not UTF-8"),
        (b"a: 1\nb: \x07\n", 2, "does not allow"),
        (b"a: '\n", 2, "is no YAML here"),
        (b'a: "\\Uffffffff"\n', 1, "is no YAML"),
        (b"[" * 50_000, 1, "nested too deep"),
        (b"#" * 300_000, 1, "is larger than"),
    ],
)
def test_a_file_that_is_no_configuration(file: Path, content: bytes, line: int, says: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(file, None, ENV)
    problem = caught.value.problems[0]
    assert problem.startswith(f"{file}:{line}: file: ")
    assert says in problem


@pytest.mark.parametrize("name", ["missing.yaml", ".", "a\0b", "x" * 300])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path / name, None, {})
    assert "file: cannot be read" in caught.value.problems[0]


def loads_or_says(path: Path, text: str) -> None:
    path.write_text(text, "utf-8", errors="surrogatepass")
    try:
        load(path, None, ENV)
    except ConfigError as error:
        assert error.problems
        assert "s3cret" not in str(error)


ANY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@ANY
@given(st.text(st.characters(codec=None)))
def test_any_text_loads_or_is_a_config_error(file: Path, text: str) -> None:
    loads_or_says(file, text)


@ANY
@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text(max_size=6) | st.sampled_from(list("{}[]:-#&*!|>'\"%@`")))
def test_a_damaged_configuration_loads_or_is_a_config_error(file: Path, at: int, cut: int, put: str) -> None:
    loads_or_says(file, GOOD[:at] + put + GOOD[at + cut :])


PLACES = [
    ("venue",), ("venue", "host"), ("venue", "ca_file"), ("control",), ("control", "listen"), ("control", "clients"),
    ("control", "clients", 0), ("control", "clients", 0, "token"), ("control", "clients", 0, "portfolios"),
    ("control", "clients", 0, "token", "env"), ("rest",), ("rest", "url"), ("portfolios",), ("portfolios", 0),
    ("portfolios", 0, "sessions"), ("portfolios", 0, "sessions", 0), ("portfolios", 0, "sessions", 0, "role"),
    ("portfolios", 0, "rate"), ("schedule",), ("schedule", "zone"), ("schedule", "window"), ("state_dir",),
]  # fmt: skip


@ANY
@given(st.sampled_from(PLACES), VALUES)
def test_any_value_anywhere_loads_or_is_a_config_error(file: Path, place: tuple[str | int, ...], value: object) -> None:
    tree = yaml.safe_load(GOOD) | {"schedule": {}}
    inner = tree
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    loads_or_says(file, yaml.safe_dump(tree, allow_unicode=True))
