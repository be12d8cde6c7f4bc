"""The running node's HTTP API, asked with the standard library alone."""

from __future__ import annotations

import contextlib
import http.client
import json
from typing import TYPE_CHECKING, Any

from ..config import Address, parse_address
from ..identity import ADMIN_KEY_FILE, stored_admin_key, stored_api_key
from . import runfile
from .arguments import program
from .output import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..config import Settings

CONNECT_TIMEOUT_S = 5.0
"""The node is on this machine or near it."""
MAX_ANSWER_BYTES = 16 << 20
"""Of one answer or one line of a stream."""


class Api:
    """One node's API."""

    def __init__(self, address: Address, key: str | None, timeout_s: float) -> None:
        self.address = address
        self._key = key
        self._timeout_s = timeout_s

    @contextlib.contextmanager
    def request(self, method: str, path: str, body: object = None) -> Iterator[http.client.HTTPResponse]:
        """An answer of any status, open until the block ends. Raises `CommandError` when there is none."""
        connection = http.client.HTTPConnection(self.address.host, self.address.port, timeout=CONNECT_TIMEOUT_S)
        headers = {"content-type": "application/json"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        try:
            connection.connect()
            connection.sock.settimeout(self._timeout_s)
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            yield connection.getresponse()
        except TimeoutError:
            raise CommandError(f"The node at {self.address} did not answer in time.") from None
        except (OSError, http.client.HTTPException):
            raise CommandError(f"The connection to {self.address} failed. {_start_hint()}") from None
        finally:
            connection.close()

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and object of a GET. Raises `CommandError`."""
        with self.request("GET", path) as response:
            return response.status, read_object(response)


class Admin:
    """The admin API of the node that runs with this home, for the commands of its owner."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The object that answers ``method`` on ``path`` (after the prefix). Raises `CommandError` with its error."""
        with self._api.request(method, f"/admin/v1{path}", body) as response:
            answer = read_object(response, or_null=True)
            if response.status >= 400:
                raise CommandError(error_message(response.status, answer))
            return answer


def admin(settings: Settings) -> Admin | None:
    """The admin API of the node that runs with this home; None where none runs. Raises `CommandError`, `HomeError`."""
    running = runfile.find(settings.home)
    if running is None:
        return None
    key = stored_admin_key(settings.home)
    if key is None:
        message = f"{settings.home / ADMIN_KEY_FILE} is not there, so the running node cannot be told. Start it again."
        raise CommandError(message)
    return Admin(Api(_reachable(parse_address(running.api)), key, settings.request_timeout))


def read_object(response: http.client.HTTPResponse, *, or_null: bool = False) -> dict[str, Any]:
    """The JSON object of an answer; with ``or_null`` a null is an empty one. Raises `CommandError`."""
    try:
        value = json.loads(response.read(MAX_ANSWER_BYTES))
    except ValueError:
        value = ""
    if value is None and or_null:
        return {}
    if not isinstance(value, dict):
        raise CommandError("What answers there is not a mycellm node.")
    return value


def error_message(status: int, answer: dict[str, Any]) -> str:
    """The sentence of an error answer."""
    error = answer.get("error")
    if isinstance(error, dict) and isinstance(error.get("message"), str):
        return str(error["message"])
    return f"The node answered with status {status}."


def _start_hint() -> str:
    return f"Start a node with: {program()} serve"


def connect(settings: Settings, address: str | None) -> Api:
    """The API at ``address``, or that of the node that runs with this home. Raises `CommandError`."""
    running = runfile.find(settings.home)
    if address is None and running is None:
        raise CommandError(f"No node runs with {settings.home}. {_start_hint()}")
    text = address if address is not None else running.api if running else ""
    try:
        where = parse_address(text.removeprefix("http://").removesuffix("/").removesuffix("/v1"))
    except ValueError as error:
        raise CommandError(f"--api {text!r}: {error}.", exit_code=2) from None
    own = running is not None and text == running.api  # this home's key goes to this home's node only
    key = settings.api_key or (stored_api_key(settings.home) if own else None)
    return Api(_reachable(where), key, settings.request_timeout)


def _reachable(address: Address) -> Address:
    """Where to connect for a node that listens everywhere."""
    if address.host == "0.0.0.0":  # noqa: S104 - an address to replace, not to bind
        return Address(host="127.0.0.1", port=address.port)
    if address.host == "::":
        return Address(host="::1", port=address.port)
    return address
