import pytest

from primefixd.fix.codec import encode
from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.outbound import OUTGOING_MAX
from primefixd.fix.session import Resend, SessionState
from tests.fix.transcript import START, Player, acceptor, heard, initiator, play, play_two

LOGON = """
    !! logon 554=p
    >> 35=A|34=1|98=0|108=30|141=Y|554=p
    << 35=A|34=1|98=0|108=30|141=Y
    ** LoggedOn A 1
"""
GREETED = """
    << 35=A|34=1|98=0|108=30|141=Y|554=p
    ** LogonReceived A 1
    !! accept 58=welcome
    >> 35=A|34=1|98=0|108=30|141=Y|58=welcome
"""


# Greeting


def test_initiator_is_active_when_its_logon_is_answered() -> None:
    session = initiator()
    assert session.state is SessionState.DISCONNECTED
    player = play(session, LOGON + "!! send D 11=a\n >> 35=D|34=2|11=a")
    assert session.state is SessionState.ACTIVE
    assert (session.sent, session.received, session.garbled) == (2, 1, 0)
    assert player.sent[0].startswith(b"8=FIX.4.2\x019=")


def test_a_logon_carries_exactly_the_stamp_that_was_signed() -> None:
    session = initiator()
    stamp = session.stamp(START)
    outgoing = session.logon([(95, "3"), (96, "a\x01b")], START)
    assert (stamp.sequence_number, stamp.sending_time) == (1, "20260127-15:55:05.000")
    assert (outgoing.sequence_number, outgoing.sending_time) == (1, stamp.sending_time)
    assert b"\x0134=1\x0152=20260127-15:55:05.000\x0198=0\x01108=30\x01141=Y\x0195=3\x0196=a\x01b\x01" in outgoing.data
    assert "a\x01b" not in repr(outgoing)


def test_acceptor_learns_who_called_and_how_often_to_beat() -> None:
    session = acceptor()
    play(session, GREETED.replace("108=30", "108=7") + ".. 7 s\n >> 35=0|34=2")
    assert session.state is SessionState.ACTIVE


def test_acceptor_is_active_only_when_its_logon_has_left() -> None:
    session = acceptor()
    session.receive(heard("35=A|34=1|98=0|108=30|141=Y", "ME", "COIN", START), START)
    assert session.state is SessionState.ANSWERING
    session.accept((), START)
    with pytest.raises(LocalProtocolError, match="cannot send a message while logging on"):
        session.send("8", [(37, "x")], START)
    assert session.next_outgoing(START) is not None
    assert session.state is SessionState.ACTIVE


def test_acceptor_refuses_with_a_reason() -> None:
    session = acceptor()
    play(
        session,
        """
        << 35=A|34=1|98=0|108=30|141=Y
        ** LogonReceived A 1
        !! refuse the signature is wrong
        >> 35=5|34=1|58=the signature is wrong
        ** Ended LOGON_REFUSED the signature is wrong
        .. 100 s
        """,
    )
    assert session.state is SessionState.CLOSED


NO_RESET = "a Logon must reset the sequence numbers: ResetSeqNumFlag (141) Y and MsgSeqNum (34) 1"


@pytest.mark.parametrize(
    ("logon", "text"),
    [
        ("35=A|34=2|98=0|108=30|141=Y", NO_RESET),
        ("35=A|34=1|98=0|108=30", NO_RESET),
        ("35=A|34=1|98=0|108=30|141=N", NO_RESET),
        ("35=A|98=0|108=30|141=Y", "MsgSeqNum (34) of the Logon is missing or no number from 1 on"),
        ("35=A|34=0|98=0|108=30|141=Y", "MsgSeqNum (34) of the Logon is missing or no number from 1 on"),
        ("35=A|34=1|56=ELSE|98=0|108=30|141=Y", "TargetCompID (56) must be COIN"),
        ("35=A|34=1|98=1|108=30|141=Y", "EncryptMethod (98) must be 0"),
        ("35=A|34=1|98=0|108=-1|141=Y", "HeartBtInt (108) must be whole seconds"),
        ("35=A|34=1|98=0|108=9999999|141=Y", "HeartBtInt (108) must be whole seconds"),
        ("35=A|34=1|98=0|141=Y", "HeartBtInt (108) must be whole seconds"),
    ],
)
def test_acceptor_refuses_what_is_no_sound_logon(logon: str, text: str) -> None:
    play(acceptor(), f"<< {logon}\n** Ended LOGON_REFUSED {text}\n>> 35=5|34=1|58={text}")


def test_acceptor_does_not_answer_a_logon_from_nobody() -> None:
    text = "SenderCompID (49) is not one that may log on here"
    play(acceptor(), f"<< 35=A|34=1|49=|108=30|141=Y\n** Ended LOGON_REFUSED {text}")
    play(acceptor(), f"<< 35=A|34=1|49={'x' * 129}|108=30|141=Y\n** Ended LOGON_REFUSED {text}")


def test_acceptor_for_one_peer_refuses_others() -> None:
    text = "SenderCompID (49) is not one that may log on here"
    play(
        acceptor(target_comp_id="ME"),
        f"<< 35=A|34=1|49=YOU|108=30|141=Y\n** Ended LOGON_REFUSED {text}\n>> 35=5|34=1|58={text}",
    )


def test_first_message_must_be_a_logon_and_gets_no_answer() -> None:
    end = "** Ended PROTOCOL NewOrderSingle may not be sent while this side is disconnected"
    play(acceptor(), f"<< 35=D|34=1|11=a\n{end}")
    play(initiator(), f"<< 35=D|34=1|11=a\n{end}")


def test_nothing_may_come_before_the_logon_is_answered() -> None:
    text = "NewOrderSingle may not be sent while this side is answering"
    play(
        acceptor(),
        f"""
        << 35=A|34=1|98=0|108=30|141=Y
        ** LogonReceived A 1
        << 35=D|34=2|11=a
        ** Ended PROTOCOL {text}
        >> 35=5|34=1|58={text}
        """,
    )


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("<< 35=5|34=1|58=invalid signature", "invalid signature"),
        ("<< 35=5|34=9|49=ELSE|58=invalid signature", "invalid signature"),
        ("<< 35=5|34=1", "the Logon was answered with Logout without a reason"),
        ("<< 35=3|34=1|45=1|58=bad 96", "bad 96"),
        ("<< 35=j|34=1|45=1|372=A|380=0|58=maintenance", "maintenance"),
        ("<< 35=3|34=1", "the Logon was rejected without a reason"),
        ("xx", "the connection was closed instead of an answer to the Logon"),
    ],
)
def test_a_refused_logon_tells_the_reason(answer: str, text: str) -> None:
    session = initiator()
    play(session, f"!! logon\n>> 35=A|34=1|98=0|108=30|141=Y\n{answer}\n** Ended LOGON_REFUSED {text}\n.. 99 s")
    assert session.state is SessionState.CLOSED


def test_a_logon_that_is_not_answered_times_out() -> None:
    play(
        initiator(),
        """
        .. 100 s
        !! logon
        >> 35=A|34=1|98=0|108=30|141=Y
        .. 9.9 s
        .. 0.1 s
        ** Ended LOGON_TIMEOUT no Logon was exchanged within 10 s
        << 35=A|34=1|98=0|108=30|141=Y
        """,
    )


def test_a_caller_who_says_nothing_times_out() -> None:
    play(acceptor(), ".. 9.9 s\n.. 0.1 s\n** Ended LOGON_TIMEOUT no Logon was exchanged within 10 s")


def test_an_owner_who_never_answers_a_logon_times_out() -> None:
    play(
        acceptor(logon_timeout_s=3),
        """
        .. 2 s
        << 35=A|34=1|98=0|108=30|141=Y
        ** LogonReceived A 1
        .. 1 s
        ** Ended LOGON_TIMEOUT no Logon was exchanged within 3 s
        """,
    )


def test_a_second_logon_is_an_error() -> None:
    text = "Logon may not be sent while this side is active"
    for start, session in ((LOGON, initiator()), (GREETED, acceptor())):
        end = f"<< 35=A|34=2|98=0|108=30|141=Y\n** Ended PROTOCOL {text}\n>> 35=5|34=2|58={text}"
        play(session, start + end)


# Silence


def test_a_heartbeat_leaves_when_we_have_been_silent() -> None:
    play(
        initiator(),
        LOGON
        + """
        .. 20 s
        !! send D 11=a
        >> 35=D|34=2|11=a
        << 35=0|34=2
        .. 29.9 s
        .. 0.1 s
        >> 35=0|34=3
        << 35=0|34=3
        .. 29.9 s
        .. 0.1 s
        >> 35=0|34=4
        """,
    )


def test_a_silent_peer_is_asked_once_and_then_given_up() -> None:
    session = initiator()
    play(
        session,
        LOGON
        + """
        .. 30 s
        >> 35=0|34=2
        .. 5.9 s
        .. 0.1 s
        >> 35=1|34=3|112=TEST-1
        .. 30 s
        >> 35=0|34=4
        .. 5.9 s
        .. 0.1 s
        ** Ended PEER_SILENT the peer fell silent and did not answer a TestRequest
        .. 1000 s
        """,
    )
    assert session.outgoing_count == 0


def test_nothing_more_is_written_to_a_peer_that_is_gone() -> None:
    session = initiator()
    play(session, LOGON)
    assert session.tick(START.later(36)) == []
    assert session.outgoing_count == 1
    assert session.tick(START.later(72))
    assert session.outgoing_count == 0


@pytest.mark.parametrize("answer", ["35=0|34=2|112=TEST-1", "35=0|34=2", "35=8|34=2|37=x"])
def test_any_message_is_a_sign_of_life(answer: str) -> None:
    told = "** Received 8 2" if answer.startswith("35=8") else ""
    play(
        initiator(),
        f"""
        {LOGON}
        .. 36 s
        >> 35=0|34=2
        >> 35=1|34=3|112=TEST-1
        << {answer}
        {told}
        .. 35.9 s
        >> 35=0|34=4
        .. 0.1 s
        >> 35=1|34=5|112=TEST-2
        """,
    )


def test_garbage_is_no_sign_of_life() -> None:
    play(
        initiator(),
        LOGON
        + """
        .. 30 s
        >> 35=0|34=2
        <~ hello?
        ** Garbled NOISE 1
        .. 6 s
        >> 35=1|34=3|112=TEST-1
        """,
    )


def test_no_heartbeats_when_the_interval_is_zero() -> None:
    play(acceptor(), GREETED.replace("108=30", "108=0") + ".. 100000 s")
    play(initiator(heartbeat_s=0), LOGON.replace("108=30", "108=0") + ".. 100000 s")


def test_a_late_tick_asks_before_it_gives_up() -> None:
    player = Player(initiator())
    for line in LOGON.strip().splitlines():
        mark, _, rest = line.strip().partition(" ")
        if mark in ("!!", "<<"):
            player.do(mark, rest)
    late = player.now.later(3600)
    assert player.session.tick(late) == []
    assert player.session.state is SessionState.ACTIVE
    assert player.session.outgoing_count == 1


def test_heartbeats_do_not_pile_up_while_nothing_may_leave() -> None:
    session = initiator()
    play(session, LOGON)
    now = START
    for _ in range(100):
        now = now.later(1)
        session.receive(heard(f"35=0|34={session.received + 1}", "COIN", "ME", now), now)
        session.tick(now)
    assert session.outgoing_count == 1


def test_a_test_request_is_answered_with_its_id() -> None:
    play(initiator(), LOGON + "<< 35=1|34=2|112=are you there?\n>> 35=0|34=2|112=are you there?")


@pytest.mark.parametrize(
    ("sent", "reply"),
    [
        ("35=1|34=2", "35=3|34=2|45=2|371=112|372=1|373=1|58=TestReqID (112) is missing"),
        (
            f"35=1|34=2|112={'x' * 257}",
            "35=3|34=2|45=2|371=112|372=1|373=5|58=TestReqID (112) is longer than 256 characters",
        ),
    ],
)
def test_a_test_request_that_cannot_be_answered_is_rejected(sent: str, reply: str) -> None:
    play(initiator(), LOGON + f"<< {sent}\n>> {reply}")


def test_probe_measures_the_round_trip() -> None:
    session = initiator()
    play(
        session,
        LOGON
        + """
        !! probe
        >> 35=1|34=2|112=TEST-1
        .. 0.25 s
        << 35=0|34=2|112=TEST-1
        .. 1 s
        << 35=0|34=3|112=TEST-1
        !! probe
        >> 35=1|34=3|112=TEST-2
        .. 1 s
        << 35=0|34=4|112=else
        """,
    )
    assert session.round_trip_s == pytest.approx(0.25)


def test_the_clock_offset_is_the_median_of_the_last_five() -> None:
    session = initiator()
    assert session.clock_offset_s is None
    play(session, LOGON)
    assert session.clock_offset_s == 0
    for number, second in enumerate((7, 8, 9, 55, 56), start=2):
        message = f"35=0|34={number}|52=20260127-15:55:{second:02}.000"
        session.receive(heard(message, "COIN", "ME", START), START)
    assert session.clock_offset_s == 4
    session.receive(heard("35=0|34=7|52=garbage", "COIN", "ME", START), START)
    assert session.clock_offset_s == 4


# Farewell


def test_our_logout_is_answered() -> None:
    session = initiator()
    play(
        session,
        LOGON
        + """
        !! logout the day ends
        >> 35=5|34=2|58=the day ends
        << 35=8|34=2|37=late report
        ** Received 8 2
        !! send H 11=a
        >> 35=H|34=3|11=a
        << 35=5|34=3|58=good bye
        ** Ended LOGOUT good bye
        """,
    )
    assert session.state is SessionState.CLOSED


def test_our_logout_is_waited_for_so_long_and_no_longer() -> None:
    play(
        initiator(),
        LOGON
        + """
        !! logout
        >> 35=5|34=2
        .. 4.9 s
        .. 0.1 s
        ** Ended LOGOUT_TIMEOUT the peer did not answer our Logout within 5 s
        << 35=5|34=2
        xx
        """,
    )


def test_the_peers_logout_is_answered_and_ends_the_session() -> None:
    for start, session in ((LOGON, initiator()), (GREETED, acceptor())):
        play(session, start + "<< 35=5|34=2|58=maintenance\n** Ended LOGOUT maintenance\n>> 35=5|34=2\nxx")
        assert session.state is SessionState.CLOSED


def test_a_logon_can_be_given_up() -> None:
    play(
        initiator(),
        """
        !! logon
        >> 35=A|34=1|98=0|108=30|141=Y
        !! logout
        >> 35=5|34=2
        << 35=A|34=1|98=0|108=30|141=Y
        << 35=5|34=2
        ** Ended LOGOUT logged out
        """,
    )


def test_the_stream_may_end_at_any_time() -> None:
    play(initiator(), LOGON + "xx\n** Ended STREAM_CLOSED the connection was closed without a Logout\nxx\n.. 100 s")
    play(acceptor(), "xx\n** Ended STREAM_CLOSED the connection was closed without a Logout")


def test_what_waits_is_dropped_when_the_stream_has_ended() -> None:
    session = initiator()
    play(session, LOGON)
    session.probe(START)
    session.end_of_stream(START)
    assert session.next_outgoing(START) is None


def test_nothing_is_told_after_the_end_even_from_the_same_bytes() -> None:
    session = initiator()
    play(session, LOGON)
    bye = heard("35=5|34=3", "COIN", "ME", START)
    report = [heard(f"35=8|34={n}|37=x", "COIN", "ME", START) for n in (2, 4)]
    events = session.receive(report[0] + bye + report[1], START)
    assert [type(event).__name__ for event in events] == ["Received", "Gap", "Ended"][::2]
    assert session.receive(report[1], START) == []


# Faults


def test_an_application_message_is_told_and_a_business_reject_too() -> None:
    play(
        initiator(),
        LOGON
        + """
        << 35=8|34=2|37=a
        ** Received 8 2
        << 35=j|34=3|45=2|372=D|380=0
        ** Received j 3
        << 35=Uz|34=4
        ** Received Uz 4
        """,
    )


def test_a_reject_names_our_message() -> None:
    play(
        initiator(),
        LOGON
        + """
        << 35=3|34=2|45=7|371=44|372=D|373=5|58=bad price
        ** Rejected 7 44 5 bad price
        << 35=3|34=3
        ** Rejected None None None
        """,
    )


def test_a_message_of_the_peers_is_rejected_by_our_word() -> None:
    play(initiator(), LOGON + "!! reject no such price\n>> 35=3|34=2|45=2|371=44|372=8|373=5|58=no such price")


@pytest.mark.parametrize(
    ("fault", "tag", "name"),
    [("49=ELSE", 49, "SenderCompID"), ("49=", 49, "SenderCompID"), ("56=YOU", 56, "TargetCompID")],
)
def test_a_wrong_comp_id_is_rejected_and_ends_the_session(fault: str, tag: int, name: str) -> None:
    text = f"{name} ({tag}) is not the one of this session"
    play(
        initiator(),
        LOGON
        + f"""
        << 35=8|34=2|{fault}|37=a
        ** Ended PROTOCOL {text}
        >> 35=3|34=2|45=2|371={tag}|372=8|373=9|58={text}
        >> 35=5|34=3|58={text}
        """,
    )


@pytest.mark.parametrize("number", ["", "0", "x", "-1"])
def test_a_message_without_a_number_ends_the_session(number: str) -> None:
    text = "MsgSeqNum (34) is missing or no number from 1 on"
    play(initiator(), LOGON + f"<< 35=8|34={number}|37=a\n** Ended PROTOCOL {text}\n>> 35=5|34=2|58={text}")


def test_another_version_of_fix_ends_the_session() -> None:
    session = initiator()
    play(session, LOGON)
    other = encode([(35, "0"), (34, "2")]).replace(b"FIX.4.2", b"FIX.4.4")
    other = other[:-7] + b"10=%03d\x01" % (sum(other[:-7]) % 256)
    events = session.receive(other, START)
    assert [str(getattr(event, "text", "garbled")) for event in events] == [
        "garbled",
        "BeginString (8) must be FIX.4.2",
    ]
    outgoing = session.next_outgoing(START)
    assert outgoing is not None
    assert outgoing.msg_type == "5"


def test_garbled_messages_are_counted_and_do_not_move_the_numbers() -> None:
    session = initiator()
    play(
        session,
        LOGON
        + """
        <~ 8=FIX.4.2|9=17|35=8|34=2|37=abc|10=000|
        ** Garbled CHECK_SUM 1
        <~ rubbish
        ** Garbled NOISE 2
        << 35=8|34=2|37=abc
        ** Received 8 2
        """,
    )
    assert (session.garbled, session.received) == (2, 2)


def test_from_prime_a_wrong_sending_time_is_measured_and_never_rejected() -> None:
    session = initiator()
    play(session, LOGON + "<< 35=8|34=2|52=20260127-16:55:05.000|37=a\n** Received 8 2")
    play(session := initiator(), LOGON + "<< 35=8|34=2|52=|37=a\n** Received 8 2")
    assert session.clock_offset_s == 0


def test_a_wrong_sending_time_is_rejected_where_a_tolerance_is_set() -> None:
    play(
        acceptor(sending_time_tolerance_s=5),
        GREETED
        + """
        << 35=D|34=2|52=20260127-15:55:10.001|11=a
        >> 35=3|34=2|45=2|371=52|372=D|373=10|58=SendingTime (52) is off by 5.001 s, more than 5 s
        << 35=D|34=3|52=20260127-15:54:59.000|11=a
        >> 35=3|34=3|45=3|371=52|372=D|373=10|58=SendingTime (52) is off by -6.000 s, more than 5 s
        << 35=D|34=4|52=|11=a
        >> 35=3|34=4|45=4|371=52|372=D|373=1|58=SendingTime (52) is missing or not YYYYMMDD-HH:MM:SS.sss
        << 35=D|34=5|52=20260127-15:55:10.000|11=a
        ** Received D 5
        """,
    )


def test_a_logon_with_a_wrong_sending_time_is_refused() -> None:
    text = "SendingTime (52) is off by 6.000 s, more than 5 s"
    play(
        acceptor(sending_time_tolerance_s=5),
        f"<< 35=A|34=1|52=20260127-15:55:11.000|108=30|141=Y\n** Ended LOGON_REFUSED {text}\n>> 35=5|34=1|58={text}",
    )
    play(
        initiator(sending_time_tolerance_s=5),
        f"""
        !! logon
        >> 35=A|34=1|98=0|108=30|141=Y
        << 35=A|34=1|52=20260127-15:55:11.000|108=30|141=Y
        ** Ended PROTOCOL {text}
        >> 35=5|34=2|58={text}
        """,
    )


def test_a_peer_that_asks_faster_than_it_may_be_told_is_done_with() -> None:
    session = initiator()
    play(session, LOGON)
    flood = b"".join(heard(f"35=1|34={n}|112=x", "COIN", "ME", START) for n in range(2, OUTGOING_MAX + 10))
    (ended,) = session.receive(flood, START)
    assert ended.reason == "PROTOCOL"  # type: ignore[union-attr]
    assert session.outgoing_count == OUTGOING_MAX + 1
    types = [outgoing.msg_type for _ in range(OUTGOING_MAX + 1) if (outgoing := session.next_outgoing(START))]
    assert types == ["0"] * OUTGOING_MAX + ["5"]


# Our misuse


@pytest.mark.parametrize("msg_type", list("012345A"))
def test_session_messages_cannot_be_sent_as_application_messages(msg_type: str) -> None:
    session = initiator()
    play(session, LOGON)
    with pytest.raises(LocalProtocolError, match="the session's own"):
        session.send(msg_type, (), START)


def test_what_cannot_be_written_takes_no_number() -> None:
    session = initiator()
    play(session, LOGON)
    for misuse in (
        lambda: session.send("D", [(11, "")], START),
        lambda: session.send("D", [(11, "a\x01b")], START),
        lambda: session.logout("a\x01b", START),
    ):
        with pytest.raises(LocalProtocolError):
            misuse()
    assert session.state is SessionState.ACTIVE
    assert session.send("D", [(11, "a")], START).sequence_number == 2


# Two of them


@pytest.mark.parametrize("resend", Resend)
def test_two_sessions_understand_each_other(resend: Resend) -> None:
    play_two(
        initiator(resend=resend),
        acceptor(resend=resend),
        """
        a !! logon 554=p
        a >> 35=A|34=1|98=0|108=30|141=Y|554=p
        b ** LogonReceived A 1
        b !! accept
        b >> 35=A|34=1|98=0|108=30|141=Y
        a ** LoggedOn A 1
        a !! send D 11=order
        a >> 35=D|34=2|11=order
        b ** Received D 2
        b !! send 8 37=report
        b >> 35=8|34=2|37=report
        a ** Received 8 2
        .. 30 s
        a >> 35=0|34=3
        b >> 35=0|34=3
        a !! probe
        a >> 35=1|34=4|112=TEST-1
        b >> 35=0|34=4|112=TEST-1
        a !! logout done
        a >> 35=5|34=5|58=done
        b ** Ended LOGOUT done
        b >> 35=5|34=5
        a ** Ended LOGOUT logged out
        .. 1000 s
        """,
    )


def test_two_silent_sessions_keep_each_other_alive_for_a_day() -> None:
    left, right = initiator(), acceptor()
    logon = left.logon((), START)
    right.receive(logon.data, START)
    right.accept((), START)
    now, pair = START, ((left, right), (right, left))
    for _ in range(24 * 3600):
        for one, other in pair:
            assert one.tick(now) == []
            while (outgoing := one.next_outgoing(now)) is not None:
                other.receive(outgoing.data, now)
        now = now.later(1)
    assert left.state is right.state is SessionState.ACTIVE
    assert left.sent == right.sent == 24 * 3600 // 30


def test_a_dead_line_is_noticed_on_both_sides() -> None:
    play_two(
        initiator(),
        acceptor(),
        """
        a !! logon
        a >> 35=A|34=1|98=0|108=30|141=Y
        b ** LogonReceived A 1
        b !! accept
        b >> 35=A|34=1|98=0|108=30|141=Y
        a ** LoggedOn A 1
        a lose 99
        b lose 99
        .. 36 s
        a xx 35=0|34=2
        b xx 35=0|34=2
        a xx 35=1|34=3|112=TEST-1
        b xx 35=1|34=3|112=TEST-1
        .. 36 s
        a xx 35=0|34=4
        b xx 35=0|34=4
        a ** Ended PEER_SILENT the peer fell silent and did not answer a TestRequest
        b ** Ended PEER_SILENT the peer fell silent and did not answer a TestRequest
        """,
    )
