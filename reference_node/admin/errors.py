"""The errors of the admin API, in one shape: ``{"error": {"code", "message", "param"}}``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Mapping


class AdminError(Exception):
    """An answer that is an error: ``code`` for programs, ``message`` says what to do, ``param`` where it lies."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = dict(headers or {})

    def response(self) -> JSONResponse:
        """The answer."""
        error = {"code": self.code, "message": self.message, "param": self.param}
        return JSONResponse({"error": error}, status_code=self.status, headers=self.headers)


class ErrorDetail(BaseModel):
    """Why a request was refused."""

    code: str = Field(description="For programs; does not change.")
    message: str = Field(description="For people: what is wrong and what to do.")
    param: str | None = Field(description="The part of the request that is wrong, where there is one.")


class ErrorBody(BaseModel):
    """The body of every answer with a status of 400 and more."""

    error: ErrorDetail
