"""Certificates are made once, are good for the host, and are kept to their owner."""

import ssl
import stat
from pathlib import Path

from primefixd.sandbox.certificates import make_certificates, server_tls


def test_made_once_and_only_readable_by_the_owner(tmp_path: Path) -> None:
    made = make_certificates(tmp_path / "state", "localhost")
    contents = [path.read_bytes() for path in (made.ca_file, made.cert_chain_file, made.key_file)]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in (tmp_path / "state").iterdir())
    again = make_certificates(tmp_path / "state", "localhost")
    assert contents == [path.read_bytes() for path in (again.ca_file, again.cert_chain_file, again.key_file)]
    assert server_tls(made).minimum_version == ssl.TLSVersion.TLSv1_2


def test_made_anew_for_another_host_or_when_damaged(tmp_path: Path) -> None:
    first = make_certificates(tmp_path, "127.0.0.1").ca_file.read_bytes()
    second = make_certificates(tmp_path, "venue.test").ca_file.read_bytes()
    assert second != first
    (tmp_path / "sandbox-chain.pem").write_text("junk")
    assert make_certificates(tmp_path, "venue.test").ca_file.read_bytes() != second
