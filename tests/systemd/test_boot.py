"""The repository's units under a real systemd, with the sample configuration and the sandbox as the venue."""

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.machine import ROOT, Machine, machine

SETTLE_S = 30.0
UNIT = "primefixd.service"
REST_PORT = 8419
RESTING = (
    "submit --portfolio main --product-id BTC-USD --side BUY --type LIMIT --base-quantity 0.01"
    " --limit-price 1000 --time-in-force GOOD_UNTIL_CANCELLED --client-order-id"
)
AS_CLIENT = ("setpriv", "--reuid=4242", "--regid=primefixd", "--clear-groups", "primefixd")
# As shipped, but for a watchdog that does not keep the tests waiting.
IMPATIENT = "[Service]\nWatchdogSec=3s\nRestartSec=100ms\n"


def configured(port: int, socket: str) -> str:
    """The sample configuration, at the sandbox; a program on the Unix socket is a client by its user id."""
    text = (ROOT / "etc" / "primefixd.yaml").read_text()
    text = text.replace("fix.prime.coinbase.com", "127.0.0.1").replace("ca_file: null ", "ca_file: /etc/ca.pem ", 1)
    text = text.replace("https://api.prime.coinbase.com", f"http://127.0.0.1:{REST_PORT}")
    text = text.replace("- 127.0.0.1:8417", f"- 127.0.0.1:{port}\n    - unix:{socket}")
    return text.replace(
        "  clients:\n", "  clients:\n    - {name: local, uid: 4242, portfolios: '*', may: [read, trade]}\n"
    )


def install(booted: Machine, folder: str, port: int, socket: str) -> None:
    """A configuration in `folder`, and a secret for each credential that it names."""
    text = configured(port, socket)
    booted.write(f"{folder}/primefixd.yaml", text)
    names = re.findall(r"\{credential: ([a-z0-9.-]+)\}", re.sub(r"#.*", "", text))
    secrets = "\n".join(f"printf %s secret-of-{name} > {folder}/credentials/{name}" for name in names)
    booted.run("sh", "-ec", f"umask 077; mkdir {folder}/credentials\n{secrets}")


def encrypt(booted: Machine, folder: str, unit: str) -> None:
    """Replace the plain credentials by encrypted ones, as the unit's comment says."""
    each = (
        f"cd {folder}; for name in *; do systemd-creds encrypt --name=$name $name $name.new; mv $name.new $name; done"
    )
    booted.run("sh", "-ec", each)
    assert booted.run("sh", "-c", f"grep -l secret-of {folder}/*", check=False) == ""
    names = booted.run("ls", folder).split()
    lines = "\n".join(["[Service]", "LoadCredential=", *(f"LoadCredentialEncrypted={n}:{folder}/{n}" for n in names)])
    booted.write(f"/etc/systemd/system/{unit}.d/credentials.conf", f"{lines}\n")
    booted.run("systemctl", "daemon-reload")


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with machine(tmp_path_factory.mktemp("machine")) as made:
        for name in (UNIT, "primefixd@.service"):
            made.write(f"/etc/systemd/system/{name}", (ROOT / "systemd" / name).read_text())
            made.write(f"/etc/systemd/system/{name}.d/impatient.conf", IMPATIENT)
        made.write("/etc/sysusers.d/primefixd.conf", (ROOT / "systemd" / "primefixd.sysusers").read_text())
        made.run("systemd-sysusers")
        install(made, "/etc/primefixd", 8417, "/run/primefixd/control.sock")
        made.run("systemctl", "daemon-reload")
        venue = ["/usr/bin/primefixd", "sandbox", "--config", "/etc/primefixd/primefixd.yaml"]
        folders = [
            "--credentials",
            "/etc/primefixd/credentials",
            "--state-dir",
            "/var/lib/sandbox",
            "--rest-port",
            str(REST_PORT),
        ]
        made.run("systemd-run", "--unit=sandbox", *venue, *folders)
        until(lambda: made.run("cat", "/etc/ca.pem", check=False), lambda: made.run("journalctl", "-u", "sandbox"))
        yield made


@pytest.fixture
def service(booted: Machine) -> Iterator[Machine]:
    """With the daemon started, and stopped afterwards."""
    booted.run("systemctl", "reset-failed")
    start(booted)
    yield booted
    booted.run("systemctl", "stop", UNIT)


def start(booted: Machine, unit: str = UNIT) -> None:
    booted.run("systemctl", "start", unit, check=False)  # returns when it is READY
    assert show(booted, "ActiveState", unit=unit) == ("active",), booted.run("journalctl", "-u", unit, "-n", "30")


def show(booted: Machine, *names: str, unit: str = UNIT) -> tuple[str, ...]:
    lines = booted.run("systemctl", "show", f"--property={','.join(names)}", unit).splitlines()
    found = dict(line.split("=", 1) for line in lines)
    return tuple(found[name] for name in names)


def until(done: Callable[[], object], told: Callable[[], object]) -> None:
    deadline = time.monotonic() + SETTLE_S
    while not done():
        assert time.monotonic() < deadline, told()
        time.sleep(0.1)


def until_open(booted: Machine, also: str = "", unit: str = UNIT) -> None:
    def log() -> str:
        return str(show(booted, "StatusText", unit=unit)) + booted.run("journalctl", "-u", unit, "-n", "30")

    until(lambda: show(booted, "StatusText", unit=unit)[0].startswith(f"OPEN 7/7 sessions, {also}"), log)


def test_it_starts_and_tells_its_status(service: Machine) -> None:
    assert show(service, "ActiveState", "SubState") == ("active", "running")
    until_open(service)
    (words,) = show(service, "StatusText")
    assert re.fullmatch(r"OPEN 7/7 sessions, 0 open orders, (in the window|window in (\d+ h )?\d+ m)", words)
    assert "7/7" in service.run("systemctl", "status", "--no-pager", UNIT)


def test_credentials_come_from_systemd_and_are_nobody_elses(service: Machine) -> None:
    until_open(service)  # nobody logs on without them
    (pid,) = show(service, "MainPID")
    environ = service.run("cat", f"/proc/{pid}/environ")
    assert f"CREDENTIALS_DIRECTORY=/run/credentials/{UNIT}" in environ and "secret-of" not in environ
    assert service.run("cat", f"/run/credentials/{UNIT}/main-1.key") == "secret-of-main-1.key"
    steal = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "cat"]
    assert service.run(*steal, f"/run/credentials/{UNIT}/main-1.key", check=False) == ""
    assert service.run(*steal, "/etc/primefixd/credentials/main-1.key", check=False) == ""


def test_it_runs_hardened_and_as_its_own_user(service: Machine) -> None:
    (pid,) = show(service, "MainPID")
    found = dict(line.split(":\t", 1) for line in service.run("cat", f"/proc/{pid}/status").splitlines())
    assert found["Uid"].split() == [service.run("id", "-u", "primefixd").strip()] * 4 != ["0"] * 4
    assert (found["Seccomp"], found["NoNewPrivs"], found["CapEff"]) == ("2", "1", "0" * 16)
    assert re.search(r"^Max core file size +0 +0 ", service.run("cat", f"/proc/{pid}/limits"), re.M)


def test_clients_on_the_unix_socket_are_known_by_their_user_id(service: Machine) -> None:
    until_open(service)
    service.run(*AS_CLIENT, *RESTING.split(), "mine")
    until_open(service, "1 open order,")
    service.run(*AS_CLIENT, "cancel", "mine")
    until_open(service, "0 open orders,")


def test_the_journal_has_its_lines_as_json_with_priority(service: Machine) -> None:
    service.run(
        "env", "PRIMEFIXD_TOKEN=a-wrong-one", "primefixd", "status", "--url", "ws://127.0.0.1:8417", check=False
    )
    lines = service.run("journalctl", "-u", UNIT, "-o", "json").splitlines()
    said = [entry for entry in map(json.loads, lines) if entry["MESSAGE"].startswith("{")]
    told = {json.loads(entry["MESSAGE"])["event"]: entry["PRIORITY"] for entry in said}
    assert (told["started"], told["client_refused"]) == ("6", "4")


def test_what_it_keeps_only_it_can_read(service: Machine) -> None:
    until_open(service)
    assert "journal" in service.run("ls", "-R", "/var/lib/primefixd")
    found = service.run("find", "/var/lib/primefixd", "-printf", "%y %m %u %p\\n").splitlines()
    assert found[0] == "d 700 primefixd /var/lib/primefixd"
    assert all(line.startswith(("d 700 primefixd ", "f 600 primefixd ")) for line in found), found
    assert service.run("stat", "-c", "%a %U", "/run/primefixd").split() == ["750", "primefixd"]


def test_a_daemon_that_hangs_is_ended_and_the_next_one_knows_its_orders(service: Machine) -> None:
    until_open(service)
    service.run(*AS_CLIENT, *RESTING.split(), "kept")
    until_open(service, "1 open order,")
    (before,) = show(service, "MainPID")
    service.run("kill", "-STOP", before)
    until(lambda: show(service, "NRestarts") == ("1",), lambda: show(service, "NRestarts", "SubState"))
    until_open(service, "1 open order,")
    assert show(service, "MainPID") != (before,)
    assert "Watchdog timeout" in service.run("journalctl", "-u", UNIT, "-o", "cat")
    service.run(*AS_CLIENT, "cancel", "kept")
    until_open(service, "0 open orders,")


def test_a_daemon_that_does_well_outlives_its_watchdog(service: Machine) -> None:
    (before,) = show(service, "MainPID")
    first = fed(service)
    until(lambda: fed(service) - first > 4_000_000, lambda: show(service, "SubState"))
    assert show(service, "MainPID", "NRestarts") == (before, "0")


def fed(service: Machine) -> int:
    """When the watchdog was last fed, in microseconds."""
    return int(show(service, "WatchdogTimestampMonotonic")[0])


def test_a_reload_is_followed_by_the_same_process(service: Machine) -> None:
    until_open(service)
    (before,) = show(service, "MainPID")
    file = "/etc/primefixd/primefixd.yaml"
    for change, event in (("echo 'wrong: 1' >> ", "reload_refused"), ("sed -i '/^wrong: 1$/d' ", "reloaded")):
        service.run("sh", "-c", f"{change}{file}")
        service.run("systemctl", "reload", UNIT)
        until(lambda: f'"{event}"' in log(service), lambda: log(service))  # noqa: B023
        assert show(service, "ActiveState", "SubState", "MainPID", "NRestarts") == ("active", "running", before, "0")
    until_open(service)


def log(booted: Machine) -> str:
    """What the daemon has said since its last start."""
    (invocation,) = show(booted, "InvocationID")
    return booted.run("journalctl", f"_SYSTEMD_INVOCATION_ID={invocation}", "-o", "cat")


def test_a_stop_is_orderly(service: Machine) -> None:
    until_open(service)
    service.run("systemctl", "stop", UNIT)
    assert show(service, "ActiveState", "Result", "ExecMainStatus") == ("inactive", "success", "0")
    log = service.run("journalctl", "-u", UNIT, "-o", "cat")
    assert '"stopped"' in log


def test_a_wrong_configuration_is_not_tried_again(booted: Machine) -> None:
    booted.run(
        "sh", "-c", "cp -a /etc/primefixd/primefixd.yaml /root/ && echo 'wrong: 1' >> /etc/primefixd/primefixd.yaml"
    )
    try:
        booted.run("systemctl", "reset-failed")
        booted.run("systemctl", "start", UNIT, check=False)
        assert show(booted, "ActiveState", "ExecMainStatus", "NRestarts") == ("failed", "78", "0")
    finally:
        booted.run("mv", "/root/primefixd.yaml", "/etc/primefixd/")


def test_an_instance_has_a_user_folders_and_encrypted_credentials_of_its_own(booted: Machine) -> None:
    unit = "primefixd@blue.service"
    booted.run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "primefixd-blue")
    install(booted, "/etc/primefixd/blue", 8418, "/run/primefixd-blue/control.sock")
    encrypt(booted, "/etc/primefixd/blue/credentials", unit)
    start(booted, unit)
    until_open(booted, unit=unit)
    assert booted.run("stat", "-c", "%a %U", "/var/lib/primefixd-blue").split() == ["700", "primefixd-blue"]
    booted.run("systemctl", "stop", unit)
    assert show(booted, "Result", "ExecMainStatus", unit=unit) == ("success", "0")
