"""`fetch-certificate` and `check --connect` against real TLS servers: chain, names, expiry, version, and refusals."""

import json
import os
import re
import shutil
import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from primefixd.cli import certificates

PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
NOW = datetime.now(UTC)
CONFIG = """venue: {{host: {host}, port: {port}, ca_file: ca.pem, server_name: {name}}}
portfolios:
  - name: main
    portfolio_id: p
    risk: none
    sessions:
      - {{name: s, service_account_id: a, api_key: {{value: k}}, api_secret: {{value: x}}, passphrase: {{value: y}}}}
"""

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl is not installed; Debian's package is openssl"
)


class Server:
    """A TLS server on the loopback whose certificate an intermediate authority has issued; it answers nothing."""

    def __init__(self, *names, days=90.5, tls=ssl.TLSVersion.TLSv1_3, plain=None):
        self.root = trustme.CA(organization_name="root of the test")
        validity = {"not_before": NOW - timedelta(days=400), "not_after": NOW + timedelta(days=days)}
        leaf = self.root.create_child_ca().issue_cert(*names or ("localhost",), **validity)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.maximum_version = tls
        self._tls.sni_callback = lambda _, name, __: self.asked.append(name)
        self.asked = []
        self.then = None  # TLS of the connections after the first
        if tls < ssl.TLSVersion.TLSv1_2:
            self._tls.minimum_version = tls
            self._tls.set_ciphers("ALL:@SECLEVEL=0")
        leaf.configure_cert(self._tls)
        self.sent = [ssl.PEM_cert_to_DER_cert(pem.bytes().decode()) for pem in leaf.cert_chain_pems]
        self.received = b""
        self.accepted = 0
        self._plain = plain
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self):
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                connection.settimeout(15)
                self.accepted += 1
                with suppress(OSError), connection:
                    self._talk(connection)

    def _talk(self, connection):
        if self._plain is not None:
            connection.sendall(self._plain)
            connection.recv(1000)
            return
        tls = self.then if self.then and self.accepted > 1 else self._tls
        with tls.wrap_socket(connection, server_side=True) as stream:
            while got := stream.recv(1000):
                self.received += got
                if b"\x0135=A\x01" in self.received:
                    return  # a venue may hang up on a Logon that it refuses

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(15)


@pytest.fixture
def serve():
    servers = []

    def start(*names, **rest):
        servers.append(Server(*names, **rest))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def checked(primefixd, tmp_path):
    def check(server, *options, name="localhost", host="127.0.0.1", ca=None, **rest):
        (ca or server.root).cert_pem.write_to_path(tmp_path / "ca.pem")
        (tmp_path / "c.yaml").write_text(CONFIG.format(host=host, port=server.port, name=name))
        (tmp_path / "c.yaml").chmod(0o600)
        return primefixd("check", "--config", "c.yaml", "--connect", *options, **rest)

    return check


def document(done):
    told = json.loads(done.stdout)
    assert told["valid"] and told["problems"] == []
    return told, told["connection"]


def without_openssl(folder):
    (folder / "bin").mkdir()
    return {"PATH": str(folder / "bin")}


# fetch-certificate


@needs_openssl
def test_the_chain_comes_as_pem_with_a_summary_beside_it(primefixd, serve):
    server = serve("localhost", "prime.example")
    done = primefixd("fetch-certificate", f"localhost:{server.port}")
    assert done.returncode == 0
    assert [ssl.PEM_cert_to_DER_cert(pem) for pem in PEM.findall(done.stdout)] == server.sent
    assert PEM.sub("", done.stdout).strip() == ""
    first, second = done.stderr.splitlines()
    expiry = NOW + timedelta(days=90.5)
    assert first.startswith("certificate 1: ") and f"expires {expiry:%Y-%m-%d %H:%M} UTC" in first
    assert "for localhost, prime.example; issued by " in first and second.startswith("certificate 2: ")
    assert x509.load_der_x509_certificate(server.sent[0]).fingerprint(SHA256()).hex() in first
    assert server.received == b""


@needs_openssl
def test_the_server_is_asked_for_by_its_name_where_it_has_one(primefixd, checked, serve):
    server = serve()
    for host in ("localhost", "127.0.0.1"):
        assert primefixd("fetch-certificate", f"{host}:{server.port}").returncode == 0
    assert checked(server).returncode == 0
    assert server.asked == ["localhost", None, *["localhost"] * 3]


@needs_openssl
def test_the_sandbox_shows_its_own(primefixd, rig, tmp_path):
    done = primefixd("fetch-certificate", rig.told["venue"])
    assert done.returncode == 0 and "for localhost" in done.stderr.replace("127.0.0.1, ", "")
    (tmp_path / "venue.pem").write_text(done.stdout)
    assert ssl.create_default_context(cafile=tmp_path / "venue.pem")


@needs_openssl
def test_an_expired_chain_is_fetched_all_the_same(primefixd, serve):
    assert primefixd("fetch-certificate", f"127.0.0.1:{serve(days=-1).port}").stdout.count("BEGIN") == 2


@needs_openssl
def test_what_is_no_tls_server_is_one_sentence(primefixd, serve):
    closed = socket.create_server(("127.0.0.1", 0))
    places = [f"127.0.0.1:{serve(plain=b'220 mail').port}", f"127.0.0.1:{closed.getsockname()[1]}", "no.invalid:1"]
    closed.close()
    for place, why in zip(places, ("wrong version number", "Connection refused", "no.invalid:1"), strict=True):
        done = primefixd("fetch-certificate", place)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"{place} sent no certificate: ") and why in done.stderr
        assert done.stderr.count("\n") == 1 and "system lib" not in done.stderr
    assert primefixd("fetch-certificate", "[::1]:1").stderr.startswith("[::1]:1 sent no certificate: ")


@pytest.mark.parametrize("place", ["localhost", "localhost:0", "localhost:65536", ":1", "-help:1", "a b:1", "a\n:1"])
def test_what_is_no_place_is_wrong_usage(primefixd, place):
    done = primefixd("fetch-certificate", "--", place)
    assert (done.returncode, done.stdout) == (2, "") and "no HOST:PORT" in done.stderr


def test_without_openssl_it_says_what_to_install(primefixd, serve, tmp_path):
    done = primefixd("fetch-certificate", f"localhost:{serve().port}", env=without_openssl(tmp_path))
    assert (done.returncode, done.stdout) == (1, "") and "openssl, which is not installed" in done.stderr


def test_an_openssl_that_hangs_is_ended(monkeypatch, tmp_path):
    monkeypatch.setattr(certificates, "FETCH_S", 0.2)
    monkeypatch.setenv("PATH", without_openssl(tmp_path)["PATH"])
    sleep, sh = (shutil.which(name, path=os.defpath) for name in ("sleep", "sh"))
    program = tmp_path / "bin" / "openssl"
    program.write_text(f"#!{sh}\nexec {sleep} 60\n")
    program.chmod(0o700)
    with pytest.raises(certificates.NoChain, match="sent no certificate within"):
        certificates.fetch("localhost", 1)


# check --connect


@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
@needs_openssl
def test_a_good_venue_is_described(checked, serve, version):
    server = serve(tls=ssl.TLSVersion[version.replace(".", "_")])
    told, connection = document(checked(server, "--json"))
    assert (connection["tls_version"], connection["host_verified"], connection["refusal"]) == (version, True, None)
    assert connection["cipher"] and connection["venue"] == f"127.0.0.1:{server.port}"
    assert [each["names"] for each in connection["chain"]] == [["localhost"], []]
    assert connection["chain"][0]["expires_in_days"] == 90
    assert connection["clock_offset_ms"] is None
    assert not [warning for warning in told["warnings"] if "expire" in warning]


@needs_openssl
def test_people_read_the_same(checked, serve):
    done = checked(serve())
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[0].startswith("configuration is valid: 1 portfolio")
    assert [line.split("  ")[0] for line in lines[1:]] == [
        *("venue", "TLS", "host name", "certificate 1", "certificate 2", "clock offset")
    ]
    assert "localhost, verified" in done.stdout and "expires in 90 d" in done.stdout
    assert "without a word" in lines[-1]


@needs_openssl
def test_a_chain_of_another_connection_is_not_taken_for_this_one(checked, serve):
    server = serve()
    server.then = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.root.issue_cert("localhost").configure_cert(server.then)
    told, connection = document(checked(server, "--json"))
    fingerprint = x509.load_der_x509_certificate(server.sent[0]).fingerprint(SHA256()).hex()
    assert [each["sha256"] for each in connection["chain"]] == [fingerprint]
    assert any("different certificates" in warning for warning in told["warnings"])


def test_a_venue_that_is_not_trusted_hears_nothing_and_is_said_to_have_told_nothing(checked, serve):
    server = serve(days=-1)
    done = checked(server)
    assert done.returncode == 1 and server.received == b"" and "clock offset" not in done.stdout


@needs_openssl
def test_nobody_is_logged_on_the_venue_hears_no_credential(checked, serve):
    server = serve()
    assert checked(server).returncode == 0
    assert server.received.count(b"\x0135=A\x01") == 1 and server.accepted == 3
    assert not [tag for tag in (b"96=", b"554=", b"9407=") if b"\x01" + tag in server.received]


def test_the_clock_is_told_and_no_session_of_a_running_daemon_is_disturbed(rig):
    before = rig.json("sessions")["sessions"]
    done = rig.check("--connect", "--json")
    assert done.returncode == 0, done.stderr
    assert abs(json.loads(done.stdout)["connection"]["clock_offset_ms"]) < 4000
    after = rig.json("sessions")["sessions"]
    assert [(s["state"], s["since"]) for s in after] == [(s["state"], s["since"]) for s in before]


@pytest.mark.parametrize(("days", "warned"), [(20.99, True), (0.5, True), (21.1, False)])
def test_an_expiry_in_21_days_is_a_warning(checked, serve, days, warned):
    done = checked(serve(days=days), "--json")
    told, connection = document(done)
    assert done.returncode == 0 and connection["refusal"] is None
    assert any("the certificate" in warning and "expires" in warning for warning in told["warnings"]) is warned


@needs_openssl
def test_an_expired_certificate_is_a_refusal_that_still_shows_the_chain(checked, serve):
    done = checked(serve(days=-3), "--json")
    _, connection = document(done)
    assert done.returncode == 1
    assert "certificate has expired" in connection["refusal"] and connection["refusal"] in done.stderr
    assert connection["host_verified"] is None and connection["chain"][0]["expires_in_days"] < 0
    text = checked(serve(days=-3))
    assert text.returncode == 1 and f"expired on {NOW - timedelta(days=3):%Y-%m-%d}" in text.stdout


def test_a_certificate_for_another_name_is_refused(checked, serve):
    done = checked(serve(), "--json", name="prime.example")
    _, connection = document(done)
    assert done.returncode == 1 and connection["host_verified"] is False
    assert "prime.example" in connection["refusal"]
    assert document(checked(serve(), "--json", name="127.0.0.1"))[1]["host_verified"] is False
    assert "prime.example, not in the certificate" in checked(serve(), name="prime.example").stdout


@needs_openssl
def test_an_authority_that_is_not_ours_is_refused(checked, serve):
    done = checked(serve(), "--json", ca=trustme.CA())
    _, connection = document(done)
    assert (
        done.returncode == 1 and "local issuer certificate" in connection["refusal"] and len(connection["chain"]) == 2
    )


def test_old_tls_is_refused(checked, serve):
    with pytest.warns(DeprecationWarning):
        server = serve(tls=ssl.TLSVersion.TLSv1_1)
    done = checked(server)
    assert done.returncode == 1 and "TLS 1.2 or newer" in done.stderr and "Traceback" not in done.stderr


def test_what_is_not_there_or_speaks_no_tls_is_refused_in_words(checked, serve):
    server = serve(plain=b"220 mail\r\n")
    done = checked(server)
    assert done.returncode == 1 and "TLS" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    told = document(checked(Gone(server), "--json"))[1]
    assert told["refusal"] == "cannot connect to 127.0.0.1:1: Connection refused" and told["chain"] == []


class Gone:
    """The same authority, and a port where nobody listens."""

    def __init__(self, server):
        self.root, self.port = server.root, 1


def test_without_openssl_the_venues_own_certificate_is_shown(checked, serve, tmp_path):
    told, connection = document(checked(serve(), "--json", env=without_openssl(tmp_path)))
    assert len(connection["chain"]) == 1 and connection["host_verified"] is True
    assert any("the whole chain is not shown" in warning for warning in told["warnings"])


def test_a_wrong_configuration_is_told_before_anything_is_opened(primefixd, serve, tmp_path):
    server = serve()
    (tmp_path / "c.yaml").write_text(CONFIG.format(host="127.0.0.1", port=server.port, name="localhost") + "x: 1\n")
    assert primefixd("check", "--config", "c.yaml", "--connect").returncode == 78
    assert server.accepted == 0


def test_a_stunnel_is_said_to_be_one(checked, serve, tmp_path, primefixd):
    text = CONFIG.format(host="127.0.0.1", port=serve(plain=b"").port, name="localhost").replace(
        "ca_file: ca.pem", "tls: false"
    )
    (tmp_path / "c.yaml").write_text(text)
    (tmp_path / "c.yaml").chmod(0o600)
    done = primefixd("check", "--config", "c.yaml", "--connect")
    assert done.returncode == 0 and "the stunnel at that address verifies the venue" in done.stdout


def test_the_sandbox_is_checked_as_its_daemon_would(rig, primefixd):
    done = primefixd("check", "--config", rig.config, "--connect", "--json", env=dict(os.environ))
    _, connection = document(done)
    assert done.returncode == 0 and connection["tls_version"] == "TLSv1.3" and connection["host_verified"] is True
    assert all(session["state"] == "ACTIVE" for session in rig.json("sessions")["sessions"])
