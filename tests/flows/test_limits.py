"""Limits and cancel-on-disconnect with the real processes: refused, counted over a kill, reloaded, cancelled."""

import signal
from pathlib import Path

import pytest
import trio

from primefixd.client import Refused
from tests.support.world import RESTING, booked, until, until_ready, world

RISK = '{open_orders_max: 2, order_quote_value_max: "100", rejects: {max: 5, per_s: 10}}'


async def test_limits_count_over_a_kill_are_reloaded_and_a_client_that_is_gone_loses_its_orders(tmp_path: Path) -> None:
    async with world(tmp_path, risk=RISK) as (made, desk, oracle):
        for key in ("o-1", "o-2"):
            await desk.submit(**RESTING, client_order_id=key)
            await until(desk, key, status="OPEN")
        with pytest.raises(Refused) as refused:
            await desk.submit(**RESTING | {"base_quantity": "0.2"}, client_order_id="big")
        assert (refused.value.code, refused.value.data["limit"]) == (-32030, "order_quote_value_max")
        assert (refused.value.data["value"], refused.value.data["sent"]) == ("200.0", "no")
        assert await desk.call("connection.cancel_on_disconnect", enabled=True, grace_ms=1500) == {}
        await made.end("daemon", signal.SIGKILL)
        await made.start_daemon()
        async with made.desk() as back:
            await until_ready(back)
            await until(back, "o-1", status="OPEN")
            with pytest.raises(Refused) as refused:
                while True:  # closed until it knows how its orders stand
                    try:
                        await back.submit(**RESTING, client_order_id="third")
                    except Refused as closed:
                        if closed.reason != "closed":
                            raise
                        await trio.sleep(0.1)
            assert (refused.value.data["limit"], refused.value.data["value"]) == ("open_orders_max", 3)
            made.file.write_text(made.file.read_text().replace("open_orders_max: 2", "open_orders_max: 3"))
            made.processes["daemon"].send_signal(signal.SIGHUP)
            with trio.fail_after(10):
                while not any(line["event"] == "reloaded" for line in made.log()):
                    await trio.sleep(0.05)
            await back.submit(**RESTING, client_order_id="third")
            await until(back, "third", status="OPEN")
        await trio.sleep(0.5)
        assert {each["status"] for each in (await booked(oracle)).values()} == {"0"}
        with trio.fail_after(10):
            while {each["status"] for each in (await booked(oracle)).values()} != {"4"}:
                await trio.sleep(0.1)
        assert (await booked(oracle)).keys() == {"o-1", "o-2", "third"}
