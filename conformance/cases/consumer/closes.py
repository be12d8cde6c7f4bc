"""Closes that a consumer must not agree to."""

from __future__ import annotations

import asyncio

from conformance.cases.initiator.common import ASKS
from conformance.finish import CANCELLED, STOP
from conformance.judge.consumer import GivesUp, Presents
from conformance.judge.expect import All
from conformance.script.closing import end_with
from conformance.script.faults import Fault
from conformance.script.serving import INPUT_TOKENS
from conformance.script.session import Session

from .common import SETTLE, add, begin


async def _close_badly(session: Session) -> None:
    """An honest answer of four tokens, and a close that is wrong in one place."""
    request, serving = await begin(session)
    await serving.begin()
    await asyncio.sleep(SETTLE)
    serving.commits(session.fault)
    end_with(session.fault, serving)
    await serving.until_over()
    await serving.side.probe()
    await request.answer()


_BAD = All((GivesUp("BAD_CLOSE"), Presents("failed")))
for _slug, _fault, _requirement, _page in (
    ("not-deterministic", Fault.CLOSE_NOT_DETERMINISTIC, "RCP-024~1", "The keys of the close do not ascend."),
    (
        "of-no-number",
        Fault.CLOSE_OF_NO_NUMBER,
        "RCP-024~1",
        "The total is a float, NaN: it passes every comparison that guards a balance.",
    ),
    ("without-assurance", Fault.CLOSE_MISSING_KEY, "RCP-024~1", "A close that does not say its assurance."),
    ("with-unknown-key", Fault.CLOSE_UNKNOWN_KEY, "RCP-024~1", "A signed map with a key that nobody knows."),
    ("with-unknown-finish", Fault.CLOSE_UNKNOWN_FINISH, "RCP-024~1", "A finish reason that is not registered."),
    ("with-empty-signature", Fault.CLOSE_SIGNATURE_EMPTY, "RCP-026~1", "64 zeros in place of the signature."),
    ("of-another-key", Fault.CLOSE_SIGNED_BY_ANOTHER_KEY, "RCP-026~1", "Another key than the provider's has signed."),
    ("of-another-context", Fault.CLOSE_SIGNED_IN_ANOTHER_CONTEXT, "RCP-026~1",
     "The provider signed these bytes, but as a countersignature."),
    ("cancelled-by-nobody", Fault.CLOSE_CANCELLED_BY_NOBODY, "RCP-027~1",
     "The close says CANCELLED, and nobody has cancelled: a provider may not leave in the consumer's name."),
    ("of-another-open", Fault.CLOSE_OF_ANOTHER_OPEN, "RCP-028~1", "The close names another open."),
    ("of-another-request", Fault.CLOSE_OF_ANOTHER_REQUEST, "RCP-028~1", "The close is of another request."),
    ("of-another-answer", Fault.CLOSE_OF_ANOTHER_ANSWER, "RCP-028~1", "The close commits to another text."),
    ("of-another-model", Fault.CLOSE_OF_ANOTHER_MODEL, "RCP-028~1", "The close names another model's digest."),
    ("with-more-input", Fault.CLOSE_MORE_INPUT, "RCP-028~1", "One input token more than ACCEPT said, and billed."),
    ("with-more-output", Fault.CLOSE_MORE_OUTPUT, "RCP-028~1", "One output token more than came, and billed."),
    ("one-too-dear", Fault.CLOSE_TOTAL_ONE_MORE, "RCP-028~1", "The total is one micro-credit too high."),
    ("one-too-cheap", Fault.CLOSE_TOTAL_ONE_LESS, "RCP-028~1",
     "The total is one micro-credit too low: what cannot be derived is not agreed to, whoever gains."),
    ("with-another-salt", Fault.CLOSE_OTHER_SALT, "RCP-028~1", "END shows another salt than the one committed with."),
    ("of-a-million", Fault.CLOSE_A_MILLION, "RCP-028~1", "Four tokens, and a bill of a million credits."),
):  # fmt: skip
    add(f"reject-close-{_slug}", _requirement, "RCP-045~1", expect=_BAD, fault=_fault, page=_page, script=_close_badly)


async def _close_after_cancel(session: Session) -> None:
    """The consumer has cancelled; go on, and bill it."""
    request, serving = await begin(session, max_tokens=64)
    await serving.begin()
    await asyncio.sleep(SETTLE)
    await request.cancel()
    await serving.until_cancelled()
    serving.commits(session.fault)
    if session.fault is Fault.CLOSE_BEYOND_WINDOW_AFTER_CANCEL:
        while serving.quote.owed(INPUT_TOKENS, serving.tokens) <= (serving.k + serving.quote.window) * 8:
            serving.chunk()
        serving.end(STOP)
    else:
        serving.chunk()
        serving.cancelled = {0: len(serving.chunks)}
        serving.end(CANCELLED)
    await serving.until_over()
    await serving.side.probe()


add(
    "reject-close-beyond-window-after-cancel",
    "RCP-033~1",
    "RCP-045~1",
    expect=GivesUp("BAD_CLOSE"),
    fault=Fault.CLOSE_BEYOND_WINDOW_AFTER_CANCEL,
    page="The provider reads CANCEL, goes on beyond the payment window, and bills that as if END had crossed it.",
    script=_close_after_cancel,
    needs=ASKS | {"cancel"},
    twin="agree-to-an-end-that-crosses-cancel",
)
add(
    "reject-close-of-more-than-cancel-names",
    "RCP-028~1",
    "RCP-045~1",
    expect=GivesUp("BAD_CLOSE"),
    fault=Fault.CLOSE_MORE_CHUNKS_THAN_CANCEL,
    page="The close says CANCELLED and bills a chunk beyond those that CANCEL names.",
    script=_close_after_cancel,
    needs=ASKS | {"cancel"},
    twin="cancel-when-the-user-leaves",
)
