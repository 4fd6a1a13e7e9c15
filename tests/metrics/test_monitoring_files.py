"""The dashboard and the alert rules that come with the daemon: every name in them is one that it really shows."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.process_collector import ProcessCollector
from trio.testing import MockClock

from primefixd.control.render import EVENT_TYPES
from primefixd.fix.events import EndReason
from primefixd.fix.tags import MSG_TYPE_NAMES
from primefixd.metrics.collecting import ALARMING
from primefixd.metrics.names import METRICS
from primefixd.orders.model import Status
from primefixd.orders.reports import RejectReason
from primefixd.runtime.answers import Reason
from primefixd.runtime.views import PortfolioState, SessionState
from tests.support.lives import life, up
from tests.support.scraped import Scrape, scrape
from tests.support.scripted import settings

ETC = Path(__file__).parents[2] / "etc"
RULES = ETC / "prometheus" / "primefixd.rules.yml"
DASHBOARD = ETC / "grafana" / "primefixd.json"
PROMETHEUS_OWN = {"up"}
FUNCTIONS = {
    "abs", "by", "count", "histogram_quantile", "increase", "job", "max", "min", "or", "rate", "sum", "vector",
    "label_values",
}  # fmt: skip
LABELS = {"portfolio", "session", "status", "type", "reason", "le", "job"}
VALUES = {
    "status": {*SessionState, *PortfolioState, *Status},
    "type": {*EVENT_TYPES.values(), *MSG_TYPE_NAMES.values(), "order", "cancel", "replace", "quote", "message"},
    "reason": {*RejectReason, *Reason, *(each.lower() for each in EndReason), "timeout", "failed"},
    "job": {"primefixd"},
    "portfolio": {"$portfolio"},
}

promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool (Debian's prometheus) is not installed"
)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return [each for each in json.loads(DASHBOARD.read_text())["panels"] if each["type"] != "row"]


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in rules())
    yield from (target["expr"] for panel in panels() for target in panel["targets"])
    yield from (each["query"]["query"] for each in json.loads(DASHBOARD.read_text())["templating"]["list"][1:])


async def shown() -> set[str]:
    """The names of all samples that a daemon shows which has just begun."""
    async with life(of=settings("a")) as rig:
        await up()
        rig.portfolio._parts.sessions._supervisors["a"].line.counts.certificate_until = rig.wall.ours().utc
        names = {name for name, *_ in scrape(rig).samples}
    registry = CollectorRegistry(auto_describe=False)
    ProcessCollector(registry=registry)
    return names | {name for name, *_ in Scrape(generate_latest(registry).decode()).samples}


async def test_every_name_in_them_is_shown_by_a_daemon(autojump_clock: MockClock) -> None:
    known = await shown()
    for expression in expressions():
        bare = re.sub(r'"[^"]*"|\[[0-9a-z]+\]', "", expression)
        words = set(re.findall(r"[a-zA-Z_][a-zA-Z_0-9]*", bare))
        assert words - FUNCTIONS - LABELS - PROMETHEUS_OWN <= known, expression
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', expression):
            assert set(value.split("|")) <= VALUES[label], expression


def test_every_metric_is_drawn_or_alarmed_on() -> None:
    used = set(re.findall(r"primefixd_\w+", " ".join(expressions())))
    assert set(METRICS) == {re.sub(r"_(total|bucket)$", "", name) for name in used}


def test_every_alarm_says_what_to_do_and_whom_to_wake() -> None:
    for rule in rules():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"] and rule["annotations"]["description"], rule["alert"]
    names = [rule["alert"] for rule in rules()]
    assert len(names) == len(set(names))


def test_panels_have_places_and_numbers_of_their_own() -> None:
    everything = json.loads(DASHBOARD.read_text())["panels"]
    assert len({each["id"] for each in everything}) == len(everything)
    squares = [
        (x, y)
        for each in everything
        for at in [each["gridPos"]]
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(squares) == len(set(squares)) and max(x for x, _ in squares) < 24


def test_events_that_are_alarmed_on_are_there_from_the_start() -> None:
    (alarm,) = (rule for rule in rules() if "primefixd_events_total" in rule["expr"])
    assert set(re.findall(r"order\.\w+", alarm["expr"])) <= set(ALARMING) <= set(EVENT_TYPES.values())


@promtool
def test_promtool_accepts_the_configuration_and_the_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "config", str(ETC / "prometheus" / "prometheus.yml")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(rules())} rules found" in done.stdout


CASES = """
rule_files: [{rules}]
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - {{series: 'primefixd_session_state{{portfolio="p",session="a",status="ACTIVE"}}', values: '1x2 0x20'}}
      - {{series: 'primefixd_session_state{{portfolio="p",session="a",status="WINDOW"}}', values: '0x22'}}
      - {{series: 'primefixd_session_state{{portfolio="p",session="b",status="ACTIVE"}}', values: '1x2 0x20'}}
      - {{series: 'primefixd_session_state{{portfolio="p",session="b",status="WINDOW"}}', values: '0x2 1x20'}}
      - {{series: 'primefixd_rejects_total{{portfolio="p",type="order",reason="rate_limited"}}', values: '0x5 1x20'}}
      - {{series: 'primefixd_events_total{{portfolio="p",type="order.fill_gap"}}', values: '0x5 1x20'}}
      - {{series: 'primefixd_journal_writable', values: '1x9 0x5 1x9'}}
      - {{series: 'primefixd_session_certificate_left_seconds{{portfolio="p",session="a"}}', values: '1209601 1209599'}}
    alert_rule_test:
      - {{eval_time: 2m, alertname: PrimefixdSessionDown}}
      - eval_time: 8m
        alertname: PrimefixdSessionDown
        exp_alerts: [{{exp_labels: {{severity: page, portfolio: p, session: a}}, exp_annotations: {{
          summary: 'Session a of p is not logged on, and this is not the window',
          description: '`primefixd sessions` shows its last error.'}}}}]
      - {{eval_time: 5m, alertname: PrimefixdRateRejected}}
      - {{eval_time: 4m, alertname: PrimefixdVenueContradicts}}
      - {{eval_time: 8m, alertname: PrimefixdJournalNotWritable}}
      - {{eval_time: 0m, alertname: PrimefixdCertificateExpires}}
    promql_expr_test:
      - expr: count(ALERTS{{alertname="PrimefixdRateRejected", alertstate="firing"}})
        eval_time: 8m
        exp_samples: [{{labels: '{{}}', value: 1}}]
      - expr: count(ALERTS{{alertname="PrimefixdVenueContradicts", alertstate="firing"}})
        eval_time: 8m
        exp_samples: [{{labels: '{{}}', value: 1}}]
      - expr: count(ALERTS{{alertname="PrimefixdJournalNotWritable", alertstate="firing"}})
        eval_time: 12m
        exp_samples: [{{labels: '{{}}', value: 1}}]
      - expr: count(ALERTS{{alertname="PrimefixdCertificateExpires", alertstate="firing"}})
        eval_time: 1m
        exp_samples: [{{labels: '{{}}', value: 1}}]
"""


@promtool
def test_alarms_go_off_when_they_should_and_not_in_the_window(tmp_path: Path) -> None:
    (tmp_path / "cases.yml").write_text(CASES.format(rules=RULES))
    done = subprocess.run(
        ["promtool", "test", "rules", str(tmp_path / "cases.yml")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
