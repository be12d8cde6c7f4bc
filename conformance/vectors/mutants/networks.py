"""Mutants of SPEC.md, "Networks": descriptors, rolls, invites, calls, and the epochs of accounts."""

from __future__ import annotations

import base64
import hashlib

from conformance.dcbor import Item, NotDeterministicError
from conformance.vectors.implementation import Implementation
from conformance.vectors.outcome import Json

from .mutant import Careless, Without, mutant


class _HashesTheAnchor(Implementation):
    """Names a network by the hash of its anchor alone."""

    def name(self, context: str, *encoded: bytes) -> bytes:
        """A name without a context, for networks."""
        return hashlib.sha256(encoded[0]).digest() if "network" in context else super().name(context, *encoded)


class _BlindsForBoth(Implementation):
    """Leaves out who asks, so that whoever is asked can ask back."""

    def committed(self, context: str, items: list[Json]) -> list[bytes]:
        """The items, without the caller's key."""
        encoded = super().committed(context, items)
        return [encoded[0], encoded[2]] if "blind" in context else encoded


class _TakesTheLastOne(Implementation):
    """Takes what is offered for the newest, whatever it has seen."""

    def which_counts(self, held: int | None, offered: int) -> int:
        """The one that came last."""
        return offered


class _FitsAnything(Implementation):
    """Looks at one of the terms of a descriptor, its name."""

    def fits(self, value: Item) -> bool:
        """Whether the name is one."""
        return super().fits({**value, 2: 2, 3: 2, 6: None, 9: None, 10: 1})


class _NamesAnything(Implementation):
    """Looks at all terms of a descriptor but its name."""

    def fits(self, value: Item) -> bool:
        """Whether the rest stands together."""
        return super().fits({**value, 1: "lab"})


class _ForgivingReader(Implementation):
    """Reads an invite in whatever form a program may have given it."""

    def read_invite(self, text: str) -> Item:
        """The signed object in a text that was tidied up."""
        body = text.strip().lower().startswith("mycellm-invite:") and text.strip()[15:].rstrip("=")
        if not body:
            return None
        try:
            data = base64.b64decode(body.replace("-", "+").replace("_", "/") + "=" * (-len(body) % 4))
            signed = self.decode(data)
        except (ValueError, NotDeterministicError):
            return None
        return signed if self.is_signed(signed) else None


class _PadsInvites(Implementation):
    """Writes base64 with padding."""

    def write_invite(self, data: bytes) -> str:
        """The invite, filled up to a multiple of four characters."""
        return "mycellm-invite:" + base64.urlsafe_b64encode(data).decode()


_SIGNATURES = "reject-signed-by-another reject-flipped-signature reject-unsigned reject-wrong-context"

MUTANTS = (
    mutant(
        "names-networks-without-a-context",
        "NET-010~1",
        "commitments: rooted-network rooted-network-of-another",
        _HashesTheAnchor(),
    ),
    mutant("blinds-for-both-sides", "NET-030~1", "commitments: blind blind-of-the-other-side", _BlindsForBoth()),
    mutant(
        "takes-any-kind-of-network",
        "NET-011~1",
        "descriptor: reject-kind-0 reject-kind-4 reject-data-handling-3 reject-assurance-1",
        Careless("descriptor-body", 2),
    ),
    mutant(
        "takes-descriptors-of-other-roots",
        "NET-012~1",
        "descriptor: reject-of-another-root",
        Without("NET-012"),
    ),
    mutant(
        "verifies-no-descriptor",
        "NET-013~1",
        f"descriptor: {_SIGNATURES} reject-signed-by-the-authority membership: reject-descriptor-signed-by-another",
        Without("NET-013"),
    ),
    mutant(
        "takes-any-terms",
        "NET-014~1",
        "descriptor: reject-models-descending reject-model-twice reject-settled-without-settlement-node"
        " reject-bilateral-with-settlement-node reject-private-and-open reject-public-by-invite"
        " reject-public-and-settled reject-org-and-bilateral",
        _FitsAnything(),
    ),
    mutant(
        "takes-any-name",
        "NET-014~1",
        "descriptor: reject-name-in-upper-case reject-name-with-a-line-break reject-name-that-begins-with-a-dot",
        _NamesAnything(),
    ),
    mutant(
        "keeps-expired-descriptors",
        "NET-015~1",
        "descriptor: reject-expired membership: reject-descriptor-expired",
        Without("NET-015"),
    ),
    mutant(
        "takes-the-last-descriptor",
        "NET-016~1",
        "descriptor: accept-older-revision-that-does-not-count",
        _TakesTheLastOne(),
    ),
    mutant("takes-two-of-one-revision", "NET-017~1", "descriptor: reject-two-of-one-revision", Without("NET-017")),
    mutant(
        "takes-rolls-of-other-networks",
        "NET-018~1",
        "roll: reject-of-another-network reject-keys-descending reject-key-twice"
        " membership: reject-roll-of-another-network",
        Without("NET-018"),
    ),
    mutant(
        "takes-any-number-of-a-roll", "NET-018~1", "roll: reject-number-0 reject-issued-negative", Careless("roll-body")
    ),
    mutant(
        "verifies-no-roll",
        "NET-019~1",
        "roll: reject-signed-by-the-root reject-signed-by-the-authority-before reject-unsigned"
        " reject-flipped-signature reject-wrong-context reject-of-the-future"
        " membership: reject-roll-signed-by-another",
        Without("NET-019"),
    ),
    mutant("takes-the-last-roll", "NET-027~1", "roll: accept-older-number-that-does-not-count", _TakesTheLastOne()),
    mutant("takes-two-of-one-number", "NET-028~1", "roll: reject-two-of-one-number", Without("NET-028")),
    mutant(
        "takes-any-invite",
        "NET-040~1",
        "invite: reject-uses-0 reject-uses-65537 reject-roles-4 reject-quota-negative"
        " reject-contact-without-an-address",
        Careless("invite-body", 2),
    ),
    mutant(
        "verifies-no-invite",
        "NET-041~1",
        "invite: reject-signed-by-another reject-signed-by-the-root reject-signed-by-the-authority-before"
        " reject-signed-by-the-contact reject-unsigned reject-wrong-context"
        " reject-foreign-network reject-expired",
        Without("NET-041"),
    ),
    mutant(
        "reads-invites-in-any-form",
        "NET-042~1",
        "invite: reject-prefix-in-upper-case reject-padding reject-line-break-after"
        " reject-other-alphabet reject-loose-bits",
        _ForgivingReader(),
    ),
    mutant("pads-invites", "NET-043~1", "invite: write-plain", _PadsInvites()),
    mutant("takes-any-blind", "NET-050~1", "arguments: reject-prove-of-31-bytes", Careless("prove")),
    mutant("takes-any-member-in-join", "NET-050~1", "arguments: reject-join-member-null", Careless("join")),
    mutant(
        "takes-any-epoch",
        "KEY-014~1",
        "revocation: reject-epoch-0 reject-epoch-of-2-53",
        Careless("account-epoch-body", 1),
    ),
    mutant(
        "verifies-no-epoch",
        "KEY-015~1",
        "revocation: reject-signed-by-its-node reject-signed-by-the-authority reject-unsigned reject-flipped-signature"
        " reject-wrong-context",
        Without("KEY-015"),
    ),
)
