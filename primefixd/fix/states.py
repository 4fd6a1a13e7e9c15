"""What a session may do next, as one table; no other module decides it.

Theory of operation. A `Session` lives as long as one connection: prime-fix.md section 1 makes every connection a new
session with new numbers. The initiator says Logon and is ACTIVE when the acceptor's Logon comes. The acceptor hears a
Logon and is ANSWERING until its owner decides; accepted, it is LOGGING_ON until its own Logon has really left, so
nothing can be numbered before it. Either side may say Logout and is then LOGGING_OUT: it still hears (reports come
until the answer does), and a bounded wait ends it. Who is told Logout answers it and is CLOSED at once. CLOSED is
final, and every state can reach it: by silence, by the stream's end, by a fault. A move that the table does not have
is a bug here (LocalProtocolError) if it is ours, and a fault that closes the session if it is the peer's.
"""

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final


class Role(Enum):
    INITIATOR = "initiator"
    ACCEPTOR = "acceptor"


class SessionState(Enum):
    DISCONNECTED = "disconnected"  # nothing has been said
    ANSWERING = "answering"  # acceptor: a Logon came, its owner owes `accept` or `refuse`
    LOGGING_ON = "logging on"  # our Logon is on its way out (acceptor) or not answered yet (initiator)
    ACTIVE = "active"
    LOGGING_OUT = "logging out"  # we said Logout and wait for the answer
    CLOSED = "closed"


class Move(Enum):
    SEND_LOGON = "send Logon"
    ACCEPT = "accept a Logon"
    REFUSE = "refuse a Logon"
    LOGON_LEFT = "let the accepting Logon leave"
    SEND_MESSAGE = "send a message"
    SEND_LOGOUT = "send Logout"
    HEAR_LOGON = "Logon"
    HEAR_REJECT = "Reject"  # 35=3 or 35=j; before the Logon's answer it is the refusal of our Logon
    HEAR_MESSAGE = "a message other than Logon, Logout or Reject"
    HEAR_LOGOUT = "Logout"
    END = "end"


_S = SessionState
_M = Move
_Row = Mapping[Move, SessionState]

_ESTABLISHED: Final[Mapping[SessionState, _Row]] = {
    _S.ACTIVE: {
        _M.SEND_MESSAGE: _S.ACTIVE,
        _M.SEND_LOGOUT: _S.LOGGING_OUT,
        _M.HEAR_REJECT: _S.ACTIVE,
        _M.HEAR_MESSAGE: _S.ACTIVE,
        _M.HEAR_LOGOUT: _S.CLOSED,
        _M.END: _S.CLOSED,
    },
    _S.LOGGING_OUT: {
        _M.LOGON_LEFT: _S.LOGGING_OUT,
        _M.SEND_MESSAGE: _S.LOGGING_OUT,
        _M.HEAR_LOGON: _S.LOGGING_OUT,  # the answer to a Logon that was given up
        _M.HEAR_REJECT: _S.LOGGING_OUT,
        _M.HEAR_MESSAGE: _S.LOGGING_OUT,
        _M.HEAR_LOGOUT: _S.CLOSED,
        _M.END: _S.CLOSED,
    },
    _S.CLOSED: {_M.LOGON_LEFT: _S.CLOSED},  # what waits is still drained
}

TABLE: Final[Mapping[Role, Mapping[SessionState, _Row]]] = MappingProxyType(
    {
        Role.INITIATOR: {
            _S.DISCONNECTED: {_M.SEND_LOGON: _S.LOGGING_ON, _M.END: _S.CLOSED},
            _S.ANSWERING: {},
            _S.LOGGING_ON: {
                _M.SEND_LOGOUT: _S.LOGGING_OUT,
                _M.HEAR_LOGON: _S.ACTIVE,
                _M.HEAR_REJECT: _S.CLOSED,
                _M.HEAR_LOGOUT: _S.CLOSED,
                _M.END: _S.CLOSED,
            },
            **_ESTABLISHED,
        },
        Role.ACCEPTOR: {
            _S.DISCONNECTED: {_M.HEAR_LOGON: _S.ANSWERING, _M.END: _S.CLOSED},
            _S.ANSWERING: {
                _M.ACCEPT: _S.LOGGING_ON,
                _M.REFUSE: _S.CLOSED,
                _M.HEAR_LOGOUT: _S.CLOSED,
                _M.END: _S.CLOSED,
            },
            _S.LOGGING_ON: {
                _M.LOGON_LEFT: _S.ACTIVE,
                _M.SEND_LOGOUT: _S.LOGGING_OUT,
                _M.HEAR_LOGOUT: _S.CLOSED,
                _M.END: _S.CLOSED,
            },
            **_ESTABLISHED,
        },
    }
)


def next_state(role: Role, state: SessionState, move: Move) -> SessionState | None:
    """The state after `move`, None if the move is not allowed now."""
    return TABLE[role][state].get(move)
