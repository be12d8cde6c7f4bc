"""The values of settings: what they are, and how a user writes them."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mycellm_proto.nodeid import decode_node_id, encode_node_id

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_MODEL = "smollm2-135m-instruct"
DEFAULT_EMBEDDING_MODEL = "all-minilm-l6-v2"
DEFAULT_MODELS = (DEFAULT_MODEL, DEFAULT_EMBEDDING_MODEL)
DEFAULT_HOME = Path("~/.mycellm")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A host and a port; port 0 asks for any free one."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it. A name other than localhost is taken for a public one."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAddress:
    """A peer to stay connected with: the node id (32 bytes) that it must prove, and where it listens."""

    node_id: bytes
    address: Address

    def __str__(self) -> str:
        return f"{encode_node_id(self.node_id)}@{self.address}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may use this node over QUIC: anyone, or the named node ids (32 bytes each) only."""

    anyone: bool
    node_ids: frozenset[bytes]

    def permits(self, node_id: bytes) -> bool:
        """Whether requests of the peer with that proven id are served."""
        return self.anyone or node_id in self.node_ids

    def __str__(self) -> str:
        if self.anyone:
            return "any node"
        return ", ".join(sorted(map(encode_node_id, self.node_ids))) or "no other node"


def parse_address(text: str) -> Address:
    """``HOST:PORT``, an IPv6 address in brackets. Raises `ValueError`."""
    host, separator, port = text.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    host = host[1:-1] if bracketed else host
    plain = host and not any(c.isspace() or c in "/@[]" for c in host) and (":" in host) == bracketed
    if not separator or not plain or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("write HOST:PORT, such as 127.0.0.1:8420 or [::1]:0")
    return Address(host=host, port=int(port))


def parse_announced(text: str) -> Address:
    """``IP:PORT`` as records carry it. Raises `ValueError`."""
    address = parse_address(text)
    host = ipaddress.ip_address(address.host)  # a name could come to mean another host
    if host.is_unspecified or "%" in address.host or address.port == 0:
        raise ValueError("write an address and a port at which other nodes reach this one, such as 192.0.2.7:7420")
    return address


def parse_peer(text: str) -> PeerAddress:
    """``NODEID@HOST:PORT``. Raises `ValueError`."""
    node_id, separator, address = text.partition("@")
    if not separator:
        raise ValueError("write NODEID@HOST:PORT; `peers probe HOST:PORT` prints the id of a node")
    return PeerAddress(node_id=decode_node_id(node_id), address=parse_address(address))


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendUrl:
    """Where an OpenAI-compatible API is: everything before ``/chat/completions``. It holds no password."""

    scheme: str
    address: Address
    path: str

    def __str__(self) -> str:
        return f"{self.scheme}://{self.address}{self.path}"

    @property
    def keeps_secrets(self) -> bool:
        """Whether a key may go there: nobody on the way can read it."""
        return self.scheme == "https" or self.address.is_loopback


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendModel:
    """A model of the backend by its ``name`` there, and its ``id`` here."""

    name: str
    id: str

    def __str__(self) -> str:
        return self.name if self.name == self.id else f"{self.name}={self.id}"


def parse_backend(text: str) -> BackendUrl | None:
    """``http://HOST:PORT/v1`` or ``https://HOST/v1``, or nothing. Raises `ValueError`."""
    if not text:
        return None
    scheme, separator, rest = text.partition("://")
    host, slash, path = rest.partition("/")
    path = (slash + path).rstrip("/")
    plain = text.isascii() and text.isprintable() and not any(c in "?#\\%@ " for c in text)
    if not separator or scheme not in ("http", "https") or not plain or ".." in path or "//" in path:
        raise ValueError("write http://HOST:PORT/v1 or https://HOST/v1; a key belongs into MYCELLM_BACKEND_KEY")
    ported = re.search(r":\d+$", host) is not None and (not host.startswith("[") or "]:" in host)
    address = parse_address(host if ported else f"{host}:{443 if scheme == 'https' else 80}")
    if address.port == 0:
        raise ValueError("a port is from 1 to 65535")
    return BackendUrl(scheme=scheme, address=address, path=path)


def parse_backend_model(text: str) -> BackendModel:
    """``NAME`` or ``NAME=ID``. Raises `ValueError`."""
    name, separator, model_id = text.rpartition("=")
    if not separator:
        name = model_id
    if not 1 <= len(name) <= 512 or not name.isprintable():
        raise ValueError("write NAME, as the backend lists it, or NAME=ID, where ID is its name here")
    return BackendModel(name=name, id=parse_model(model_id))


def parse_backend_key(text: str) -> str:
    """A key of somebody else's making, or nothing. Raises `ValueError`."""
    if len(text) > 4096 or not text.isascii() or any(not "!" <= c <= "~" for c in text):
        raise ValueError("a key has up to 4096 printable ASCII characters without spaces")
    return text


def parse_node_id(text: str) -> bytes:
    """A node id as people write it. Raises `ValueError`."""
    return decode_node_id(text)


def parse_allowed(text: str) -> bytes | None:
    """A node id, or None for ``any``. Raises `ValueError`."""
    return None if text == "any" else decode_node_id(text)


def parse_path(text: str) -> Path:
    """An absolute path, ``~`` resolved. Raises `ValueError`."""
    if not text:
        raise ValueError("write a directory")
    return Path(text).expanduser().absolute()


def parse_ledger(text: str) -> str:
    """The URL of a database, or nothing. Raises `ValueError`, in which no password is."""
    if text and text.partition(":")[0].partition("+")[0] not in (
        "sqlite",
        "postgresql",
        "postgres",
        "mariadb",
        "mysql",
    ):
        raise ValueError("write sqlite:///FILE, postgresql://USER@HOST/NAME or mariadb://USER@HOST/NAME")
    return text


def without_password(url: str) -> str:
    """``url`` as it may be shown."""
    return re.sub(r"(?<=://)([^/@:]*):[^/]*@", r"\1:***@", url)


def parse_model(text: str) -> str:
    """A model id. Raises `ValueError`."""
    if not 1 <= len(text) <= 128 or any(not c.isprintable() or c.isspace() for c in text):
        raise ValueError("write a model id, such as " + DEFAULT_MODEL)
    return text


def parse_other_model(text: str) -> str:
    """A model id, or nothing. Raises `ValueError`."""
    return parse_model(text) if text else text


def parse_key(text: str) -> str:
    """An API key, or nothing. Raises `ValueError`."""
    if text and (not 16 <= len(text) <= 256 or not text.isascii() or any(not "!" <= c <= "~" for c in text)):
        raise ValueError("a key has 16 to 256 printable ASCII characters without spaces")
    return text


def parse_switch(text: str) -> bool:
    """A yes or a no. Raises `ValueError`."""
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off", ""):
        return False
    raise ValueError("write true or false")


def between(low: int, high: int) -> Callable[[str], int]:
    """The parser of a whole number from ``low`` to ``high``."""

    def parse(text: str) -> int:
        digits = text.replace("_", "")
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 19 and low <= int(digits) <= high):
            raise ValueError(f"write a whole number from {low} to {high}")
        return int(digits)

    return parse


def one_of(*choices: str) -> Callable[[str], str]:
    """The parser of one of ``choices``."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError("write one of " + ", ".join(choices))
        return text

    return parse
