"""The suite's own implementation: what follows from the inputs of a case, family by family."""

from __future__ import annotations

from .bytes_ import Bytes
from .claims import Claims
from .discovery import Discovery
from .networks import Networks
from .outcome import Case, Outcome
from .party import Party
from .replay import Replay

FAMILIES = (
    "exporter", "encoding", "writing", "accumulated", "framing", "frames", "signatures", "signing", "nodeid", "hello",
    "content", "quote", "open", "commitments", "answer", "ticks", "billing", "close", "countersign", "receipts",
    "fraud", "descriptor", "roll", "membership", "invite", "revocation", "arguments", "reserve", "claim",
    "record", "address", "exchange",
)  # fmt: skip
"""In the order of spec/vectors/README.md."""

_CONTEXTS = {
    "hello": "mycellm/hello/v1",
    "quote": "mycellm/quote/v1",
    "open": "mycellm/open/v1",
    "close": "mycellm/close/v1",
    "countersign": "mycellm/countersign/v1",
    "descriptor": "mycellm/descriptor/v1",
    "roll": "mycellm/roll/v1",
    "revocation": "mycellm/account-epoch/v1",
    "record": "mycellm/record/v1",
}


class Implementation(Bytes, Networks, Claims, Discovery, Party):
    """All families; each is the method of its name."""

    def derive(self, family: str, case: Case) -> Outcome:
        """The outcome of a case. Raises `MismatchError` where its inputs do not fit each other."""
        outcome: Outcome = getattr(self, family)(case)
        return outcome

    def exchange(self, case: Case) -> Outcome:
        """A recorded connection: how it ended."""
        return Replay(self, case).play()

    def intermediate(self, family: str, case: Case) -> Outcome:
        """What the families that show it show of the way to their outcome."""
        if family == "commitments":
            return {"preimage": self.preimage(case["context"], *self.committed(case["context"], case["items"])).hex()}
        if family not in _CONTEXTS:
            return {}
        body = self.decode(bytes.fromhex(case["hello"]))[0] if family == "hello" else bytes.fromhex(case["body"])
        shown = {"preimage": self.preimage(_CONTEXTS[family], body).hex()}
        return shown if family == "countersign" else {**shown, "hash": self.name(_CONTEXTS[family], body).hex()}
