"""A QuickFIX (C++) engine as a program of its own: `python quickfix_peer.py initiator|acceptor FOLDER`.

FOLDER holds `settings.ini` and `keys.json`. Commands come as JSON lines on stdin, what it hears and sends leaves as
JSON lines on stdout, each with the SenderCompID of the client. The venue's signature is written here a third time,
from the published recipe, and shares nothing with the daemon or the sandbox.
"""

import base64
import hashlib
import hmac
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import quickfix as fix

STOP_S = 8.0  # QuickFIX waits for Logouts; past it the process ends all the same
_lock = threading.Lock()


def tell(**words: Any) -> None:
    with _lock:
        sys.stdout.write(json.dumps(words) + "\n")
        sys.stdout.flush()


def fields(message: fix.Message) -> list[list[Any]]:
    pairs = (part.partition("=") for part in message.toString().split("\x01") if part)
    return [[int(tag), value] for tag, _, value in pairs if tag.isdigit()]


def signature(sent: dict[int, str], key: dict[str, str]) -> str:
    text = sent[52] + "A" + sent[34] + key["api_key"] + "COIN" + key["passphrase"]
    return base64.b64encode(hmac.new(key["api_secret"].encode(), text.encode(), hashlib.sha256).digest()).decode()


class Peer(fix.Application):
    def __init__(self, role: str, keys: dict[str, dict[str, str]]) -> None:
        super().__init__()
        self.initiates = role == "initiator"
        self.keys = keys
        self.sessions: dict[str, fix.SessionID] = {}

    def _client(self, session: fix.SessionID) -> str:
        return str((session.getSenderCompID if self.initiates else session.getTargetCompID)().getValue())

    def onCreate(self, session: fix.SessionID) -> None:
        # A copy of its own: the engine's may go before we do.
        self.sessions[self._client(session)] = fix.SessionID(
            "FIX.4.2", session.getSenderCompID().getValue(), session.getTargetCompID().getValue()
        )

    def onLogon(self, session: fix.SessionID) -> None:
        tell(what="logon", session=self._client(session))

    def onLogout(self, session: fix.SessionID) -> None:
        tell(what="logout", session=self._client(session))

    def toAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        sent = dict(fields(message))
        if self.initiates and sent[35] == "A":
            key = self.keys[self._client(session)]
            signed = signature(sent, key)
            more = {95: str(len(signed)), 96: signed, 554: key["passphrase"], 9406: "N", 9407: key["api_key"]}
            for tag, value in more.items():
                message.setField(fix.StringField(tag, value))
        tell(what="sent", session=self._client(session), fields=fields(message))

    def fromAdmin(self, message: fix.Message, session: fix.SessionID) -> None:
        told: dict[str, Any] = {}
        heard = dict(fields(message))
        if not self.initiates and heard[35] == "A":
            key = self.keys[self._client(session)]
            right = (heard.get(96), heard.get(554), heard.get(9407)) == (
                signature(heard, key),
                key["passphrase"],
                key["api_key"],
            )
            told = {"signed": right}
        tell(what="heard", session=self._client(session), fields=fields(message), **told)

    def toApp(self, message: fix.Message, session: fix.SessionID) -> None:
        tell(what="sent", session=self._client(session), fields=fields(message))

    def fromApp(self, message: fix.Message, session: fix.SessionID) -> None:
        tell(what="heard", session=self._client(session), fields=fields(message))

    def obey(self, do: str, session: str, **words: Any) -> None:
        name = self.sessions[session]
        engine = fix.Session.lookupSession(name)
        if do == "send":
            fix.Session.sendToTarget(_message(words["fields"]), name)
        elif do == "skip":
            engine.setNextSenderMsgSeqNum(engine.getExpectedSenderNum() + words["count"])
        elif do == "cut":
            engine.disconnect()
        elif do == "logout":
            engine.logout(words["text"])  # and takes no Logon any more until
        elif do == "logon":
            engine.logon()
        else:
            raise ValueError(do)


def _message(pairs: list[list[Any]]) -> fix.Message:
    """`[tag, text]` is a field, `[tag, [[[tag, text], ...], ...]]` a repeating group by its count's tag."""
    message = fix.Message()
    for tag, value in pairs:
        if isinstance(value, list):
            for entry in value:
                group = fix.Group(tag, entry[0][0])
                for inner, text in entry:
                    group.setField(fix.StringField(inner, text))
                message.addGroup(group)
        elif tag == 35:
            message.getHeader().setField(fix.StringField(tag, value))
        else:
            message.setField(fix.StringField(tag, value))
    return message


def main() -> None:
    role, folder = sys.argv[1], Path(sys.argv[2])
    settings = fix.SessionSettings(str(folder / "settings.ini"))
    peer = Peer(role, json.loads((folder / "keys.json").read_text()))
    secure = (folder / "ca.pem").exists()
    name = f"{'SSL' if secure else ''}Socket{role.capitalize()}"
    engine = getattr(fix, name)(peer, fix.MemoryStoreFactory(), settings, fix.FileLogFactory(settings))
    engine.start()
    tell(what="started")
    for line in sys.stdin:
        peer.obey(**json.loads(line))
    threading.Timer(STOP_S, os._exit, (1,)).start()
    engine.stop()
    tell(what="stopped")
    sys.stdout.flush()
    os._exit(0)  # the engine's own threads and destructors have nothing left to say


main()
