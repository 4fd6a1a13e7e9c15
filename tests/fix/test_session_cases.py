"""The session-level test cases of the FIX Trading Community for FIX 4.2, one by one: 1 to 7, what a message is and what
it means to be there. Cases 8 to 20 are in test_session_cases_resend.py.

Each test is named after its case. Where prime-fix.md says otherwise, it stands above the standard, and the test says
so.
"""

import pytest

from primefixd.fix.session import Resend, Session
from tests.fix.transcript import acceptor, framed, initiator, play

CASES = """
    1Ba 1Bb 1Bc 1Bd 1Be 1Sa 1Sb 1Sc 1Sd 1Se
    2a 2b 2c 2d 2e 2f 2g 2h 2i 2j 2k 2l 2m 2n 2o 2p 2q 2r 2s 2t 3a 3b 3c 3d 3e 4a 4b 5 6 7
"""
ELSEWHERE = {
    "1Ba": "the connection is not the session's: tests/runtime/test_ports.py, tests/flows/test_tls.py",
    "1Sb": "a session knows one connection. The venue is taken to answer with Logout, where the standard would only "
    "disconnect (prime-fix.md section 7): tests/sandbox/test_gateway.py, second session on a key",
}
LOGON = """
    !! logon
    >> 35=A|34=1|98=0|108=30|141=Y
    << 35=A|34=1|98=0|108=30|141=Y
    ** LoggedOn A 1
"""
GREETED = """
    << 35=A|34=1|98=0|108=30|141=Y
    ** LogonReceived A 1
    !! accept
    >> 35=A|34=1|98=0|108=30|141=Y
"""
HEADER = "34=2|49=COIN|56=ME|52=20260127-15:55:05.000|"
REPORT = f"35=8|{HEADER}37=a|"
both = pytest.mark.parametrize("resend", Resend)


def strict(resend: Resend = Resend.UNSUPPORTED) -> Session:
    """A session that holds its peer to the clock, as the venue does (prime-fix.md section 1)."""
    return acceptor(sending_time_tolerance_s=5, resend=resend)


def test_every_case_up_to_7_is_shown_here_or_says_where() -> None:
    shown = {name.split("_")[1] for name in globals() if name.startswith("test_")} - {"every"}
    assert shown == {case.lower() for case in set(CASES.split()) - ELSEWHERE.keys()}


# 1B: the initiator's Logon


@both
def test_1bb_send_logon(resend: Resend) -> None:
    play(initiator(resend=resend), "!! logon\n>> 35=A|34=1|98=0|108=30|141=Y")


@both
def test_1bc_a_valid_logon_is_the_answer(resend: Resend) -> None:
    play(initiator(resend=resend), LOGON + "<< 35=8|34=2\n** Received 8 2")


@pytest.mark.parametrize(
    ("resend", "reaction"),
    [
        (Resend.SUPPORTED, "** LoggedOn A 3\n>> 35=2|34=2|7=1|16=2"),
        (Resend.UNSUPPORTED, "** Gap 1 3\n** LoggedOn A 3"),
    ],
)
def test_1bc_the_number_of_the_answer_is_too_high(resend: Resend, reaction: str) -> None:
    play(
        initiator(resend=resend),
        f"!! logon\n>> 35=A|34=1|98=0|108=30|141=Y\n<< 35=A|34=3|98=0|108=30|141=Y\n{reaction}",
    )


@both
def test_1bd_an_invalid_logon_is_the_answer(resend: Resend) -> None:
    logon = "!! logon\n>> 35=A|34=1|98=0|108=30|141=Y\n"
    text = "EncryptMethod (98) must be 0"
    play(
        initiator(resend=resend),
        f"{logon}<< 35=A|34=1|98=4|108=30\n** Ended LOGON_REFUSED {text}\n>> 35=5|34=2|58={text}",
    )
    text = "SenderCompID (49) is not the one of this session"
    play(
        initiator(resend=resend),
        f"""
        {logon}
        << 35=A|34=1|49=ELSE|98=0|108=30
        ** Ended PROTOCOL {text}
        >> 35=3|34=2|45=1|371=49|372=A|373=9|58={text}
        >> 35=5|34=3|58={text}
        """,
    )


@pytest.mark.parametrize("number", [1, 5])
@both
def test_1bd_a_logout_that_answers_a_logon_keeps_its_text(resend: Resend, number: int) -> None:
    play(
        initiator(resend=resend),
        f"""
        !! logon
        >> 35=A|34=1|98=0|108=30|141=Y
        << 35=5|34={number}|58=invalid passphrase
        ** Ended LOGON_REFUSED invalid passphrase
        """,
    )


@pytest.mark.parametrize(
    ("first", "name"),
    [("35=0", "Heartbeat"), ("35=8|37=a", "ExecutionReport"), ("35=2|7=1|16=0", "ResendRequest")],
)
@both
def test_1be_any_message_other_than_a_logon_comes_first(resend: Resend, first: str, name: str) -> None:
    text = f"{name} may not be sent while this side is logging on"
    play(
        initiator(resend=resend),
        f"""
        !! logon
        >> 35=A|34=1|98=0|108=30|141=Y
        << {first}|34=1
        ** Ended PROTOCOL {text}
        >> 35=5|34=2|58={text}
        """,
    )


# 1S: the acceptor's Logon


@both
def test_1sa_a_valid_logon_is_answered(resend: Resend) -> None:
    play(strict(resend), GREETED)


@pytest.mark.parametrize(
    ("resend", "told", "asked"),
    [(Resend.SUPPORTED, "", ">> 35=2|34=2|7=1|16=2"), (Resend.UNSUPPORTED, "** Gap 1 3", "")],
)
def test_1sa_the_number_of_the_logon_is_too_high(resend: Resend, told: str, asked: str) -> None:
    """Only where a Logon need not reset the numbers; at the venue it must, and is refused (prime-fix.md section 1)."""
    play(
        acceptor(resend=resend, reset_required=False),
        f"<< 35=A|34=3|108=30\n{told}\n** LogonReceived A 3\n!! accept\n>> 35=A|34=1|98=0|108=30\n{asked}",
    )
    text = "a Logon must reset the sequence numbers: ResetSeqNumFlag (141) Y and MsgSeqNum (34) 1"
    play(strict(resend), f"<< 35=A|34=3|98=0|108=30|141=Y\n** Ended LOGON_REFUSED {text}\n>> 35=5|34=1|58={text}")


@both
def test_1sc_an_unauthenticated_logon_is_refused(resend: Resend) -> None:
    """Who may log on is the owner's to say. The venue tells why by Logout (prime-fix.md section 2)."""
    play(
        strict(resend),
        """
        << 35=A|34=1|98=0|108=30|141=Y|554=wrong
        ** LogonReceived A 1
        !! refuse invalid passphrase
        >> 35=5|34=1|58=invalid passphrase
        ** Ended LOGON_REFUSED invalid passphrase
        """,
    )


@pytest.mark.parametrize(
    ("logon", "text"),
    [
        ("56=ELSE|98=0|108=30|141=Y", "TargetCompID (56) must be COIN"),
        ("98=0|141=Y", "HeartBtInt (108) must be whole seconds"),
        ("52=20260127-15:54:00.000|98=0|108=30|141=Y", "SendingTime (52) is off by -65.000 s, more than 5 s"),
    ],
)
@both
def test_1sd_an_invalid_logon(resend: Resend, logon: str, text: str) -> None:
    play(strict(resend), f"<< 35=A|34=1|{logon}\n** Ended LOGON_REFUSED {text}\n>> 35=5|34=1|58={text}")


@both
def test_1se_the_first_message_is_not_a_logon(resend: Resend) -> None:
    play(
        strict(resend),
        "<< 35=1|34=1|112=x\n** Ended PROTOCOL TestRequest may not be sent while this side is disconnected",
    )


# 2: the header


@both
def test_2a_msg_seq_num_as_expected(resend: Resend) -> None:
    play(initiator(resend=resend), LOGON + "<< 35=8|34=2\n** Received 8 2\n<< 35=0|34=3\n<< 35=8|34=4\n** Received 8 4")


@pytest.mark.parametrize(
    ("resend", "reaction"),
    [(Resend.SUPPORTED, ">> 35=2|34=2|7=2|16=3"), (Resend.UNSUPPORTED, "** Gap 2 4\n** Received 8 4")],
)
def test_2b_msg_seq_num_higher_than_expected(resend: Resend, reaction: str) -> None:
    play(initiator(resend=resend), f"{LOGON}<< 35=8|34=4\n{reaction}")


@both
def test_2c_msg_seq_num_lower_than_expected_without_poss_dup_flag(resend: Resend) -> None:
    text = "MsgSeqNum too low, expecting 2 but received 1"
    play(
        initiator(resend=resend),
        f"{LOGON}<< 35=8|34=1|43=N\n** Ended SEQUENCE_TOO_LOW {text}\n>> 35=5|34=2|58={text}",
    )


@both
def test_2d_a_garbled_message_is_passed_over(resend: Resend) -> None:
    play(
        initiator(resend=resend),
        LOGON
        + """
        <~ 8=FIX.4.2|35=8|34=2|37=a|10=000|
        ** Garbled HEAD 1
        << 35=8|34=2|37=b
        ** Received 8 2
        """,
    )


@both
def test_2e_a_poss_dup_that_was_received_is_ignored(resend: Resend) -> None:
    play(
        initiator(resend=resend),
        LOGON
        + """
        << 35=8|34=2|37=a
        ** Received 8 2
        << 35=8|34=2|43=Y|122=20260127-15:55:05.000|37=a
        << 35=1|34=1|43=Y|122=20260127-15:55:05.000|112=x
        << 35=8|34=3|37=b
        ** Received 8 3
        """,
    )


@pytest.mark.parametrize(
    ("resend", "story"),
    [
        (
            Resend.SUPPORTED,
            """
            << 35=8|34=4|37=c
            >> 35=2|34=2|7=2|16=3
            << 35=8|34=2|43=Y|122=20260127-15:55:04.000|37=a
            ** Received 8 2
            << 35=8|34=2|43=Y|122=20260127-15:55:04.000|37=a
            << 35=8|34=3|43=Y|122=20260127-15:55:04.000|37=b
            ** Received 8 3
            ** Received 8 4
            """,
        ),
        (
            Resend.UNSUPPORTED,
            """
            << 35=8|34=6|37=c
            ** Gap 2 6
            ** Received 8 6
            << 35=8|34=3|43=Y|122=20260127-15:55:04.000|37=a
            ** Received 8 3
            << 35=8|34=3|43=Y|122=20260127-15:55:04.000|37=a
            << 35=8|34=2|43=Y|122=20260127-15:55:04.000|37=b
            ** Received 8 2
            << 35=1|34=5|43=Y|122=20260127-15:55:04.000|112=x
            << 35=8|34=4|43=Y|122=20260127-15:55:04.000|37=d
            ** Received 8 4
            << 35=8|34=7|37=e
            ** Received 8 7
            """,
        ),
    ],
)
def test_2e_a_poss_dup_that_was_not_received_is_taken_once(resend: Resend, story: str) -> None:
    """Without resending, it was lost and the gap told; it may be the only word about a fill."""
    play(initiator(resend=resend), LOGON + story)


@both
def test_2f_orig_sending_time_later_than_sending_time(resend: Resend) -> None:
    play(
        strict(resend),
        GREETED
        + """
        << 35=D|34=2|43=Y|122=20260127-15:55:06.000|11=a
        >> 35=3|34=2|45=2|371=122|372=D|373=10|58=OrigSendingTime (122) is later than SendingTime (52)
        << 35=D|34=3|43=Y|122=20260127-15:55:05.000|11=a
        ** Received D 3
        << 35=D|34=4|122=20260127-15:55:06.000|11=b
        ** Received D 4
        """,
    )


@both
def test_2f_2g_the_venues_messages_are_never_rejected_for_their_times(resend: Resend) -> None:
    """order-rules.md 10: the report is applied."""
    play(
        initiator(resend=resend),
        LOGON
        + """
        << 35=8|34=2|43=Y|122=20260127-15:55:06.000
        ** Received 8 2
        << 35=8|34=3|43=Y
        ** Received 8 3
        """,
    )


@both
def test_2g_poss_dup_flag_without_orig_sending_time(resend: Resend) -> None:
    text = "OrigSendingTime (122) is missing or not YYYYMMDD-HH:MM:SS.sss"
    play(
        strict(resend),
        GREETED
        + f"""
        << 35=D|34=2|43=Y|11=a
        >> 35=3|34=2|45=2|371=122|372=D|373=1|58={text}
        << 35=D|34=3|43=Y|122=yesterday|11=a
        >> 35=3|34=3|45=3|371=122|372=D|373=6|58={text}
        << 35=D|34=4|11=a
        ** Received D 4
        """,
    )


@pytest.mark.parametrize(("resend", "told"), [(Resend.SUPPORTED, ""), (Resend.UNSUPPORTED, "** Gap 3 5")])
def test_2g_of_a_gap_fill_only_the_numbers_count(resend: Resend, told: str) -> None:
    """Beside the standard: rejected, it would leave its gap open for good, and many engines send it so."""
    play(strict(resend), f"{GREETED}<< 35=4|34=2|43=Y|123=Y|36=5\n{told}\n<< 35=D|34=5|11=a\n** Received D 5")


@both
def test_2h_begin_string_as_expected(resend: Resend) -> None:
    play(initiator(resend=resend), f"{LOGON}<~ {framed(REPORT)}\n** Received 8 2")


@pytest.mark.parametrize("begin", ["FIX.4.1", "FIX.4.4", "FIXT.1.1"])
@both
def test_2i_begin_string_of_another_version(resend: Resend, begin: str) -> None:
    text = "BeginString (8) must be FIX.4.2"
    play(
        initiator(resend=resend),
        f"""
        {LOGON}
        <~ {framed(REPORT, begin)}
        ** Garbled BEGIN_STRING 1
        ** Ended PROTOCOL {text}
        >> 35=5|34=2|58={text}
        """,
    )


@both
def test_2j_comp_ids_as_expected(resend: Resend) -> None:
    play(initiator(resend=resend), f"{LOGON}<< 35=8|34=2|49=COIN|56=ME\n** Received 8 2")


@pytest.mark.parametrize(("tag", "name"), [(49, "SenderCompID"), (56, "TargetCompID")])
@both
def test_2k_comp_ids_of_somebody_else(resend: Resend, tag: int, name: str) -> None:
    text = f"{name} ({tag}) is not the one of this session"
    play(
        initiator(resend=resend),
        f"""
        {LOGON}
        << 35=8|34=2|{tag}=ELSE
        ** Ended PROTOCOL {text}
        >> 35=3|34=2|45=2|371={tag}|372=8|373=9|58={text}
        >> 35=5|34=3|58={text}
        """,
    )


@both
def test_2l_body_length_is_right(resend: Resend) -> None:
    padded = framed(REPORT).replace("|9=", "|9=000")
    padded = padded[: padded.rindex("10=")]
    check_sum = sum(padded.replace("|", "\x01").encode()) % 256
    play(initiator(resend=resend), f"{LOGON}<~ {padded}10={check_sum:03}|\n** Received 8 2")


@pytest.mark.parametrize(("off_by", "reason"), [(-1, "BODY_LENGTH"), (1, "FIELDS"), (-20, "BODY_LENGTH")])
@both
def test_2m_body_length_is_wrong(resend: Resend, off_by: int, reason: str) -> None:
    play(
        initiator(resend=resend),
        f"""
        {LOGON}
        <~ {framed(REPORT, off_by=off_by)}
        ** Garbled {reason} 1
        <~ {framed(REPORT)}
        ** Received 8 2
        """,
    )


@pytest.mark.parametrize("time", ["20260127-15:55:00.000", "20260127-15:55:10.000", "20260127-15:55:05"])
@both
def test_2n_sending_time_within_reach(resend: Resend, time: str) -> None:
    play(strict(resend), f"{GREETED}<< 35=D|34=2|52={time}|11=a\n** Received D 2")


@pytest.mark.parametrize(
    ("time", "reason", "text"),
    [
        ("20260127-15:54:59.999", 10, "is off by -5.001 s, more than 5 s"),
        ("20260127-15:55:10.001", 10, "is off by 5.001 s, more than 5 s"),
        ("20260127-16:55:05.000", 10, "is off by 3600.000 s, more than 5 s"),
        ("27.01.2026", 6, "is missing or not YYYYMMDD-HH:MM:SS.sss"),
        ("", 1, "is missing or not YYYYMMDD-HH:MM:SS.sss"),
    ],
)
@both
def test_2o_sending_time_out_of_reach(resend: Resend, time: str, reason: int, text: str) -> None:
    """The message is rejected, and the session goes on: so the venue does it (prime-fix.md section 1)."""
    play(
        strict(resend),
        f"""
        {GREETED}
        << 35=D|34=2|52={time}|11=a
        >> 35=3|34=2|45=2|371=52|372=D|373={reason}|58=SendingTime (52) {text}
        << 35=D|34=3|11=a
        ** Received D 3
        """,
    )


@pytest.mark.parametrize("msg_type", ["8", "B", "j", "U7"])
@both
def test_2p_msg_type_is_valid(resend: Resend, msg_type: str) -> None:
    play(initiator(resend=resend), f"{LOGON}<< 35={msg_type}|34=2\n** Received {msg_type} 2")


@pytest.mark.parametrize("msg_type", ["&", "zz", "AE"])
@both
def test_2q_msg_type_is_not_valid(resend: Resend, msg_type: str) -> None:
    """Rejected, and told to the owner as well: what a venue says is never dropped in silence."""
    play(
        initiator(resend=resend),
        f"""
        {LOGON}
        << 35={msg_type}|34=2|37=a
        ** Received {msg_type} 2
        >> 35=3|34=2|45=2|372={msg_type}|373=11|58=MsgType (35) is none of FIX 4.2
        << 35=8|34=3|37=a
        ** Received 8 3
        """,
    )


@both
def test_2r_msg_type_is_valid_and_not_supported(resend: Resend) -> None:
    """What is supported, and answered by BusinessMessageReject if not, is the owner's to know."""
    play(
        strict(resend),
        f"{GREETED}<< 35=E|34=2|66=a\n** Received E 2\n!! send j 45=2|372=E|380=3\n>> 35=j|34=2|45=2|372=E|380=3",
    )


@both
def test_2s_the_first_three_fields_are_in_order(resend: Resend) -> None:
    play(initiator(resend=resend), f"{LOGON}<~ {framed(f'35=8|{HEADER}')}\n** Received 8 2")


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (framed(f"{HEADER}35=8|37=a|"), "MSG_TYPE"),
        (framed(REPORT).replace("8=FIX.4.2|", "", 1), "NOISE"),
        (f"8=FIX.4.2|{REPORT}10=000|", "HEAD"),
    ],
)
@both
def test_2t_the_first_three_fields_are_out_of_order(resend: Resend, wire: str, reason: str) -> None:
    play(initiator(resend=resend), f"{LOGON}<~ {wire}\n** Garbled {reason} 1\n<< 35=8|34=2\n** Received 8 2")


# 3: the trailer


@both
def test_3a_check_sum_is_right(resend: Resend) -> None:
    play(initiator(resend=resend), f"{LOGON}<~ {framed(REPORT)}\n** Received 8 2")


@both
def test_3b_check_sum_is_wrong(resend: Resend) -> None:
    right = framed(REPORT)
    wrong = right[:-4] + f"{(int(right[-4:-1]) + 1) % 256:03}|"
    play(
        initiator(resend=resend),
        f"{LOGON}<~ {wrong}\n** Garbled CHECK_SUM 1\n<~ {right}\n** Received 8 2",
    )


@pytest.mark.parametrize(
    ("wire", "told"),
    [
        (f"34=2|{framed(REPORT).replace('34=2|', '')}", "** Garbled NOISE 1\n** Garbled FIELDS 2"),
        (framed(f"35=8|{HEADER}junk|"), "** Garbled FIELDS 1"),
    ],
)
@both
def test_3c_a_garbled_message_does_not_move_the_numbers(resend: Resend, wire: str, told: str) -> None:
    play(initiator(resend=resend), f"{LOGON}<~ {wire}\n{told}\n<~ {framed(REPORT)}\n** Received 8 2")


@both
def test_3d_check_sum_is_last_three_digits_and_delimited(resend: Resend) -> None:
    low = next(wire for n in range(5000) if "|10=00" in (wire := framed(f"35=8|{HEADER}37={n}|")))
    play(initiator(resend=resend), f"{LOGON}<~ {low}\n** Received 8 2")


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (framed(f"35=8|{HEADER}10=000|37=a|"), "FIELDS"),
        (framed(REPORT, check_sum="0{:03}"), "BODY_LENGTH"),
        (framed(REPORT, check_sum="{:03}x"), "BODY_LENGTH"),
        (framed(REPORT)[:-1] + "37=b|", "BODY_LENGTH"),
    ],
)
@both
def test_3e_check_sum_is_not_last_not_three_digits_or_not_delimited(resend: Resend, wire: str, reason: str) -> None:
    play(
        initiator(resend=resend),
        f"{LOGON}<~ {wire}\n** Garbled {reason} 1\n<~ {framed(REPORT)}\n** Received 8 2",
    )


# 4 to 7: signs of life, and Reject


@both
def test_4a_nothing_was_sent_for_an_interval(resend: Resend) -> None:
    """A Heartbeat, and no TestRequest: it is this side that has been silent."""
    play(
        initiator(resend=resend),
        LOGON
        + """
        .. 29 s
        << 35=0|34=2
        .. 0.9 s
        .. 0.1 s
        >> 35=0|34=2
        .. 28.9 s
        << 35=0|34=3
        .. 1.1 s
        >> 35=0|34=3
        """,
    )


@both
def test_4b_a_test_request_is_answered_with_its_id(resend: Resend) -> None:
    play(initiator(resend=resend), LOGON + "<< 35=1|34=2|112=a question\n>> 35=0|34=2|112=a question")


@both
def test_5_a_heartbeat_is_taken(resend: Resend) -> None:
    play(initiator(resend=resend), LOGON + "<< 35=0|34=2\n<< 35=8|34=3\n** Received 8 3")


@both
def test_6_nothing_came_for_an_interval_and_a_while(resend: Resend) -> None:
    """A TestRequest; its Heartbeat need not be the next message."""
    player = play(
        initiator(resend=resend),
        LOGON
        + """
        .. 36 s
        >> 35=0|34=2
        >> 35=1|34=3|112=TEST-1
        << 35=8|34=2
        ** Received 8 2
        .. 0.5 s
        << 35=0|34=3|112=TEST-1
        .. 29.4 s
        .. 0.1 s
        >> 35=0|34=4
        """,
    )
    assert player.session.round_trip_s == pytest.approx(0.5)


@both
def test_7_a_reject_is_told_and_counts(resend: Resend) -> None:
    play(
        initiator(resend=resend),
        LOGON + "<< 35=3|34=2|45=7|371=44|373=5|58=no\n** Rejected 7 44 5 no\n<< 35=8|34=3\n** Received 8 3",
    )
