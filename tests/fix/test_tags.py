import re

from primefixd.fix import tags


def test_every_constant_is_named_as_in_fix() -> None:
    constants = {name: value for name, value in vars(tags).items() if name.isupper() and isinstance(value, int)}
    assert len(constants) > 70
    for name, tag in constants.items():
        assert re.sub("[^a-z]", "", name.lower()) == re.sub("[^a-z]", "", tags.NAMES[tag].lower())


def test_every_message_type_is_named_as_in_fix() -> None:
    for name, letter in vars(tags.MsgType).items():
        if name.isupper():
            assert name.replace("_", "").lower() == tags.MSG_TYPE_NAMES[letter].lower()


def test_each_data_field_follows_the_tag_of_its_length() -> None:
    for length, value in tags.DATA_TAGS.items():
        assert re.fullmatch("(.+)Len(gth)?", tags.NAMES[length])[1] == tags.NAMES[value]  # type: ignore[index]


def test_names_are_those_of_the_standard() -> None:
    assert [tags.NAMES[tag] for tag in (11, 58, 108, 141, 152, 373, 446)] == [
        "ClOrdID",
        "Text",
        "HeartBtInt",
        "ResetSeqNumFlag",
        "CashOrderQty",
        "SessionRejectReason",
        "EncodedListStatusText",
    ]
    assert set(range(1, 100)) <= set(tags.NAMES)
