"""What monitoring reads of a portfolio on a scripted venue: the whole scrape through prometheus-client's own parser."""

import trio
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from primefixd.metrics.collecting import DeskCollector
from primefixd.metrics.health import Lag
from primefixd.runtime.desk import About, Desk
from tests.support.scripted import Rig

_ORDER = ("portfolio", "session", "type", "reason", "status", "le")  # of the values that a sample is asked for by


def desk_of(rig: Rig) -> Desk:
    about = About(version="1", venue="127.0.0.1:1", started=rig.wall.ours().utc)
    return Desk(
        portfolios={rig.portfolio.name: rig.portfolio},
        journal=rig.journal,
        feed=rig.feed,
        clock=rig.wall.ours,
        about=about,
        schedule=rig.shared.schedule,
    )


class Scrape:
    """One scrape; `scrape["name", "value of a label", …]` is the one sample with that name and these label values."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.families: list[Metric] = list(text_string_to_metric_families(text))
        self.samples = {
            (sample.name, *(sample.labels[each] for each in _ORDER if each in sample.labels)): sample.value
            for family in self.families
            for sample in family.samples
        }

    def __getitem__(self, key: str | tuple[str, ...]) -> float:
        return self.samples[(key,) if isinstance(key, str) else key]

    def of(self, name: str) -> dict[tuple[str, ...], float]:
        """The samples with that name that are not 0, by the values of their labels."""
        return {key[1:]: value for key, value in self.samples.items() if key[0] == name and value}


def scrape(rig: Rig, lag: Lag | None = None, stopping: trio.Event | None = None) -> Scrape:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(DeskCollector(desk_of(rig), lag or Lag(rig.wall.ours), stopping or trio.Event()))
    return Scrape(generate_latest(registry).decode())
