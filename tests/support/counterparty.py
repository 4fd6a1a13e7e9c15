"""QuickFIX as the other side: its settings, its dictionary with the venue's additions, and its process.

QuickFIX checks every message that it hears against its own FIX42.xml, to which only what the venue documents beyond
FIX 4.2 is added here; what it cannot accept it rejects (35=3), and a test sees that.
"""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from shutil import which
from typing import Any

import pytest
import trio
import trustme
from attrs import field, frozen, mutable

PACKAGE = "quickfix-ssl"
PROGRAM = Path(__file__).with_name("quickfix_peer.py")
SETTLE_S = 30.0
STOP_S = 15.0

# What prime-fix.md sections 2 to 5 have beyond FIX 4.2: members by MsgType, fields, enumerated values.
FIELDS = {
    554: ("Password", "STRING"),
    836: ("PegOffsetType", "CHAR"),
    847: ("TargetStrategy", "STRING"),
    849: ("ParticipationRate", "FLOAT"),
}
MEMBERS = {
    "A": ("Account", "Password"),
    "D": ("PegOffsetType", "TargetStrategy", "ParticipationRate"),
    "R": ("Account", "Symbol", "Side", "OrderQty", "CashOrderQty", "OrdType", "Price", "TimeInForce"),
    "S": ("Account",),
    "b": ("Account", "Symbol"),
}
GROUPS = {"NoMiscFees": ("MiscFeeAmt", "MiscFeeCurr", "MiscFeeType"), "NoAllocs": ("AllocAccount", "AllocShares")}
VALUES = {139: ("12", "14"), 150: ("I",), 102: ("99",), 103: ("99",), 300: ("99",)}


def write_dictionary(file: Path) -> None:
    (theirs,) = (each.locate() for each in distribution(PACKAGE).files or () if each.name == "FIX42.xml")
    tree = ElementTree.parse(Path(str(theirs)))
    messages, fields = tree.find("messages"), tree.find("fields")
    assert messages is not None and fields is not None
    for number, (name, kind) in FIELDS.items():
        ElementTree.SubElement(fields, "field", number=str(number), name=name, type=kind)
    for each in fields:
        for value in VALUES.get(int(each.attrib["number"]), ()):
            ElementTree.SubElement(each, "value", enum=value, description=f"PRIME_{value}")
        if each.attrib["number"] == "139":
            each.set("type", "STRING")  # two digits now
    for message in messages:
        _add_members(message)
    tree.write(file)


def _add_members(message: ElementTree.Element) -> None:
    msg_type = message.attrib["msgtype"]
    if msg_type == "R":  # flat at the venue, a group in FIX 4.2
        message[:] = [member for member in message if member.tag == "field"]
    for name in MEMBERS.get(msg_type, ()):
        ElementTree.SubElement(message, "field", name=name, required="N")
    for name, members in GROUPS.items() if msg_type == "8" else ():
        group = ElementTree.SubElement(message, "group", name=name, required="N")
        for member in members:
            ElementTree.SubElement(group, "field", name=member, required="N")


def write_settings(folder: Path, role: str, clients: list[str], port: int, **more: Any) -> None:
    """`settings.ini` for these SenderCompIDs; `more` are settings of QuickFIX."""
    write_dictionary(folder / "FIX42.xml")
    where = {"SocketAcceptPort": port} if role == "acceptor" else {"SocketConnectHost": "127.0.0.1"}
    common = {
        "ConnectionType": role,
        "ReconnectInterval": 1,
        "StartTime": "00:00:00",
        "EndTime": "00:00:00",
        "HeartBtInt": 30,
        "ResetOnLogon": "Y",
        "MaxLatency": 5,
        "DataDictionary": folder / "FIX42.xml",
        "ValidateUserDefinedFields": "N",
        "ValidateFieldsOutOfOrder": "Y",
        "FileLogPath": folder / "log",
        "SSLProtocol": "+TLSv1_2",
        **where,
        **({} if role == "acceptor" else {"SocketConnectPort": port}),
        **more,
    }
    lines = ["[DEFAULT]", *(f"{key}={value}" for key, value in common.items())]
    for client in clients:
        ours, theirs = ("COIN", client) if role == "acceptor" else (client, "COIN")
        lines += ["[SESSION]", "BeginString=FIX.4.2", f"SenderCompID={ours}", f"TargetCompID={theirs}"]
    (folder / "settings.ini").write_text("\n".join(lines) + "\n")
    names = ("api_key", "api_secret", "passphrase")
    keys = {client: {key: f"{client.split('-')[0]} {key} of the sandbox" for key in names} for client in clients}
    (folder / "keys.json").write_text(json.dumps(keys))


def trust(folder: Path, ca_file: Path) -> dict[str, Any]:
    """Settings for an initiator that trusts that CA and no other."""
    (folder / "ca.pem").write_bytes(ca_file.read_bytes())
    return {"CertificationAuthoritiesFile": folder / "ca.pem", "CertificateVerifyLevel": 1}


def write_certificate(folder: Path) -> dict[str, Path]:
    """A CA in `ca.pem` and a certificate for the loopback, with the RSA key that QuickFIX's acceptor wants."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    server = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    chain, key = folder / "chain.pem", folder / "key.pem"
    server.cert_chain_pems[0].write_to_path(chain)
    server.private_key_pem.write_to_path(key)
    return {"ServerCertificateFile": chain, "ServerCertificateKeyFile": key}


class Loopback:
    """A network of its own, where nothing but its loopback is; it lives as long as a process in it."""

    def __init__(self) -> None:
        user = [] if os.getuid() == 0 else ["--map-root-user"]
        self.open = ["unshare", *user, "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        self._user = ["--user", "--preserve-credentials"] if user else []

    def enter(self, pid: int) -> list[str]:
        """What to put before a command so that it runs in the network of that process."""
        return ["nsenter", f"--target={pid}", *self._user, "--net"]


def _installed() -> bool:
    try:
        distribution(PACKAGE)
    except PackageNotFoundError:
        return False
    return True


def _no_loopback() -> str:
    """Why there is no network of its own to be had, empty if there is."""
    missing = [name for name in ("unshare", "nsenter", "ip") if which(name) is None]
    if missing:
        return f"{', '.join(missing)} missing: Debian's packages are util-linux and iproute2"
    tried = subprocess.run([*Loopback().open, "true"], capture_output=True, check=False, timeout=10)
    return "QuickFIX listens on every interface, and unshare --net is not permitted here" if tried.returncode else ""


needs_quickfix = pytest.mark.skipif(
    not _installed(), reason=f"{PACKAGE} is not installed: its only wheel is for CPython 3.11 on Linux x86-64"
)
needs_loopback = pytest.mark.skipif(bool(_no_loopback()), reason=_no_loopback() or "none")


@frozen
class Heard:
    """One message that QuickFIX heard from `session` (or sent to it), in FIX's order of fields."""

    session: str
    fields: list[tuple[int, Any]]
    signed: bool | None = None

    def __getitem__(self, tag: int) -> str:
        return str(dict(self.fields)[tag])

    def get(self, tag: int) -> str | None:
        return dict(self.fields).get(tag)

    def __str__(self) -> str:
        return f"{self.session} " + "|".join(f"{tag}={value}" for tag, value in self.fields)


@mutable
class Peer:
    """The process, seen from the test. `on_heard` is called with every message as it comes."""

    process: trio.Process
    heard: list[Heard] = field(factory=list)
    sent: list[Heard] = field(factory=list)
    ups: list[str] = field(factory=list)
    downs: list[str] = field(factory=list)
    started: bool = False
    on_heard: Callable[[Heard], list[tuple[str, list[Any]]]] = field(default=lambda _heard: [])
    _asking: trio.Lock = field(factory=trio.Lock)

    async def read(self) -> None:
        """Takes in what the process tells, until it ends."""
        assert self.process.stdout is not None
        rest = b""
        async for piece in self.process.stdout:
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                if line.startswith(b"{"):
                    await self._take(json.loads(line))

    async def _take(self, told: dict[str, Any]) -> None:
        match told["what"]:
            case "heard" | "sent" as what:
                fields = [(tag, value) for tag, value in told["fields"]]
                message = Heard(told["session"], fields, told.get("signed"))
                (self.heard if what == "heard" else self.sent).append(message)
                for session, answer in self.on_heard(message) if what == "heard" else ():
                    await self.send(session, answer)
            case "logon":
                self.ups.append(told["session"])
            case "logout":
                self.downs.append(told["session"])
            case "started":
                self.started = True

    async def do(self, do: str, session: str, **words: Any) -> None:
        assert self.process.stdin is not None
        async with self._asking:  # answers of its own and wishes of the test may come at once
            await self.process.stdin.send_all(json.dumps({"do": do, "session": session, **words}).encode() + b"\n")

    async def send(self, session: str, fields: list[Any]) -> None:
        await self.do("send", session, fields=fields)

    async def until(self, what: Callable[[], Any], so: str) -> Any:
        """The first true value of `what`."""
        with trio.move_on_after(SETTLE_S):
            while not (found := what()):
                await trio.sleep(0.02)
            return found
        last = "".join(f"\n  {way} {each}" for way, all in (("<", self.heard), (">", self.sent)) for each in all[-12:])
        raise AssertionError(f"QuickFIX: never {so}; it last heard (<) and sent (>):{last}")

    def of(self, msg_type: str, session: str | None = None) -> list[Heard]:
        return [each for each in self.heard if each[35] == msg_type and session in (None, each.session)]

    def refusals(self) -> list[Heard]:
        """Rejects in either direction: somebody found a message wrong."""
        return [each for each in (*self.heard, *self.sent) if each[35] in ("3", "j")]


@asynccontextmanager
async def quickfix(role: str, folder: Path, before: list[str]) -> AsyncIterator[Peer]:
    """QuickFIX running with the settings in `folder`; `before` is put before its command."""
    command = [*before, sys.executable, str(PROGRAM), role, str(folder)]
    with (folder / "peer.err").open("ab") as err:
        process = await trio.lowlevel.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err)
    peer = Peer(process)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(peer.read)
            await peer.until(lambda: peer.started, f"started: {(folder / 'peer.err').read_text()}")
            yield peer
            assert process.stdin is not None
            await process.stdin.aclose()
            with trio.move_on_after(STOP_S):
                await process.wait()
            nursery.cancel_scope.cancel()
    finally:
        if process.returncode is None:
            process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()
