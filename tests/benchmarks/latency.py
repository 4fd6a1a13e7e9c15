"""What the daemon adds between a client's call and the wire, and what the whole way takes; prints figures only.

    python tests/benchmarks/latency.py [ORDERS]

Runs the demo (sandbox, daemon and clients in one process, over TLS and WebSocket on the loopback) below and at the
allowed rate. The wait for the rate is part of the second figure, so that the first is the one to read as overhead.
"""

import json
import subprocess
import sys


def main(orders: int) -> None:
    print(f"{'offered':>12} {'sent/s':>8} {'submit→wire p50/p99 ms':>24} {'submit→ack p50/p99 ms':>24}")
    for rate in (20, 49, 60):
        command = [sys.executable, "-m", "primefixd", "demo", "--json", "--orders", str(orders), "--rate", str(rate)]
        summary = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        wire, ack = summary["submit_to_wire"], summary["submit_to_acknowledgement"]
        pairs = (f"{each['p50_ms']} / {each['p99_ms']}" for each in (wire, ack))
        print(f"{rate:>10}/s {summary['orders_per_second'] or 'few':>8}", *(f"{pair:>24}" for pair in pairs))


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
