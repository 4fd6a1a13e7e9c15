"""From a file to Settings, or to everything that is wrong with it, sorted by line.

`run`, `check` and `sandbox` read the same file through `load`. Relative paths in the file start from its own folder.
"""

import os
import ssl
import stat
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, get_origin

from attrs import evolve, field, frozen
from cattrs import Converter

from primefixd.config.credentials import PATH_SHOWN_MAX_CHARS, Sources, why
from primefixd.config.document import Document, Unreadable, read
from primefixd.config.rules import SECRETS, problems, warnings, window_times
from primefixd.control.settings import ClientSettings, ControlSettings, Right
from primefixd.dispatch.calendar import Schedule
from primefixd.dispatch.risk import RiskLimits
from primefixd.metrics.settings import MetricsSettings
from primefixd.runtime.settings import (
    LAST_ORDER_LEAD_S,
    FixLogSettings,
    PortfolioSettings,
    ReconcileSettings,
    RestSettings,
    VenueSettings,
)
from primefixd.secret import Secret
from primefixd.strict import CONVERTER as STRICT
from primefixd.strict import Invalid, Problem, Wrong, make_converter, shown, structure
from primefixd.strict import Path as Steps

CONFIG_MAX_BYTES = 262_144  # a larger file is not a configuration; reading it as YAML would take seconds


@frozen(kw_only=True)
class Settings:
    """Everything that the daemon is set up with (contract.md section 2)."""

    venue: VenueSettings
    control: ControlSettings
    state_dir: Path
    rest: RestSettings | None
    retention_days: int
    quiet_ask_s: float
    reconcile: ReconcileSettings = field(factory=ReconcileSettings)
    schedule: Schedule
    last_order_lead_s: float = LAST_ORDER_LEAD_S
    fix_log: FixLogSettings | None = None
    metrics: MetricsSettings | None = None
    portfolios: tuple[PortfolioSettings, ...]

    def secrets(self) -> Iterator[Secret]:
        """Every secret that the configuration named, to be masked wherever something is written."""
        for client in self.control.clients:
            if client.token is not None:
                yield client.token
        for portfolio in self.portfolios:
            for session in portfolio.sessions:
                yield from (session.api_key, session.api_secret, session.passphrase)


@frozen
class Loaded:
    """`warnings` read `FILE:LINE: KEY: what is likely not meant`."""

    settings: Settings
    warnings: tuple[str, ...]


class ConfigError(Exception):
    """The configuration cannot be used; `problems` read `FILE:LINE: KEY: what is wrong and what to do`, by line."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


# The file as it is written, where that differs from the settings made of it


@frozen(kw_only=True)
class _Client:
    name: str
    token: Secret | None = None
    uid: int | None = None
    portfolios: Literal["*"] | frozenset[str]
    may: frozenset[Right]
    risk: RiskLimits | None = None


@frozen(kw_only=True)
class _Control:
    listen: tuple[str, ...] = ControlSettings().listen
    origins: tuple[str, ...] = ()
    clients: tuple[_Client, ...] = ()


@frozen(kw_only=True)
class _Schedule:
    zone: str = "America/New_York"
    window: str = "17:00-17:05"
    days: Literal["all"] = "all"
    last_order_lead_s: float = LAST_ORDER_LEAD_S


@frozen(kw_only=True)
class _FixLog:
    file: str | None = None
    max_mb: int = 50
    keep: int = 10


@frozen(kw_only=True)
class _File:
    venue: VenueSettings
    control: _Control = _Control()
    state_dir: str | None = None
    rest: RestSettings | None = None
    retention_days: int = 7
    quiet_ask_s: float = 2.0
    reconcile_grace_s: float = ReconcileSettings().grace_s
    reconcile_max_s: float = ReconcileSettings().most_s
    schedule: _Schedule = _Schedule()
    fix_log: _FixLog | None = _FixLog()
    metrics: MetricsSettings | None = None
    portfolios: tuple[PortfolioSettings, ...]


@frozen
class _Found:
    """What was found so far: the document, and notes on it by path."""

    document: Document
    problems: list[Problem] = field(factory=list)
    warnings: list[Problem] = field(factory=list)


def load(path: Path, credentials_dir: Path | None, env: Mapping[str, str], *, ca_file_required: bool = True) -> Loaded:
    """The settings in the file at `path`; raises ConfigError with every problem that it has, and nothing else.

    `credentials_dir` None means $CREDENTIALS_DIRECTORY of `env`. The sandbox venue, which writes an absent `ca_file`
    itself, does not require it.
    """
    try:
        text, exposed = _text(path)
        found = _Found(read(text))
    except Unreadable as error:
        raise ConfigError((f"{path}:{error.line}: file: {error.what}",)) from None
    _take_secrets(found, _sources(path, credentials_dir, env, exposed))
    file = _structured(found)
    found.problems.extend(_ca_file(found.document, path.parent, ca_file_required))
    told = _lines(path, found.document, found.problems)
    if file is None or told:
        raise ConfigError(told)
    found.warnings.extend(warnings(found.document))
    return Loaded(_settings(file, path.parent, env), _lines(path, found.document, found.warnings))


def _text(path: Path) -> tuple[str, bool]:
    """The file's text, and whether every user of the machine can read it."""
    try:
        with path.open("rb") as file:
            exposed = bool(os.fstat(file.fileno()).st_mode & stat.S_IROTH)
            content = file.read(CONFIG_MAX_BYTES + 1)
        if len(content) > CONFIG_MAX_BYTES:
            raise Unreadable(1, f"is larger than {CONFIG_MAX_BYTES} bytes, which no configuration needs")
        return content.decode(), exposed
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Unreadable(line, "is not UTF-8 text here; save it as UTF-8") from None
    except (OSError, ValueError) as error:
        raise Unreadable(1, f"cannot be read: {why(error)}; give the right path and permissions") from None


def _sources(path: Path, credentials_dir: Path | None, env: Mapping[str, str], exposed: bool) -> Sources:
    told = env.get("CREDENTIALS_DIRECTORY")
    directory = credentials_dir or (Path(told) if told else None)
    return Sources(directory=directory, env=env, base=path.parent, exposed=exposed)


def _take_secrets(found: _Found, sources: Sources) -> None:
    """Put each secret in the place of what tells of it; one that cannot be had leaves a stand-in, and a problem."""
    for pattern in SECRETS:
        for path, source in list(found.document.found(pattern, object)):
            if source is None:
                continue
            secret: object = _MISSED
            try:
                taken = sources.read(source)
                secret = taken.secret
                if taken.warning:
                    found.warnings.append(Problem(path, taken.warning))
            except Wrong as error:
                found.problems.append(Problem(path, str(error)))
            _put(found.document.tree, path, secret)


class _Missed:
    """Stands where a secret could not be had, so that it is complained of once and compared with nothing."""


_MISSED = _Missed()


def _put(tree: Any, path: Steps, value: object) -> None:
    for step in path[:-1]:
        tree = tree[step]
    tree[path[-1]] = value


def _structured(found: _Found) -> _File | None:
    """The file's classes if its types are right; what the rules say is added for everything that has its type."""
    found.problems.extend([*found.document.problems, *problems(found.document)])
    try:
        return structure(found.document.tree, _File, _CONVERTER)
    except Invalid as error:
        found.problems.extend(error.problems)
        return None


def _converter() -> Converter:
    made = make_converter()
    made.register_structure_hook(Secret, _secret)
    made.register_structure_hook_func(_is_mapping, _amounts)
    limits = made.get_structure_hook(RiskLimits)
    made.register_structure_hook_func(
        lambda kind: kind == RiskLimits | None,
        lambda value, _: None if value in (None, "none") else limits(value, RiskLimits),
    )
    return made


def _is_mapping(kind: Any) -> bool:
    return get_origin(kind) is Mapping


def _amounts(value: object, _: object) -> Mapping[str, Decimal]:
    """Decimals by name."""
    if not isinstance(value, dict):
        raise Wrong('must be amounts by product such as {BTC-USD: "2.5"}')
    found, told = [], {}
    for name, amount in value.items():
        try:
            told[name] = structure(amount, Decimal, STRICT)
        except Invalid as error:
            found += [problem.under(name) for problem in error.problems]
    if found:
        raise Invalid(found)
    return told


def _secret(value: object, _: object) -> Secret | _Missed:
    if isinstance(value, Secret | _Missed):
        return value
    raise Wrong("must be a secret such as {credential: NAME}")


_CONVERTER = _converter()


def _ca_file(document: Document, base: Path, required: bool) -> Iterator[Problem]:
    for steps, name in (*document.found("venue.ca_file", str), *document.found("rest.ca_file", str)):
        path = base / name
        try:
            if required or path.exists():
                ssl.create_default_context(cafile=str(path))
        except ssl.SSLError:
            yield Problem(steps, "names a file without a certificate in PEM form; fetch one or use null")
        except (OSError, ValueError) as error:
            place = shown(str(path), PATH_SHOWN_MAX_CHARS)
            yield Problem(steps, f"names {place}, which cannot be read: {why(error)}")


def _lines(path: Path, document: Document, found: list[Problem]) -> tuple[str, ...]:
    placed = sorted((document.line(problem.path), problem.field or "file", problem.what) for problem in found)
    return tuple(dict.fromkeys(f"{path}:{line}: {key}: {what}" for line, key, what in placed))


def _settings(file: _File, base: Path, env: Mapping[str, str]) -> Settings:
    def placed(name: str | None) -> str | None:
        return str(base / name) if name else None

    clients = tuple(
        ClientSettings(
            name=client.name,
            token=client.token,
            uid=client.uid,
            portfolios=None if client.portfolios == "*" else frozenset(client.portfolios),
            may=client.may,
            risk=client.risk,
        )
        for client in file.control.clients
    )
    state_dir = base / file.state_dir if file.state_dir is not None else state_dir_of(env)
    return Settings(
        venue=evolve(file.venue, ca_file=placed(file.venue.ca_file)),
        control=ControlSettings(listen=file.control.listen, origins=file.control.origins, clients=clients),
        state_dir=state_dir,
        rest=file.rest and evolve(file.rest, ca_file=placed(file.rest.ca_file)),
        retention_days=file.retention_days,
        quiet_ask_s=file.quiet_ask_s,
        reconcile=ReconcileSettings(grace_s=file.reconcile_grace_s, most_s=file.reconcile_max_s),
        schedule=Schedule(file.schedule.zone, *window_times(file.schedule.window)),
        last_order_lead_s=file.schedule.last_order_lead_s,
        fix_log=_fix_log(file.fix_log, base, state_dir) if file.fix_log else None,
        metrics=file.metrics,
        portfolios=file.portfolios,
    )


def _fix_log(told: _FixLog, base: Path, state_dir: Path) -> FixLogSettings:
    file = base / told.file if told.file else state_dir / "fix.log"
    return FixLogSettings(file=file, max_mb=told.max_mb, keep=told.keep)


def state_dir_of(env: Mapping[str, str]) -> Path:
    """Where the state is unless configured. systemd lists several with colons; the first is the daemon's own."""
    return Path(env.get("STATE_DIRECTORY", "").split(":")[0] or "state")
