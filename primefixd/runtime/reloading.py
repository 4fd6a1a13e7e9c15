"""A new configuration into a running daemon: what changed is changed, and nothing else is touched.

Some settings are the ground that everything stands on: where one of them differs, nothing at all is changed, and the
answer names it, since half a reload would be worse than none.
"""

from collections.abc import Callable, Mapping, Sequence

import structlog
import trio
from attrs import frozen

from primefixd.runtime.desk import Desk
from primefixd.runtime.portfolio import IDENTITY, Portfolio
from primefixd.runtime.settings import PortfolioSettings
from primefixd.runtime.store import Stored

_log = structlog.get_logger()

MakePortfolio = Callable[[PortfolioSettings, Stored], Portfolio]


@frozen
class Reloading:
    """`make` makes a portfolio with what is kept of it; `running` is where portfolios run."""

    desk: Desk
    make: MakePortfolio
    running: trio.Nursery

    def refusal(self, before: Sequence[PortfolioSettings], after: Sequence[PortfolioSettings]) -> str | None:
        """Why these portfolios cannot follow those without a restart, if so."""
        ids = {each.name: each.portfolio_id for each in before}
        for each in after:
            if ids.get(each.name, each.portfolio_id) != each.portfolio_id:
                return f"portfolios[].portfolio_id of {each.name}"
        return None

    async def change(self, before: Sequence[PortfolioSettings], after: Sequence[PortfolioSettings]) -> str | None:
        """Drain and end portfolios that are gone, start new ones, and let those that differ become what is said.

        Returns why nothing is changed, if so: what is kept of a new one cannot be read, or is of another account.
        """
        old, new = _by_name(before), _by_name(after)
        added = [each for name, each in new.items() if name not in old]
        stored = await self.desk.journal.load() if added else None
        if added and stored is None:
            return "the state directory, which cannot be written now"
        wrong = next((why for each in added if stored and (why := wrong_identity(each, stored))), None)
        if wrong is not None:
            return wrong
        for name in old.keys() - new.keys():
            await self._retire(name)
        for settings in added:
            if stored is not None:
                self._start(settings, stored)
        for name in new.keys() & old.keys():
            if new[name] != old[name]:
                _log.info("portfolio_changed", portfolio=name)
                self.desk.portfolios[name].change(new[name])
        return None

    def _start(self, settings: PortfolioSettings, stored: Stored) -> None:
        _log.info("portfolio_added", portfolio=settings.name)
        portfolio = self.desk.portfolios[settings.name] = self.make(settings, stored)
        self.running.start_soon(portfolio.run)

    async def _retire(self, name: str) -> None:
        _log.info("portfolio_removed", portfolio=name)
        portfolio = self.desk.portfolios[name]
        await portfolio.stop()
        await portfolio.stopped.wait()
        del self.desk.portfolios[name]
        portfolio.forget()


class WrongIdentity(Exception):
    """What is kept under a portfolio's name, or under its id, is of another one; one sentence with what to do."""


def wrong_identity(settings: PortfolioSettings, stored: Stored) -> str | None:
    """Why what is kept is not this portfolio's: its orders must never leave for another account."""
    ids = {name: notes[IDENTITY].decode() for name, notes in stored.notes.items() if IDENTITY in notes}
    known = ids.get(settings.name, settings.portfolio_id)
    if known != settings.portfolio_id:
        return f"portfolio {settings.name} was kept with portfolio_id {known}; give it that, or another name"
    other = next((name for name, each in ids.items() if each == settings.portfolio_id and name != settings.name), None)
    if other is not None:
        return f"portfolio_id {settings.portfolio_id} was kept as portfolio {other}; call it that again"
    return None


def check_identity(settings: PortfolioSettings, stored: Stored) -> None:
    """Raises WrongIdentity where `wrong_identity` has something to say."""
    if (why := wrong_identity(settings, stored)) is not None:
        raise WrongIdentity(why)


def _by_name(portfolios: Sequence[PortfolioSettings]) -> Mapping[str, PortfolioSettings]:
    return {each.name: each for each in portfolios}
