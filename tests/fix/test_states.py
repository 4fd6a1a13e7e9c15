import pytest

from primefixd.fix.states import Move, Role, SessionState, next_state

# One row a move, one column a state; a dot is a move that is not allowed.
EXPECTED = {
    Role.INITIATOR: """
                  DISCONNECTED  ANSWERING   LOGGING_ON   ACTIVE       LOGGING_OUT  CLOSED
    SEND_LOGON    LOGGING_ON    .           .            .            .            .
    ACCEPT        .             .           .            .            .            .
    REFUSE        .             .           .            .            .            .
    LOGON_LEFT    .             .           .            .            LOGGING_OUT  CLOSED
    SEND_MESSAGE  .             .           .            ACTIVE       LOGGING_OUT  .
    SEND_LOGOUT   .             .           LOGGING_OUT  LOGGING_OUT  .            .
    HEAR_LOGON    .             .           ACTIVE       .            LOGGING_OUT  .
    HEAR_REJECT   .             .           CLOSED       ACTIVE       LOGGING_OUT  .
    HEAR_MESSAGE  .             .           .            ACTIVE       LOGGING_OUT  .
    HEAR_LOGOUT   .             .           CLOSED       CLOSED       CLOSED       .
    END           CLOSED        .           CLOSED       CLOSED       CLOSED       .
    """,
    Role.ACCEPTOR: """
                  DISCONNECTED  ANSWERING   LOGGING_ON   ACTIVE       LOGGING_OUT  CLOSED
    SEND_LOGON    .             .           .            .            .            .
    ACCEPT        .             LOGGING_ON  .            .            .            .
    REFUSE        .             CLOSED      .            .            .            .
    LOGON_LEFT    .             .           ACTIVE       .            LOGGING_OUT  CLOSED
    SEND_MESSAGE  .             .           .            ACTIVE       LOGGING_OUT  .
    SEND_LOGOUT   .             .           LOGGING_OUT  LOGGING_OUT  .            .
    HEAR_LOGON    ANSWERING     .           .            .            LOGGING_OUT  .
    HEAR_REJECT   .             .           .            ACTIVE       LOGGING_OUT  .
    HEAR_MESSAGE  .             .           .            ACTIVE       LOGGING_OUT  .
    HEAR_LOGOUT   .             CLOSED      CLOSED       CLOSED       CLOSED       .
    END           CLOSED        CLOSED      CLOSED       CLOSED       CLOSED       .
    """,
}


@pytest.mark.parametrize("role", Role)
def test_every_move_in_every_state(role: Role) -> None:
    columns, *rows = (line.split() for line in EXPECTED[role].strip().splitlines())
    assert columns == [state.name for state in SessionState]
    assert [row[0] for row in rows] == [move.name for move in Move]
    for move, *cells in rows:
        after = [next_state(role, state, Move[move]) for state in SessionState]
        assert [state.name if state else "." for state in after] == cells, move


@pytest.mark.parametrize("role", Role)
def test_every_state_can_end_but_nothing_follows_the_end(role: Role) -> None:
    for state in SessionState:
        reachable = state is not SessionState.CLOSED and (role, state) != (Role.INITIATOR, SessionState.ANSWERING)
        assert (next_state(role, state, Move.END) is SessionState.CLOSED) == reachable
