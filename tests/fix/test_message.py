import pytest

from primefixd.fix.message import Message

MESSAGE = Message([(35, b"8"), (34, b"12"), (58, b"caf\xc3\xa9"), (9999, b"\xff"), (58, b"second")])


def test_fields_stay_in_wire_order_with_repeats_and_unknown_tags() -> None:
    assert [tag for tag, _ in MESSAGE.fields] == [35, 34, 58, 9999, 58]
    assert MESSAGE.type == "8"
    assert MESSAGE.sequence_number == 12


def test_get_is_the_first_occurrence_as_text() -> None:
    assert MESSAGE.get(58) == "café"
    assert MESSAGE.get(9999) == "\\xff"
    assert MESSAGE.get(1) is None


@pytest.mark.parametrize("raw", [b"", b"-1", b"1.0", b"+1", b" 1", b"x", "٣".encode(), b"1_0", b"9" * 19])
def test_what_is_no_whole_number_is_none(raw: bytes) -> None:
    assert Message([(35, b"0"), (34, raw)]).sequence_number is None


def test_a_number_may_have_leading_zeros() -> None:
    assert Message([(35, b"0"), (34, b"0012")]).sequence_number == 12


def test_secrets_are_masked_wherever_a_message_becomes_text() -> None:
    logon = Message([(35, b"A"), (96, b"s3cr3t"), (554, b"s3cr3t"), (9407, b"s3cr3t"), (58, b"hello")])
    assert logon.text() == "35=A|96=…|554=…|9407=…|58=hello"
    assert repr(logon) == "Message('35=A|96=…|554=…|9407=…|58=hello')"
    assert "s3cr3t" not in f"{logon} {[logon]}"


def test_messages_are_equal_by_their_fields() -> None:
    assert Message([(35, b"0")]) == Message(((35, b"0"),))
    assert Message([(35, b"0")]) != Message([(35, b"1")])
    assert len({Message([(35, b"0")]), Message([(35, b"0")])}) == 1
