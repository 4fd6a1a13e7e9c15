"""A TCP proxy on the loopback that can do what no FIX engine would: `python byte_proxy.py PORT TARGET_PORT`.

What the target says goes on in pieces of 7 bytes. Commands are lines on stdin: `inject HEX` says these bytes to the
client between two pieces, `break` resets both connections; both mean the newest connection.
"""

import socket
import struct
import sys
import threading
from contextlib import suppress

PIECE_BYTES = 7
_newest: list[socket.socket] = []
_saying = threading.Lock()


def forward(source: socket.socket, sink: socket.socket, piece: int) -> None:
    try:
        while data := source.recv(65_536):
            with _saying:
                for at in range(0, len(data), piece):
                    sink.sendall(data[at : at + piece])
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return  # broken, by a command or by one of the two


def serve(listener: socket.socket, target: int) -> None:
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        venue = socket.create_connection(("127.0.0.1", target))
        _newest[:] = [client, venue]
        for each in ((venue, client, PIECE_BYTES), (client, venue, 65_536)):
            threading.Thread(target=forward, args=each, daemon=True).start()


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
    threading.Thread(target=serve, args=(listener, int(sys.argv[2])), daemon=True).start()
    print("started", flush=True)
    for line in sys.stdin:
        command, *rest = line.split()
        if command == "inject":
            with _saying:
                _newest[0].sendall(bytes.fromhex(rest[0]))
        else:
            for each in _newest:
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with suppress(OSError):  # gone already, by the end of the other
                    each.shutdown(socket.SHUT_RD)  # wakes the thread that reads it
                each.close()


main()
