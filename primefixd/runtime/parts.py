"""What one portfolio is made of, put together."""

from collections import Counter
from collections.abc import Callable

from attrs import frozen

from primefixd.orders.ledger import Ledger
from primefixd.runtime.alarms import Alarms
from primefixd.runtime.asking import Asking
from primefixd.runtime.cancels import Cancels
from primefixd.runtime.counts import Census
from primefixd.runtime.day import TradingDay
from primefixd.runtime.departures import Departures
from primefixd.runtime.door import Door
from primefixd.runtime.doubts import Doubts, RestReading
from primefixd.runtime.floor import TradingFloor
from primefixd.runtime.gate import Gate
from primefixd.runtime.halts import Halts, RecordNotes
from primefixd.runtime.hearing import Hearing
from primefixd.runtime.intake import Intake
from primefixd.runtime.marks import Marks
from primefixd.runtime.presence import Disconnects
from primefixd.runtime.queueing import Queueing
from primefixd.runtime.quotes import Quotes
from primefixd.runtime.reconciling import Reconciling
from primefixd.runtime.record import Record
from primefixd.runtime.release import Release
from primefixd.runtime.replaces import Replaces
from primefixd.runtime.rest import RestDesk
from primefixd.runtime.sessions import Sessions
from primefixd.runtime.settings import PortfolioSettings
from primefixd.runtime.shared import Shared
from primefixd.runtime.supervisor import SupervisorOwner
from primefixd.runtime.views import PortfolioView


@frozen(kw_only=True)
class Parts:
    ledger: Ledger
    sessions: Sessions
    queueing: Queueing
    asking: Asking
    cancels: Cancels
    departures: Departures
    reconciling: Reconciling
    hearing: Hearing
    marks: Marks
    doubts: Doubts
    rest: RestReading | None
    gate: Gate
    door: Door
    intake: Intake
    halts: Halts
    alarms: Alarms
    disconnects: Disconnects
    floor: TradingFloor
    day: TradingDay

    def census(self) -> Census:
        """How the orders stand, and what has happened since the start."""
        return Census(
            orders=Counter(order.status for order in self.ledger.live()),
            finished=self.ledger.finished,
            counts=self.hearing.counts,
            sessions=self.sessions.counted(),
        )


def assemble(
    settings: PortfolioSettings,
    shared: Shared,
    owner: SupervisorOwner,
    rest: RestDesk | None,
    record: RecordNotes,
    write: Callable[[Ledger, Door], Record],
    view: Callable[[], PortfolioView],
) -> Parts:
    """`record` and `view` are the portfolio's own; `write` makes the way to the journal that `record` uses."""
    journal, ports, clock = shared.journal, shared.ports, shared.ports.clock
    ledger = Ledger(shared.reconcile.grace_s, settings.name)
    sessions = Sessions(settings, owner, shared.venue, ports)
    queueing, asking = Queueing(ledger, sessions), Asking(ledger, sessions)
    hearing = Hearing(
        ledger=ledger,
        sessions=sessions,
        queueing=queueing,
        asking=asking,
        cancels=Cancels(ledger, sessions, ports.new_id),
        replaces=Replaces(ledger, sessions),
        quotes=Quotes(sessions),
        reconciling=Reconciling((each.name for each in settings.sessions), shared.reconcile.most_s),
    )
    door = Door(settings.name, settings.risk, ledger, shared.doors)
    written, gate = write(ledger, door), Gate(journal, hearing.reconciling)
    marks = Marks(ledger, journal, written)
    intake = _intake(settings.name, hearing, gate, door, record, shared)
    release = Release(gate, door, shared.presence)
    floor = TradingFloor(hearing, gate, release, record, view, clock, ports.uniform, rest is not None)
    halts = Halts(settings.name, hearing, gate, record, view, intake.begin_cancel, clock)
    return Parts(
        ledger=ledger,
        sessions=sessions,
        queueing=queueing,
        asking=asking,
        cancels=hearing.cancels,
        departures=Departures(ledger, hearing.cancels, hearing.replaces, hearing.quotes),
        reconciling=hearing.reconciling,
        hearing=hearing,
        marks=marks,
        doubts=Doubts(hearing, marks, written, gate, door, shared.reconcile.grace_s),
        rest=RestReading(ledger, hearing, written, rest, clock) if rest else None,
        gate=gate,
        door=door,
        intake=intake,
        halts=halts,
        alarms=Alarms(settings.name, ledger, halts, settings.halt_on),
        disconnects=Disconnects(settings.name, ledger, gate, shared.presence, record, intake.begin_cancel),
        floor=floor,
        day=TradingDay(floor, shared.schedule, shared.last_order_lead_s),
    )


def _intake(portfolio: str, hearing: Hearing, gate: Gate, door: Door, record: RecordNotes, shared: Shared) -> Intake:
    return Intake(
        portfolio=portfolio,
        ledger=hearing.ledger,
        journal=shared.journal,
        gate=gate,
        door=door,
        sessions=hearing.sessions,
        queueing=hearing.queueing,
        cancels=hearing.cancels,
        replaces=hearing.replaces,
        quotes=hearing.quotes,
        hearing=hearing,
        record=record,
        clock=shared.ports.clock,
        new_id=shared.ports.new_id,
        schedule=shared.schedule,
    )
