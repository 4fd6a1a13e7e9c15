"""Numbers that are too low, too high, missing or reset, with and without resending (FIX 4.2, session tests)."""

import pytest

from primefixd.fix.inbound import HELD_MAX, MISSED_MAX
from primefixd.fix.outbound import OUTGOING_MAX
from primefixd.fix.session import Resend, Session, SessionState
from tests.fix.transcript import START, acceptor, heard, initiator, play, play_two

LOGON = """
    !! logon
    >> 35=A|34=1|98=0|108=0|141=Y
    << 35=A|34=1|98=0|108=0|141=Y
    ** LoggedOn A 1
"""


def session(resend: Resend = Resend.UNSUPPORTED) -> Session:
    return initiator(heartbeat_s=0, resend=resend)


def supported() -> Session:
    return session(Resend.SUPPORTED)


@pytest.mark.parametrize("resend", Resend)
def test_a_number_too_low_ends_the_session(resend: Resend) -> None:
    text = "MsgSeqNum too low, expecting 3 but received 2"
    play(
        session(resend),
        LOGON
        + f"""
        << 35=8|34=2|37=a
        ** Received 8 2
        << 35=8|34=2|37=b
        ** Ended SEQUENCE_TOO_LOW {text}
        >> 35=5|34=2|58={text}
        """,
    )


@pytest.mark.parametrize("resend", Resend)
def test_a_possible_duplicate_with_a_low_number_is_ignored(resend: Resend) -> None:
    play(
        session(resend),
        LOGON
        + """
        << 35=8|34=2|37=a
        ** Received 8 2
        << 35=8|34=2|43=Y|37=a
        << 35=8|34=3|37=b
        ** Received 8 3
        """,
    )


# Resend unsupported: the venue


def test_a_gap_is_told_and_what_came_behind_it_too() -> None:
    play(
        session(),
        LOGON
        + """
        << 35=8|34=5|37=a
        ** Gap 2 5
        ** Received 8 5
        << 35=8|34=6|37=b
        ** Received 8 6
        """,
    )


def test_only_so_many_lost_ranges_are_remembered_and_the_oldest_is_forgotten() -> None:
    s = session()
    play(s, LOGON)
    gaps = b"".join(heard(f"35=8|34={n}", "COIN", "ME", START) for n in range(3, 3 + 2 * (MISSED_MAX + 1), 2))
    assert len(s.receive(gaps, START)) == 2 * (MISSED_MAX + 1)
    late = [heard(f"35=8|34={n}|43=Y", "COIN", "ME", START) for n in (2, 4)]
    assert [len(s.receive(each, START)) for each in late] == [0, 1]


def test_many_messages_of_a_new_type_are_all_told_and_cost_no_session() -> None:
    s = session()
    play(s, LOGON)
    flood = b"".join(heard(f"35=new|34={n}", "COIN", "ME", START) for n in range(2, 2 + 2 * OUTGOING_MAX))
    assert len(s.receive(flood, START)) == 2 * OUTGOING_MAX
    assert (s.state, s.outgoing_count) == (SessionState.ACTIVE, OUTGOING_MAX // 2)


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ("35=0|34=9", ""),
        ("35=1|34=9|112=x", ">> 35=0|34=2|112=x"),
        ("35=3|34=9|45=1|58=no", "** Rejected 1 None None no"),
        ("35=5|34=9", "** Ended LOGOUT logged out\n>> 35=5|34=2"),
    ],
)
def test_session_messages_behind_a_gap_are_acted_on(message: str, reply: str) -> None:
    gap = "" if message.startswith("35=5") else "** Gap 2 9"
    play(session(), f"{LOGON}\n<< {message}\n{gap}\n{reply}")


def test_a_logon_behind_a_gap_still_opens_the_session() -> None:
    play(
        session(),
        """
        !! logon
        >> 35=A|34=1|98=0|108=0|141=Y
        << 35=A|34=3|98=0|108=0|141=Y
        ** Gap 1 3
        ** LoggedOn A 3
        << 35=8|34=4
        ** Received 8 4
        """,
    )


def test_a_resend_request_is_rejected_and_the_session_goes_on() -> None:
    play(
        session(),
        LOGON
        + """
        << 35=2|34=2|7=1|16=0
        >> 35=3|34=2|45=2|372=2|373=11|58=ResendRequest is not supported
        << 35=8|34=3
        ** Received 8 3
        """,
    )


def test_numbers_that_the_peer_fills_or_resets_are_a_gap() -> None:
    play(
        session(),
        LOGON
        + """
        << 35=4|34=2|123=Y|36=10
        ** Gap 3 10
        << 35=4|34=1|123=N|36=20
        ** Gap 10 20
        << 35=8|34=20
        ** Received 8 20
        << 35=4|34=21|123=Y|36=22
        << 35=8|34=22
        ** Received 8 22
        """,
    )


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ("123=Y|36=2", 5),
        ("123=Y|36=1", 5),
        ("123=Y", 1),
        ("123=Y|36=x", 6),
        ("123=N|36=1", 5),
        ("36=1", 5),
        ("36=-4", 6),
        ("", 1),
    ],
)
def test_new_numbers_may_not_go_back(flags: str, reason: int) -> None:
    s = session()
    play(s, LOGON)
    s.receive(heard(f"35=4|34=2|{flags}", "COIN", "ME", START), START)
    outgoing = s.next_outgoing(START)
    assert outgoing is not None
    assert (outgoing.msg_type, s.state) == ("3", SessionState.ACTIVE)
    assert b"\x01371=36\x01372=4\x01373=%d\x01" % reason in outgoing.data


# Resend supported


def test_what_is_missing_is_asked_for_once_and_what_came_early_is_held() -> None:
    play(
        supported(),
        LOGON
        + """
        << 35=8|34=5|37=e
        >> 35=2|34=2|7=2|16=4
        << 35=8|34=6|37=f
        << 35=8|34=2|43=Y|37=b
        ** Received 8 2
        << 35=8|34=3|43=Y|37=c
        ** Received 8 3
        << 35=8|34=4|43=Y|37=d
        ** Received 8 4
        ** Received 8 5
        ** Received 8 6
        << 35=8|34=7|37=g
        ** Received 8 7
        """,
    )


def test_a_gap_fill_closes_the_gap_and_loses_nothing_that_came() -> None:
    play(
        supported(),
        LOGON
        + """
        << 35=8|34=5|37=e
        >> 35=2|34=2|7=2|16=4
        << 35=4|34=2|43=Y|123=Y|36=9
        ** Received 8 5
        << 35=8|34=5|43=Y|37=e
        << 35=8|34=9|37=i
        ** Received 8 9
        """,
    )


def test_a_second_gap_is_asked_for_after_the_first() -> None:
    play(
        supported(),
        LOGON
        + """
        << 35=8|34=3
        >> 35=2|34=2|7=2|16=2
        << 35=8|34=6
        << 35=4|34=2|43=Y|123=Y|36=3
        ** Received 8 3
        >> 35=2|34=3|7=4|16=5
        << 35=4|34=4|43=Y|123=Y|36=6
        ** Received 8 6
        """,
    )


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        ("35=0|34=9", ""),
        ("35=1|34=9|112=x", ">> 35=0|34=2|112=x"),
        ("35=2|34=9|7=1|16=0", ">> 35=4|34=1|43=Y|122=20260127-15:55:05.000|123=Y|36=2"),
        ("35=3|34=9|45=1|58=no", "** Rejected 1 None None no"),
    ],
)
def test_session_messages_behind_a_gap_are_acted_on_at_once_and_once(message: str, reply: str) -> None:
    number = 2 if "35=4" in reply or not reply.startswith(">>") else 3
    play(
        supported(),
        f"""
        {LOGON}
        << {message}
        {reply}
        >> 35=2|34={number}|7=2|16=8
        << {message}|43=Y
        << 35=4|34=2|43=Y|123=Y|36=9
        << 35=8|34=10
        ** Received 8 10
        """,
    )


def test_a_held_gap_fill_counts_in_its_turn() -> None:
    play(
        supported(),
        LOGON
        + """
        << 35=4|34=3|123=Y|36=7
        >> 35=2|34=2|7=2|16=2
        << 35=8|34=2|43=Y
        ** Received 8 2
        << 35=8|34=7
        ** Received 8 7
        """,
    )


def test_a_reset_skips_the_gap_and_delivers_what_was_held() -> None:
    play(
        supported(),
        LOGON
        + """
        << 35=8|34=5
        >> 35=2|34=2|7=2|16=4
        << 35=4|34=99|36=8
        ** Received 8 5
        << 35=8|34=8
        ** Received 8 8
        """,
    )


def test_a_peer_that_does_not_resend_is_given_up() -> None:
    text = "message 3 was asked for and not resent"
    play(
        supported(),
        LOGON
        + f"""
        << 35=8|34=5
        >> 35=2|34=2|7=2|16=4
        .. 29 s
        << 35=8|34=2|43=Y
        ** Received 8 2
        .. 29 s
        << 35=0|34=6
        << 35=8|34=7
        .. 0.9 s
        .. 0.1 s
        ** Ended RESEND_TIMEOUT {text}
        >> 35=5|34=3|58={text}
        """,
    )


def test_a_message_that_stays_garbled_does_not_loop() -> None:
    garbled = "<~ 8=FIX.4.2|9=10|35=8|34=2|10=000|"
    text = "message 2 was asked for and not resent"
    play(
        supported(),
        f"""
        {LOGON}
        {garbled}
        ** Garbled CHECK_SUM 1
        << 35=8|34=3
        >> 35=2|34=2|7=2|16=2
        {garbled}
        ** Garbled CHECK_SUM 2
        << 35=8|34=3|43=Y
        .. 30 s
        ** Ended RESEND_TIMEOUT {text}
        >> 35=5|34=3|58={text}
        """,
    )


def test_holding_is_bounded() -> None:
    s = supported()
    play(s, LOGON)
    early = [heard(f"35=8|34={n}", "COIN", "ME", START) for n in range(3, 4 + HELD_MAX)]
    assert s.receive(b"".join(early[:-1]), START) == []
    (ended,) = s.receive(early[-1], START)
    assert ended.text == f"message 2 is missing and {HELD_MAX} came behind it"  # type: ignore[union-attr]


def test_a_huge_gap_costs_nothing() -> None:
    play(supported(), LOGON + "<< 35=8|34=999999999999\n>> 35=2|34=2|7=2|16=999999999998")


@pytest.mark.parametrize(
    ("asked", "reply"),
    [
        ("7=1|16=0", "35=4|34=1|43=Y|122=20260127-15:55:05.000|123=Y|36=4"),
        ("7=2|16=0", "35=4|34=2|43=Y|122=20260127-15:55:05.000|123=Y|36=4"),
        ("7=2|16=2", "35=4|34=2|43=Y|122=20260127-15:55:05.000|123=Y|36=3"),
        ("7=2|16=999999", "35=4|34=2|43=Y|122=20260127-15:55:05.000|123=Y|36=4"),
        ("7=3|16=3", "35=4|34=3|43=Y|122=20260127-15:55:05.000|123=Y|36=4"),
        ("7=4|16=0", "35=3|34=4|45=2|371=7|372=2|373=5|58=BeginSeqNo (7) must be from 1 to 3"),
        ("7=0|16=0", "35=3|34=4|45=2|371=7|372=2|373=5|58=BeginSeqNo (7) must be from 1 to 3"),
        ("16=0", "35=3|34=4|45=2|371=7|372=2|373=1|58=BeginSeqNo (7) is missing"),
        ("7=3|16=2", "35=3|34=4|45=2|371=16|372=2|373=5|58=EndSeqNo (16) must be 0 or not below BeginSeqNo (7)"),
        ("7=3", "35=3|34=4|45=2|371=16|372=2|373=1|58=EndSeqNo (16) is missing"),
    ],
)
def test_what_was_sent_is_covered_by_a_gap_fill_and_never_sent_again(asked: str, reply: str) -> None:
    following = 4 if reply.startswith("35=4") else 5
    play(
        supported(),
        f"""
        {LOGON}
        !! send D 11=a
        >> 35=D|34=2|11=a
        !! send D 11=b
        >> 35=D|34=3|11=b
        << 35=2|34=2|{asked}
        >> {reply}
        !! send D 11=c
        >> 35=D|34={following}|11=c
        """,
    )


# Both


def test_an_acceptor_without_reset_asks_after_its_own_logon() -> None:
    play(
        acceptor(heartbeat_s=0, resend=Resend.SUPPORTED, reset_required=False),
        """
        << 35=A|34=4|98=0|108=0
        ** LogonReceived A 4
        !! accept
        >> 35=A|34=1|98=0|108=0
        >> 35=2|34=2|7=1|16=3
        << 35=4|34=1|43=Y|123=Y|36=4
        << 35=D|34=5
        ** Received D 5
        """,
    )


def test_an_acceptor_without_reset_or_resend_tells_the_gap() -> None:
    play(
        acceptor(heartbeat_s=0, reset_required=False),
        "<< 35=A|34=4|98=0|108=0\n** Gap 1 4\n** LogonReceived A 4\n!! accept\n>> 35=A|34=1|98=0|108=0",
    )


GREETING = """
    a !! logon
    a >> 35=A|34=1|98=0|108=30|141=Y
    b ** LogonReceived A 1
    b !! accept
    b >> 35=A|34=1|98=0|108=30|141=Y
    a ** LoggedOn A 1
"""


def test_two_sessions_repair_what_was_lost_on_the_way() -> None:
    play_two(
        initiator(resend=Resend.SUPPORTED),
        acceptor(resend=Resend.SUPPORTED),
        GREETING
        + """
        a lose 2
        a !! send D 11=a
        a xx 35=D|34=2|11=a
        a !! send D 11=b
        a xx 35=D|34=3|11=b
        a !! send D 11=c
        a >> 35=D|34=4|11=c
        b >> 35=2|34=2|7=2|16=3
        a >> 35=4|34=2|43=Y|122=20260127-15:55:05.000|123=Y|36=4
        b ** Received D 4
        a !! send D 11=d
        a >> 35=D|34=5|11=d
        b ** Received D 5
        .. 30 s
        a >> 35=0|34=6
        b >> 35=0|34=3
        .. 29.9 s
        .. 0.1 s
        a >> 35=0|34=7
        b >> 35=0|34=4
        """,
    )


def test_a_played_gap_is_told_where_nobody_resends() -> None:
    play_two(
        initiator(),
        acceptor(),
        GREETING
        + """
        b !! skip 3
        b !! send 8 37=x
        b >> 35=8|34=5|37=x
        a ** Gap 2 5
        a ** Received 8 5
        """,
    )


def test_both_sides_may_miss_something_at_once() -> None:
    play_two(
        initiator(resend=Resend.SUPPORTED),
        acceptor(resend=Resend.SUPPORTED),
        GREETING
        + """
        a lose 1
        b lose 1
        a !! send D 11=a
        a xx 35=D|34=2|11=a
        b !! send 8 37=x
        b xx 35=8|34=2|37=x
        a !! send D 11=b
        a >> 35=D|34=3|11=b
        b >> 35=2|34=3|7=2|16=2
        a >> 35=4|34=2|43=Y|122=20260127-15:55:05.000|123=Y|36=3
        b ** Received D 3
        a >> 35=2|34=4|7=2|16=2
        b >> 35=4|34=2|43=Y|122=20260127-15:55:05.000|123=Y|36=3
        b !! send 8 37=y
        b >> 35=8|34=4|37=y
        a ** Received 8 4
        """,
    )
