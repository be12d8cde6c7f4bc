"""A backend over TLS: a certificate that nobody vouches for gets neither the key nor a prompt."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reference_node.backend import Trouble

from .conftest import KEY, Watch, ask, collect
from .server import Server


def certificate(folder: Path, address: str) -> Path:
    """A self-signed certificate and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "backend")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    path = folder / f"{address}.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM) + key.private_bytes(serialization.Encoding.PEM, form, plain)
    )
    return path


@pytest.mark.parametrize(("address", "vouched"), [("127.0.0.1", False), ("127.0.0.9", True), ("127.0.0.1", True)])
async def test_only_a_certificate_that_is_vouched_for_and_of_the_host_is_taken(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, address: str, vouched: bool
) -> None:
    file = certificate(tmp_path, address)
    server = Server()
    server.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.tls.load_cert_chain(file)
    await server.start()
    if vouched:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))  # the system's own way to trust one more
    watched = await watch(backend=server.url.replace("http:", "https:"))
    if vouched and address == "127.0.0.1":
        await collect(await watched.model(), ask())
        assert server.asked[0].headers["authorization"] == f"Bearer {KEY}"
    else:
        assert await watched.down() == Trouble.UNTRUSTED.value
        assert server.asked == []
    await server.stop()
