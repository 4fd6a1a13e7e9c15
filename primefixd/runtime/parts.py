"""What one portfolio is made of, put together."""

from collections.abc import Callable

from attrs import frozen

from primefixd.orders.ledger import Ledger
from primefixd.runtime.asking import Asking
from primefixd.runtime.cancels import Cancels
from primefixd.runtime.day import TradingDay
from primefixd.runtime.departures import Departures
from primefixd.runtime.doubts import Doubts, RestReading
from primefixd.runtime.floor import TradingFloor
from primefixd.runtime.gate import Gate
from primefixd.runtime.halts import Halts, RecordNotes
from primefixd.runtime.hearing import Hearing
from primefixd.runtime.intake import Intake
from primefixd.runtime.marks import Marks
from primefixd.runtime.queueing import Queueing
from primefixd.runtime.quotes import Quotes
from primefixd.runtime.reconciling import Reconciling
from primefixd.runtime.record import Record
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
    intake: Intake
    halts: Halts
    floor: TradingFloor
    day: TradingDay


def assemble(
    settings: PortfolioSettings,
    shared: Shared,
    owner: SupervisorOwner,
    rest: RestDesk | None,
    record: RecordNotes,
    write: Callable[[Ledger], Record],
    view: Callable[[], PortfolioView],
) -> Parts:
    """`record` and `view` are the portfolio's own; `write` makes the way to the journal that `record` uses."""
    journal, ports, clock = shared.journal, shared.ports, shared.ports.clock
    ledger = Ledger(shared.reconcile.grace_s)
    sessions = Sessions(settings, owner, shared.venue, ports)
    queueing, asking = Queueing(ledger, sessions), Asking(ledger, sessions)
    cancels, replaces = Cancels(ledger, sessions, ports.new_id), Replaces(ledger, sessions)
    quotes = Quotes(sessions)
    reconciling = Reconciling((each.name for each in settings.sessions), shared.reconcile.most_s)
    gate = Gate(journal, reconciling)
    hearing = Hearing(
        ledger=ledger,
        sessions=sessions,
        queueing=queueing,
        asking=asking,
        cancels=cancels,
        replaces=replaces,
        quotes=quotes,
        reconciling=reconciling,
    )
    written = write(ledger)
    marks = Marks(ledger, journal, written)
    intake = Intake(
        portfolio=settings.name,
        ledger=ledger,
        journal=journal,
        gate=gate,
        sessions=sessions,
        queueing=queueing,
        cancels=cancels,
        replaces=replaces,
        quotes=quotes,
        hearing=hearing,
        record=record,
        clock=clock,
        new_id=ports.new_id,
        schedule=shared.schedule,
    )
    floor = TradingFloor(
        ledger=ledger,
        gate=gate,
        sessions=sessions,
        queueing=queueing,
        hearing=hearing,
        record=record,
        view=view,
        clock=clock,
        uniform=ports.uniform,
        rest=rest is not None,
    )
    return Parts(
        ledger=ledger,
        sessions=sessions,
        queueing=queueing,
        asking=asking,
        cancels=cancels,
        departures=Departures(ledger, cancels, replaces, quotes),
        reconciling=reconciling,
        hearing=hearing,
        marks=marks,
        doubts=Doubts(
            ledger=ledger,
            sessions=sessions,
            queueing=queueing,
            asking=asking,
            marks=marks,
            record=written,
            grace_s=shared.reconcile.grace_s,
        ),
        rest=RestReading(ledger, hearing, written, rest, clock) if rest else None,
        gate=gate,
        intake=intake,
        halts=Halts(
            ledger=ledger,
            journal=journal,
            gate=gate,
            queueing=queueing,
            hearing=hearing,
            record=record,
            view=view,
            cancel=intake.begin_cancel,
            clock=clock,
        ),
        floor=floor,
        day=TradingDay(floor, shared.schedule, shared.last_order_lead_s),
    )
