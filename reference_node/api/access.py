"""Who asks: this node's owner, or the holder of a key with limits of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from .. import log
from ..apikeys import KeyStoreError, LimitError
from .errors import PERMISSION, RATE, SERVER, ApiError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.requests import HTTPConnection

    from ..apikeys import KeyUse
    from ..generation import ModelInfo


_log = logging.getLogger(__name__)


class Account(Protocol):
    """Whoever asks, for the time of one request."""

    owner: bytes | None
    """Whose requests share what an engine keeps of prompts; None: those of this node's owner."""
    trusted: bool
    """Whether it may see whom this node is connected with, and its figures."""

    def begin(self) -> None:
        """A request for a model. Raises `ApiError` 429."""

    def may_use(self, info: ModelInfo) -> bool:
        """Whether the model is for this account."""

    def reserve(self, tokens: int) -> int:
        """How many tokens an answer of at most ``tokens`` may have. Raises `ApiError` 429."""

    def spend(self, tokens: int) -> None:
        """Tokens were read or made."""

    def end(self) -> None:
        """The request is over."""


class OwnerAccount:
    """This node's owner, whom nothing limits; or, where no key is needed, everybody on this machine."""

    owner: bytes | None = None

    def __init__(self, *, trusted: bool = True) -> None:
        self.trusted = trusted

    def begin(self) -> None:
        """See `Account`."""

    def may_use(self, _info: ModelInfo) -> bool:
        """See `Account`."""
        return True

    def reserve(self, tokens: int) -> int:
        """See `Account`."""
        return tokens

    def spend(self, tokens: int) -> None:
        """See `Account`."""

    def end(self) -> None:
        """See `Account`."""


class KeyAccount:
    """The holder of a key."""

    trusted = False

    def __init__(self, use: KeyUse) -> None:
        self._use = use
        self.owner: bytes | None = b"key:" + use.key.id.encode()

    def begin(self) -> None:
        """See `Account`."""
        try:
            self._use.begin()
        except LimitError as error:
            raise _limited(error) from None
        except KeyStoreError as error:
            raise unusable(error) from None

    def may_use(self, info: ModelInfo) -> bool:
        """See `Account`."""
        models = self._use.key.limits.models
        return not models or info.id in models

    def reserve(self, tokens: int) -> int:
        """See `Account`."""
        try:
            return self._use.reserve(tokens)
        except LimitError as error:
            raise _limited(error) from None
        except KeyStoreError as error:
            raise unusable(error) from None

    def spend(self, tokens: int) -> None:
        """See `Account`."""
        self._use.spend(tokens)

    def end(self) -> None:
        """See `Account`."""
        try:
            self._use.end()
        except KeyStoreError as error:  # the answer is out; this node still counts it while it runs
            unusable(error)


def unusable(error: Exception) -> ApiError:
    """The refusal where keys cannot be read or counted, which is logged."""
    log.event(_log, logging.ERROR, "keys.unusable", message=str(error))
    message = "This node cannot use its keys; its log says why."
    return ApiError(503, message, kind=SERVER, code="keys_unusable")


def _limited(error: LimitError) -> ApiError:
    return ApiError(429, error.message, kind=RATE, code="rate_limit_exceeded", retry_after=error.retry_after)


def account_of(connection: HTTPConnection) -> Account:
    """Who was let in by the gate."""
    account: Account = connection.scope["state"]["account"]
    return account


def forbidden(model_id: str) -> ApiError:
    """The refusal of a model that the key is not for."""
    message = f"This key may not use the model '{model_id}'. GET /v1/models lists those that it may."
    return ApiError(403, message, kind=PERMISSION, code="model_not_allowed", param="model")


def usable(account: Account, infos: Iterable[ModelInfo]) -> list[ModelInfo]:
    """The models that an account may use."""
    return [info for info in infos if account.may_use(info)]
