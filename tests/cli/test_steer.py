"""Steering a real daemon on a real sandbox: halt, resume, restart."""

import time

MARKET = ("--portfolio", "beta", "--product-id", "BTC-USD", "--side", "buy", "--type", "MARKET")


def test_a_halt_refuses_new_orders_until_it_is_resumed(rig):
    assert rig.run("halt", "--portfolio", "beta").stdout == "halted beta\n"
    assert {each["name"]: each["state"] for each in rig.json("status")["portfolios"]}["beta"] == "HALTED"
    refused = rig.run("submit", *MARKET, "--base-quantity", "0.1")
    assert (refused.returncode, "resumed" in refused.stderr) == (1, True)
    assert rig.json("resume", "--portfolio", "beta") == {}
    assert rig.run("submit", *MARKET, "--base-quantity", "0.1", "--wait").returncode == 0


def test_all_portfolios_are_asked_about_first(rig):
    asked = rig.run("halt")
    assert asked.returncode != 0 and "halt all portfolios?" in asked.stderr
    assert {each["halted"] for each in rig.json("status")["portfolios"]} == {False}
    assert rig.run("halt", "--yes").returncode == 0
    assert {each["halted"] for each in rig.json("status")["portfolios"]} == {True}
    assert rig.run("resume", "--yes").returncode == 0


def test_one_session_is_restarted_and_the_others_stay(rig):
    def since():
        return {each["name"]: each["since"] for each in rig.json("sessions")["sessions"]}

    before = since()
    name = next(iter(before))
    assert rig.run("restart", "--session", name).stdout == f"restarting {name}\n"
    end = time.monotonic() + 10
    while any(each["state"] != "ACTIVE" for each in rig.json("sessions")["sessions"]) or since()[name] == before[name]:
        assert time.monotonic() < end
    assert {other for other, at in since().items() if at != before[other]} == {name}


def test_what_is_not_there_is_said(rig):
    for wrong in (("restart", "--session", "nobody"), ("halt", "--portfolio", "nobody")):
        done = rig.run(*wrong)
        assert done.returncode == 1 and "nobody" in done.stderr + " ".join(wrong)
    assert rig.run("restart", "--session", "a", "--portfolio", "b").returncode == 1
