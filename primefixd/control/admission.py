"""Who may connect to the control plane at present, and who is connected: a reload may change both."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import trio
from attrs import evolve

from primefixd.control.settings import ClientSettings
from primefixd.websocket import Head, Rejection

_log = structlog.get_logger()


def admitted(clients: tuple[ClientSettings, ...], head: Head) -> ClientSettings | Rejection:
    """The client whose token the handshake carries; without any, on a Unix socket, the one with the peer's user id."""
    authorization = head.header("authorization")
    scheme, _, token = (authorization or "").partition(" ")
    if authorization is None:
        found = [each for each in clients if head.peer.unix and each.uid is not None and each.uid == head.peer.uid]
    else:
        known = [each for each in clients if each.token is not None and each.token.matches(token.strip())]
        found = known if scheme.lower() == "bearer" else []
    if found:
        return found[0]
    _log.warning("client_refused", token=authorization is not None, unix=head.peer.unix, uid=head.peer.uid)
    return Rejection(401, "Give the token of a configured client as Authorization: Bearer TOKEN.")


class Admission:
    """The clients of the configuration as it stands."""

    def __init__(self, clients: tuple[ClientSettings, ...]) -> None:
        self._clients = clients
        self._present: dict[trio.CancelScope, ClientSettings] = {}

    def admit(self, head: Head) -> ClientSettings | Rejection:
        """Who comes with that handshake, or why nobody may."""
        return admitted(self._clients, head)

    @contextmanager
    def present(self, client: ClientSettings) -> Iterator[trio.CancelScope]:
        """For as long as a connection of that client lasts; the scope is cancelled when its rights have changed."""
        with trio.CancelScope() as scope:
            self._present[scope] = client
            try:
                yield scope
            finally:
                del self._present[scope]

    def change(self, clients: tuple[ClientSettings, ...]) -> None:
        """These may connect from now on; connections of clients that are not among them as they were are ended."""
        self._clients = clients
        same = [evolve(each, risk=None) for each in clients]  # other limits hold for whoever is connected as well
        for scope, client in self._present.items():
            if evolve(client, risk=None) not in same:
                _log.info("client_changed", client=client.name)
                scope.cancel()
