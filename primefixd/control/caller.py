"""One connection of a client, as the methods see it: who it is, what it may reach, what it follows."""

from attrs import frozen

from primefixd.control import messages
from primefixd.control.messages import Call, Failure
from primefixd.control.render import forbidden
from primefixd.control.settings import ClientSettings, Right
from primefixd.runtime.desk import Desk
from primefixd.runtime.follower import Follower
from primefixd.runtime.portfolio import Portfolio
from primefixd.strict import Problem


@frozen
class Following:
    """A subscription that was answered with `cursor`: its first event names that one as the event before it."""

    follower: Follower
    cursor: int


class Caller:
    """One connection of a client, as the methods see it: who it is, what it may reach, what it follows."""

    def __init__(self, client: ClientSettings, desk: Desk) -> None:
        self.client = client
        self.desk = desk
        self.following: Following | None = None

    def may(self, right: Right) -> bool:
        """Whether the client has `right`; whoever may trade may read."""
        return right in self.client.may or (right is Right.READ and Right.TRADE in self.client.may)

    def reaches(self, name: str) -> bool:
        return name in self.desk.portfolios and (self.client.portfolios is None or name in self.client.portfolios)

    def portfolios(self) -> list[Portfolio]:
        """Those that the client may reach, in the order of the configuration."""
        return [portfolio for name, portfolio in self.desk.portfolios.items() if self.reaches(name)]

    def chosen(self, call: Call, name: str | None) -> list[Portfolio] | Failure:
        """The portfolio called `name`, or all that the client may reach if that is None."""
        if name is None:
            return self.portfolios()
        if not self.reaches(name):
            return forbidden(
                call.id, call.method, f"{self.client.name} has no portfolio {name}; portfolio.list has them"
            )
        return [self.desk.portfolios[name]]

    def one(self, call: Call, name: str | None) -> Portfolio | Failure:
        """The portfolio called `name`; the client's only one if that is None."""
        chosen = self.chosen(call, name)
        if isinstance(chosen, Failure):
            return chosen
        if len(chosen) == 1:
            return chosen[0]
        names = ", ".join(portfolio.name for portfolio in chosen) or "none"
        problem = Problem(("params", "portfolio"), f"is missing; name one of yours: {names}")
        return messages.invalid(call.id, [problem], call.method)

    def leave(self) -> None:
        """Ends the subscription, if there is one."""
        if self.following is not None:
            self.following.follower.close()
            self.following = None
