"""Plays one session, or two against each other, from a written transcript in virtual time.

One session. A script's lines are what happens to it; what it does about it is recorded, and the whole must read the
same:

    !! logon 554=p       its owner acts: logon, accept, refuse TEXT, send TYPE FIELDS, logout TEXT, probe, skip N, …
    >> 35=A|34=1|…       it sent this (CompIDs and SendingTime are left out)
    << 35=A|34=1|…       it hears this (CompIDs and SendingTime are filled in where they are not given)
    <~ 8=FIX.4.2|…       it hears these bytes as they are
    .. 30 s              so much time passes, with a tick whenever it asked for one
    xx                   the connection closes
    ** Ended LOGOUT …    it told its owner this
"""

from datetime import UTC, datetime
from math import inf

from primefixd.clock import Moment
from primefixd.fix.codec import Decoder, encode
from primefixd.fix.errors import LocalProtocolError
from primefixd.fix.events import Ended, Event, Gap, GarbledReceived, LoggedOn, LogonReceived, Received, Rejected
from primefixd.fix.message import Field, Message
from primefixd.fix.session import Role, Session, SessionSettings
from primefixd.fix.timestamps import timestamp

START = Moment(1000.0, datetime(2026, 1, 27, 15, 55, 5, tzinfo=UTC))
FILLED_IN = (49, 56, 52)


def initiator(**changes: object) -> Session:
    settings = {"role": Role.INITIATOR, "sender_comp_id": "ME", "target_comp_id": "COIN", **changes}
    return Session(SessionSettings(**settings))  # type: ignore[arg-type]


def acceptor(**changes: object) -> Session:
    settings = {"role": Role.ACCEPTOR, "sender_comp_id": "COIN", "target_comp_id": None, **changes}
    return Session(SessionSettings(**settings))  # type: ignore[arg-type]


def fields(text: str) -> list[Field]:
    pairs = (part.split("=", 1) for part in text.split("|") if part)
    return [(int(tag), value) for tag, value in pairs]


def heard(text: str, sender: str, target: str, now: Moment) -> bytes:
    """Bytes of one message from the peer; a field written with an empty value is left out."""
    given = fields(text)
    filled = [(49, sender), (56, target), (52, timestamp(now.utc))]
    head, *rest = given
    all_fields = [head, *((tag, value) for tag, value in filled if tag not in dict(given)), *rest]
    return encode([field for field in all_fields if field[1]])


def framed(body: str, begin: str = "FIX.4.2", off_by: int = 0, check_sum: str = "{:03}") -> str:
    """A whole message as `<~` takes it; `off_by` makes BodyLength lie, `check_sum` writes CheckSum some other way."""
    text = f"8={begin}|9={len(body) + off_by}|{body}"
    return f"{text}10={check_sum.format(sum(text.replace('|', chr(1)).encode()) % 256)}|"


def shown(message: Message) -> str:
    return "|".join(f"{tag}={raw.decode()}" for tag, raw in message.fields if tag not in FILLED_IN)


def told(event: Event) -> str:
    match event:
        case LogonReceived(message) | LoggedOn(message) | Received(message):
            return f"** {type(event).__name__} {message.type} {message.sequence_number}"
        case Rejected(number, text, tag, reason, _):
            return f"** Rejected {number} {tag} {reason} {text}".rstrip()
        case Gap(expected, received):
            return f"** Gap {expected} {received}"
        case GarbledReceived(garbled, total):
            return f"** Garbled {garbled.reason.name} {total}"
        case Ended(reason, text):
            return f"** Ended {reason} {text}"


class Player:
    """One session, its time, and what it has done."""

    def __init__(self, session: Session, now: Moment = START) -> None:
        self.session = session
        self.now = now
        self.sent: list[bytes] = []
        us, them = session.settings.sender_comp_id, session.settings.target_comp_id or "ME"
        self._names = (them, us)

    def do(self, mark: str, rest: str) -> list[str]:
        match mark:
            case "!!":
                return self._act(*rest.split(" ", 1))
            case "<<":
                return self.hear(heard(rest, *self._names, self.now))
            case "<~":
                return self.hear(rest.replace("|", "\x01").encode())
            case "xx":
                return self._outcome(self.session.end_of_stream(self.now))
            case "..":
                return self.wait(float(rest.removesuffix(" s")))
        raise AssertionError(f"no such mark: {mark}")

    def hear(self, data: bytes) -> list[str]:
        return self._outcome(self.session.receive(data, self.now))

    def wait(self, seconds: float) -> list[str]:
        target, done = self.now.mono + seconds, self._outcome([])
        while (due := self.session.next_tick()) <= target and due != inf:
            self.now = self.now.later(max(due - self.now.mono, 0))
            done += self._outcome(self.session.tick(self.now))
        self.now = self.now.later(target - self.now.mono)
        return done + self._outcome(self.session.tick(self.now))

    def _act(self, what: str, rest: str = "") -> list[str]:
        session, now = self.session, self.now
        match what:
            case "logon":
                return [self._left(session.logon(fields(rest), now).data)]
            case "accept":
                session.accept(fields(rest), now)
            case "refuse":
                session.refuse(rest, now)
            case "send":
                msg_type, _, body = rest.partition(" ")
                return [self._left(session.send(msg_type, fields(body), now).data)]
            case "logout":
                session.logout(rest or None, now)
            case "probe":
                session.probe(now)
            case "reject":
                session.reject(Message([(35, b"8"), (34, b"2")]), 5, 44, rest, now)
            case "skip":
                session.skip(int(rest))
            case _:
                raise AssertionError(f"no such act: {what}")
        return self._outcome([])

    def _outcome(self, events: list[Event]) -> list[str]:
        done = [told(event) for event in events]
        while (outgoing := self.session.next_outgoing(self.now)) is not None:
            done.append(self._left(outgoing.data))
        if self.session.next_tick() == -inf and self.session.outgoing_count == 0:
            done += [told(event) for event in self.session.tick(self.now)]
        return done

    def _left(self, data: bytes) -> str:
        self.sent.append(data)
        (message,) = Decoder().feed(data)
        assert isinstance(message, Message)
        us = self.session.settings.sender_comp_id
        assert [message.get(tag) for tag in (49, 52)] == [us, timestamp(self.now.utc)]
        assert [tag for tag, _ in message.fields][:5] == [35, 49, 56, 34, 52]
        return f">> {shown(message)}"


def play(session: Session, script: str) -> Player:
    """Do what the script says; fails unless what the session does reads as the script has it."""
    expected = [line.strip() for line in script.strip().splitlines() if line.strip()]
    player, done = Player(session), list[str]()
    for line in expected:
        mark, _, rest = line.partition(" ")
        if mark == "--":
            done.append(line)
        elif mark not in (">>", "**"):
            done.append(line)
            try:
                done += player.do(mark, rest)
            except LocalProtocolError as error:
                done.append(f"** misuse: {error}")
    assert done == expected, "\n" + "\n".join(done)
    return player


class Duet:
    """Two sessions, the line between them, and what has been seen of both."""

    def __init__(self, left: Session, right: Session) -> None:
        self.players = {"a": Player(left), "b": Player(right)}
        self.lost = {"a": 0, "b": 0}
        self.seen: list[str] = []

    def do(self, line: str) -> None:
        name, mark, *rest = line.split(" ", 2)
        if name == "..":
            self.seen.append(line)
            self._wait(float(mark))
        elif mark == "lose":
            self.seen.append(line)
            self.lost[name] += int(rest[0])
        elif mark == "!!":
            self.seen.append(line)
            self._settle(name, self.players[name].do(mark, rest[0]))

    def _settle(self, name: str, lines: list[str]) -> None:
        other = "b" if name == "a" else "a"
        sent, self.players[name].sent = iter(self.players[name].sent), []
        for line in lines:
            data = next(sent) if line.startswith(">>") else b""
            lost = bool(data) and self.lost[name] > 0
            self.seen.append(f"{name} xx {line[3:]}" if lost else f"{name} {line}")
            if lost:
                self.lost[name] -= 1
            elif data:
                self._settle(other, self.players[other].hear(data))

    def _wait(self, seconds: float) -> None:
        target = self.players["a"].now.mono + seconds
        due = 0.0
        while due < target:
            due = min(target, *(player.session.next_tick() for player in self.players.values()))
            for player in self.players.values():  # both clocks first: what one sends now, the other hears now
                player.now = player.now.later(max(due - player.now.mono, 0))
            for name, player in self.players.items():
                self._settle(name, player.wait(0))


def play_two(left: Session, right: Session, script: str) -> None:
    """Two sessions, `a` and `b`: what one sends the other hears at once, unless it is lost on the way.

    `a !! …` acts, `a >> …` was sent by a (and heard by b), `a ** …` was told to a's owner, `a lose N` loses a's next N
    messages (each shown as `a xx …`), `.. 30 s` lets time pass for both.
    """
    expected = [line.strip() for line in script.strip().splitlines() if line.strip()]
    duet = Duet(left, right)
    for line in expected:
        duet.do(line)
    assert duet.seen == expected, "\n" + "\n".join(duet.seen)
