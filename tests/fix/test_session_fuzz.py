"""No bytes from a peer, in any state and either role, make a session raise, break its numbers or talk after its end."""

from collections.abc import Callable
from itertools import pairwise
from math import inf

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from primefixd.fix.codec import Decoder
from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.events import Ended, Event
from primefixd.fix.message import Message
from primefixd.fix.outbound import OUTGOING_MAX
from primefixd.fix.session import Resend, Role, Session, SessionState
from tests.fix.transcript import START, acceptor, heard, initiator

LOGON = "35=A|34=1|98=0|108=30|141=Y"


def at(state: SessionState, role: Role, resend: Resend) -> Session:
    """A session that has come so far by itself."""
    session = (initiator if role is Role.INITIATOR else acceptor)(resend=resend)
    peer, us = ("COIN", "ME") if role is Role.INITIATOR else ("ME", "COIN")
    steps: list[Callable[[], object]] = [
        lambda: session.logon((), START),
        lambda: session.receive(heard(LOGON, peer, us, START), START),
    ]
    if role is Role.ACCEPTOR:
        steps = [steps[1], lambda: session.accept((), START), lambda: session.next_outgoing(START)]
    steps += [lambda: session.logout(None, START), lambda: session.end_of_stream(START)]
    for step in steps:
        if session.state is state:
            break
        step()
    assert session.state is state
    return session


# Everything that may happen, in every state: `=` nothing changes, or the state after, the end, or `misuse`.
TABLE = {
    Role.INITIATOR: """
                   DISCONNECTED  LOGGING_ON     ACTIVE       LOGGING_OUT     CLOSED
    logon          LOGGING_ON    misuse         misuse       misuse          misuse
    accept         misuse        misuse         misuse       misuse          misuse
    refuse         misuse        misuse         misuse       misuse          misuse
    send           misuse        misuse         =            =               misuse
    probe          misuse        misuse         =            =               misuse
    reject         misuse        misuse         =            =               misuse
    logout         misuse        LOGGING_OUT    LOGGING_OUT  misuse          misuse
    drain          =             =              =            =               =
    35=A           PROTOCOL      ACTIVE         PROTOCOL     =               =
    35=0           PROTOCOL      PROTOCOL       =            =               =
    35=1|112=x     PROTOCOL      PROTOCOL       =            =               =
    35=2|7=1|16=0  PROTOCOL      PROTOCOL       =            =               =
    35=3|45=1      PROTOCOL      LOGON_REFUSED  =            =               =
    35=4|36=9      PROTOCOL      PROTOCOL       =            =               =
    35=5           PROTOCOL      LOGON_REFUSED  LOGOUT       LOGOUT          =
    35=8           PROTOCOL      PROTOCOL       =            =               =
    35=j           PROTOCOL      LOGON_REFUSED  =            =               =
    garbage        =             =              =            =               =
    day            =             LOGON_TIMEOUT  PEER_SILENT  LOGOUT_TIMEOUT  =
    close          STREAM_CLOSED LOGON_REFUSED  STREAM_CLOSED STREAM_CLOSED  =
    """,
    Role.ACCEPTOR: """
                   DISCONNECTED   ANSWERING      LOGGING_ON     ACTIVE         LOGGING_OUT    CLOSED
    logon          misuse         misuse         misuse         misuse         misuse         misuse
    accept         misuse         LOGGING_ON     misuse         misuse         misuse         misuse
    refuse         misuse         LOGON_REFUSED  misuse         misuse         misuse         misuse
    send           misuse         misuse         misuse         =              =              misuse
    probe          misuse         misuse         misuse         =              =              misuse
    reject         misuse         misuse         misuse         =              =              misuse
    logout         misuse         misuse         LOGGING_OUT    LOGGING_OUT    misuse         misuse
    drain          =              =              ACTIVE         =              =              =
    35=A           ANSWERING      PROTOCOL       PROTOCOL       PROTOCOL       =              =
    35=0           PROTOCOL       PROTOCOL       PROTOCOL       =              =              =
    35=1|112=x     PROTOCOL       PROTOCOL       PROTOCOL       =              =              =
    35=2|7=1|16=0  PROTOCOL       PROTOCOL       PROTOCOL       =              =              =
    35=3|45=1      PROTOCOL       PROTOCOL       PROTOCOL       =              =              =
    35=4|36=9      PROTOCOL       PROTOCOL       PROTOCOL       =              =              =
    35=5           PROTOCOL       LOGOUT         LOGOUT         LOGOUT         LOGOUT         =
    35=8           PROTOCOL       PROTOCOL       PROTOCOL       =              =              =
    35=j           PROTOCOL       PROTOCOL       PROTOCOL       =              =              =
    garbage        =              =              =              =              =              =
    day            LOGON_TIMEOUT  LOGON_TIMEOUT  LOGON_TIMEOUT  PEER_SILENT    LOGOUT_TIMEOUT =
    close          STREAM_CLOSED  STREAM_CLOSED  STREAM_CLOSED  STREAM_CLOSED  STREAM_CLOSED  =
    """,
}
STATES = [(role, SessionState[state]) for role in Role for state in TABLE[role].strip().splitlines()[0].split()]
CASES = [
    (role, SessionState[state], row[0], row[1 + at])
    for role in Role
    for lines in [TABLE[role].strip().splitlines()]
    for at, state in enumerate(lines[0].split())
    for row in (line.split() for line in lines[1:])
]


def happen(session: Session, what: str) -> list[Event]:
    now, us = START, session.settings.sender_comp_id
    message = Message([(35, b"8"), (34, b"2")])
    acts: dict[str, Callable[[], object]] = {
        "logon": lambda: session.logon((), now),
        "accept": lambda: session.accept((), now),
        "refuse": lambda: session.refuse("no", now),
        "send": lambda: session.send("D", [(11, "a")], now),
        "probe": lambda: session.probe(now),
        "reject": lambda: session.reject(message, 5, None, "no", now),
        "logout": lambda: session.logout(None, now),
        "drain": lambda: session.next_outgoing(now),
    }
    if what in acts:
        acts[what]()
        return session.tick(now)
    if what == "garbage":
        return session.receive(b"8=FIX.4.2\x019=5\x01garbage", now)
    if what == "day":
        return session.tick(now.later(50_000)) + session.tick(now.later(100_000))
    if what == "close":
        return session.end_of_stream(now)
    head, *rest = what.split("|", 1)
    numbered = "|".join([head, f"34={session.received + 1}", "98=0|108=30|141=Y" if head == "35=A" else "58=x", *rest])
    return session.receive(heard(numbered, "COIN" if us == "ME" else "ME", us, now), now)


@pytest.mark.parametrize(("role", "state", "what", "after"), CASES)
def test_everything_that_may_happen_in_every_state(role: Role, state: SessionState, what: str, after: str) -> None:
    session = at(state, role, Resend.UNSUPPORTED)
    try:
        ends = [event.reason.value for event in happen(session, what) if isinstance(event, Ended)]
    except LocalProtocolError:
        assert (after, session.state) == ("misuse", state)
        return
    assert (session.state is SessionState.CLOSED) == bool(ends or state is SessionState.CLOSED)
    assert [after] == (ends or ["=" if session.state is state else session.state.name])


numbers = st.integers(0, 6).map(str) | st.sampled_from(["", "-1", "x", "999999999999"])
tags = st.sampled_from([7, 16, 34, 36, 43, 45, 49, 52, 56, 58, 95, 96, 98, 108, 112, 122, 123, 141, 371, 373, 35])
values = numbers | st.sampled_from(["Y", "N", "COIN", "ME", "20260127-15:55:05.000"]) | st.text(max_size=5)
raw_fields = st.lists(st.tuples(tags, values), max_size=6)


@st.composite
def traffic(draw: st.DrawFn) -> bytes:
    """A peer that knows FIX well and means no good, and now and then only noise."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=50))
    fields = [
        (35, draw(st.sampled_from(["0", "1", "2", "3", "4", "5", "8", "9", "A", "j", "", "\u20ac"]))),
        (49, draw(st.sampled_from(["COIN", "ME"] + ["COIN"] * 8))),
        (56, draw(st.sampled_from(["ME", "COIN"] + ["ME"] * 8))),
        (34, draw(numbers)),
        *draw(raw_fields),
    ]
    body = b"".join(b"%d=%b\x01" % (tag, value.encode("utf-8", "replace")) for tag, value in fields)
    head = b"8=FIX.4.2\x019=%d\x01" % len(body) + body
    return head + b"10=%03d\x01" % (sum(head) % 256)


@pytest.mark.parametrize("resend", Resend, ids=lambda value: value.name)
@pytest.mark.parametrize(("role", "state"), STATES, ids=lambda value: value.name)
@given(st.lists(traffic() | st.floats(0, 50), max_size=25))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_no_peer_makes_a_session_raise(
    role: Role, state: SessionState, resend: Resend, acts: list[bytes | float]
) -> None:
    session, now, events = at(state, role, resend), START, list[Event]()
    numbers_seen = list[int]()
    for act in acts:
        if isinstance(act, float):
            now = now.later(act)
            events += session.tick(now)
        else:
            events += session.receive(act.replace(b"49=COIN\x0156=ME", names(role)), now)
        assert session.outgoing_count <= OUTGOING_MAX + 1
        while (outgoing := session.next_outgoing(now)) is not None:
            (message,) = Decoder().feed(outgoing.data)
            assert isinstance(message, Message)
            if message.get(123) != "Y":
                numbers_seen.append(outgoing.sequence_number)
    assert [after - before for before, after in pairwise(numbers_seen)] == [1] * (len(numbers_seen) - 1)
    ends = [event for event in events if isinstance(event, Ended)]
    assert len(ends) <= 1
    assert not ends or events[-1] is ends[0]
    assert (session.state is SessionState.CLOSED) == bool(ends or state is SessionState.CLOSED)
    assert session.next_tick() == inf or session.state is not SessionState.CLOSED


def names(role: Role) -> bytes:
    # As many of the same bytes, so BodyLength and CheckSum stay right.
    return b"49=COIN\x0156=ME" if role is Role.INITIATOR else b"49=ME\x0156=COIN"
