"""Encrypted connections, with certificates made here: whom we trust, who we are, and files that are no certificates."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fhirtrial.cli import main
from fhirtrial.errors import UsageError
from fhirtrial.server import errors
from fhirtrial.server.connection import Connection
from fhirtrial.server.retry import Retry
from tests.server.tools import Exchange, Server, client, serving

PLACE = {"resourceType": "Location", "id": "a"}
PEM = serialization.Encoding.PEM
PLAIN = serialization.NoEncryption()


class Authority:
    """Makes certificates, in files of a folder: ``ca.pem`` is its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        certificate = self._signed(self.name, self.key.public_key(), authority=True)
        self.own = folder / "ca.pem"
        self.own.write_bytes(certificate.public_bytes(PEM))

    def made(self, name: str, *, encryption: Any = PLAIN) -> tuple[Path, Path]:
        """The files of a certificate for this machine, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate, private = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(self._signed(subject, key.public_key()).public_bytes(PEM))
        private.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, encryption))
        return certificate, private

    def _signed(self, subject: x509.Name, key: Any, *, authority: bool = False) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .add_extension(address, critical=False)
            .sign(self.key, hashes.SHA256())
        )


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """One that nobody knows yet."""
    return Authority(tmp_path)


def answer(exchange: Exchange) -> None:
    """A server with one location, and nothing to find."""
    found = PLACE if exchange.seen.path.endswith("/Location/a") else {"resourceType": "Bundle", "type": "searchset"}
    exchange.answer(200, found)


@pytest.fixture
def https(authority: Authority) -> Iterator[Server]:
    """A server that the authority vouches for, and that wants to know who asks."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.made("server"))
    context.load_verify_locations(authority.own)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(answer, tls=context) as server:
        yield server


def read(server: Server, **options: Any) -> Any:
    """What a client with these options gets."""
    connection = Connection(environment={}, **options)
    with client(server.base, connection=connection, retry=Retry(attempts=1)) as one:
        return one.read("Location", "a")


def test_a_server_is_trusted_by_its_authority_alone(authority: Authority, https: Server) -> None:
    """With the authority's certificate and our own a server is reached; without either nothing is asked of it."""
    certificate, key = authority.made("client")
    own = {"certificate": certificate, "certificate_key": key}
    assert read(https, ca_bundle=authority.own, **own) == PLACE
    both = authority.folder / "both.pem"
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    assert read(https, ca_bundle=authority.own, certificate=both) == PLACE
    assert len(https.seen) == 2

    with pytest.raises(errors.Unreachable, match=rf"the certificate of {https.url} is not accepted: "):
        read(https, **own)
    with pytest.raises(errors.Unreachable, match=rf"the (encrypted )?connection to {https.url} (failed|was lost)"):
        read(https, ca_bundle=authority.own)
    assert len(https.seen) == 2


def test_a_certificate_for_another_host(authority: Authority, https: Server) -> None:
    """A certificate that is trusted, but not for this host, is not accepted."""
    own = dict(zip(("certificate", "certificate_key"), authority.made("client"), strict=True))
    https.url = https.url.replace("127.0.0.1", "localhost")
    with pytest.raises(errors.Unreachable, match=rf"the certificate of {https.url} is not accepted: [Hh]ostname"):
        read(https, ca_bundle=authority.own, **own)
    assert https.seen == []


@pytest.mark.parametrize("way", ["options", "environment"])
def test_the_command_line_takes_certificates(authority: Authority, https: Server, way: str) -> None:
    """Options, and the variables that they name, give the same connection."""
    certificate, key = map(str, authority.made("client"))
    given = {"ca_bundle": str(authority.own), "client_certificate": certificate, "client_key": key}
    command, environment = ["restore", "--server", https.base, "--all", "--attempts", "1"], {}
    for name, value in given.items():
        if way == "options":
            command += [f"--{name.replace('_', '-')}", value]
        else:
            environment[f"FHIRTRIAL_{name.upper()}"] = value
    done = CliRunner().invoke(main, command, env=environment)
    assert (done.exit_code, done.stderr) == (0, "0 records, 0 refused\n")
    assert [seen.path.partition("?")[0] for seen in https.seen] == ["/fhir/ResearchStudy"]

    done = CliRunner().invoke(main, ["restore", "--server", https.base, "--all", "--attempts", "1"])
    assert done.exit_code == 3
    assert f"the certificate of {https.url} is not accepted: " in done.stderr


def test_connection_options(authority: Authority) -> None:
    """Certificates are given as files, and checked always."""
    file = authority.own
    certificate, key = authority.made("client")

    def bare(**options: Any) -> Connection:
        return Connection(environment={}, **options)

    assert bare().verify is True
    assert bare(ca_bundle=file).verify == str(file)
    assert bare(ca_bundle=file.parent).verify == str(file.parent)
    assert Connection(environment={"SSL_CERT_FILE": "/x.pem"}).verify == "/x.pem"
    assert Connection(environment={"SSL_CERT_FILE": "/x.pem"}, ca_bundle=file).verify == str(file)
    assert bare(certificate=certificate, certificate_key=key).cert == (str(certificate), str(key))


def test_files_that_are_no_certificates(authority: Authority) -> None:
    """What is not there, is something else or is locked is said of the file, at once, and nobody is asked for words."""
    folder = authority.folder
    certificate, _ = authority.made("client")
    _, other = authority.made("other")
    locked = authority.made("locked", encryption=serialization.BestAvailableEncryption(b"hushhush"))
    text = folder / "text"
    text.write_text("hello")
    no_pair = "not a certificate in PEM with its key, which is not encrypted"
    said: list[tuple[dict[str, Any], str]] = [
        ({"ca_bundle": "/no/such.pem"}, "CA bundle /no/such.pem: there is no such file"),
        ({"ca_bundle": text}, f"CA bundle {text}: no certificate in PEM is in it"),
        ({"certificate": "no.pem"}, "client certificate no.pem: there is no such file"),
        (
            {"certificate": certificate, "certificate_key": "no.key"},
            "key of the client certificate no.key: there is no such file",
        ),
        ({"certificate_key": other}, "a client certificate's key is given, but no certificate"),
        ({"certificate": certificate}, f"client certificate {certificate}: {no_pair}"),
        (
            {"certificate": certificate, "certificate_key": other},
            f"client certificate {certificate} with the key {other}: {no_pair}",
        ),
        (
            {"certificate": locked[0], "certificate_key": locked[1]},
            f"client certificate {locked[0]} with the key {locked[1]}: {no_pair}",
        ),
    ]
    for options, message in said:
        with pytest.raises(UsageError) as caught:
            Connection(environment={}, **options)
        assert str(caught.value) == message


def test_a_password_in_a_proxy() -> None:
    """A proxy's password is a Secret, so that it is not shown."""
    with pytest.raises(UsageError, match=r"^there is a password in the proxy's URL: give it as a Secret") as caught:
        Connection(environment={}, proxy="http://me:hushhush@proxy:3128")
    assert "hushhush" not in str(caught.value)
