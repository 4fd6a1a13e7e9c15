"""`primefixd run` with faults that show what they hold: exceptions whose text is a Logon, or every secret; for tests.

    python -P tests/support/crashing.py FILE LOGONS

The first LOGONS Logons fail in the link. Once FILE.crash is there, the clock fails with its text, and with it the
daemon.
"""

import sys
from pathlib import Path

import trio
from attrs import evolve, frozen

from primefixd.cli import run as command
from primefixd.cli.main import main as program
from primefixd.clock import Moment
from primefixd.config import Settings
from primefixd.runtime.ports import Ports, system_ports
from primefixd.runtime.settings import VenueSettings


@frozen(eq=False)
class CrashingStream(trio.abc.Stream):
    """A connection on which sending the first Logons is a bug."""

    stream: trio.abc.Stream
    left: list[int]

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if b"\x0135=A\x01" in bytes(data) and self.left[0] > 0:
            self.left[0] -= 1
            raise RuntimeError(f"cannot send {bytes(data)!r}, which is {bytes(data).decode()}")
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self.stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self.stream.aclose()


def crashing(ports: Ports, file: Path, logons: int, settings: Settings) -> Ports:
    """`ports` that fail as the module says."""
    left, sign = [logons], file.with_name(f"{file.name}.crash")

    async def open_stream(venue: VenueSettings) -> trio.abc.Stream:
        return CrashingStream(await ports.open_stream(venue), left)

    def clock() -> Moment:
        if sign.exists():
            raise RuntimeError(f"no clock: {sign.read_text()} {[secret.reveal() for secret in settings.secrets()]}")
        return ports.clock()

    return evolve(ports, open_stream=open_stream, clock=clock)


if __name__ == "__main__":
    config, logons = Path(sys.argv[1]), int(sys.argv[2])
    held = command.load_or_refuse(config, None).settings
    command.system_ports = lambda: crashing(system_ports(), config, logons, held)
    sys.argv[1:] = ["run", "--config", str(config)]
    program()
