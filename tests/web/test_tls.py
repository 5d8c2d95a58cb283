"""HTTPS: a certificate of one's own, a real server, and what is said where it cannot be."""

import datetime
import ipaddress
import ssl
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from sniffer.errors import ConfigError, DaemonError
from sniffer.testing import ManualClock
from sniffer.web.api import build_app
from sniffer.web.client import Client
from sniffer.web.server import HttpServer, tls_options
from sniffer.web.settings import HttpSettings, TlsSettings


def certificate(folder: Path, name: str = "http", password: bytes | None = None) -> TlsSettings:
    """Made by oneself, as docs/http.md says: for an address, not for a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sniffer")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    found = TlsSettings(certificate=folder / f"{name}.pem", key=folder / f"{name}.key")
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, lock))
    return found


def test_it_is_served_with_the_certificate_and_in_clear_no_more(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    settings = HttpSettings(port=0, tls=tls)
    app = build_app(None, settings, (), ManualClock())  # type: ignore[arg-type]
    server = HttpServer(app, settings.host, settings.port, settings.tls)
    server.start()
    try:
        url = settings.url_at(server.port)
        assert url.startswith("https://127.0.0.1:")
        trusting = ssl.create_default_context(cafile=str(tls.certificate))
        assert httpx.get(f"{url}/-/healthy", verify=trusting).text == "sniffer lives\n"
        for address, words in ((url, "SSL_CERT_FILE"), (url.replace("https", "http"), "https instead of http")):
            with Client(address, "token") as client:
                with pytest.raises(DaemonError, match=words):
                    client.get("/api/v1/stats")
                with pytest.raises(DaemonError, match=words):
                    list(client.events("/api/v1/stream"))
    finally:
        server.stop()


def test_a_certificate_that_cannot_be_used_is_one_line_at_the_start(tmp_path: Path) -> None:
    mine, other = certificate(tmp_path), certificate(tmp_path, "other")
    locked = certificate(tmp_path, "locked", b"secret")
    junk = tmp_path / "junk.pem"
    junk.write_text("no certificate")
    for tls in (
        TlsSettings(certificate=tmp_path / "none.pem", key=mine.key),
        TlsSettings(certificate=mine.certificate, key=tmp_path),
        TlsSettings(certificate=mine.certificate, key=other.key),
        TlsSettings(certificate=junk, key=mine.key),
        locked,
    ):
        with pytest.raises(ConfigError) as caught:
            tls_options(tls)
        assert "\n" not in str(caught.value)
    assert tls_options(None) == {}
