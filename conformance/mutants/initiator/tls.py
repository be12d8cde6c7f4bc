"""Initiators whose TLS brings something along, or believes certificates."""

from __future__ import annotations

from functools import partial
from typing import Any

from conformance.honest.node import Node
from conformance.mutants.brief import does
from conformance.mutants.mutant import node_with


def _uses_its_ticket(self: Node, *, resumes: bool) -> dict[str, Any]:
    return Node.client_hello(self, resumes=False) | {"pre_shared_key": resumes}


def _sends_early_data(self: Node, *, resumes: bool) -> dict[str, Any]:
    return Node.client_hello(self, resumes=False) | {"pre_shared_key": resumes, "early_data": resumes}


def _names_whom_it_dials(self: Node, *, resumes: bool) -> dict[str, Any]:
    return Node.client_hello(self, resumes=resumes) | {"server_name": True}


_does = partial(does, "initiator")

MUTANTS = (
    _does(
        "looks-at-certificates",
        "Refuses a certificate of another name, or one that has expired.",
        "TRN-008",
        "accept-any-certificate",
        node=node_with(distrusts_certificates=True),
    ),
    _does(
        "resumes-a-session",
        "Offers the ticket of an earlier connection as a pre-shared key.",
        "TRN-010",
        "resume-nothing",
        node=node_with(client_hello=_uses_its_ticket),
    ),
    _does(
        "sends-early-data",
        "Sends its first bytes as 0-RTT data.",
        "TRN-009",
        "resume-nothing",
        node=node_with(client_hello=_sends_early_data),
    ),
    _does(
        "names-whom-it-dials",
        "Sends the server_name extension, for everybody on the path to read.",
        "TRN-011",
        "show-itself-to-a-known-responder",
        node=node_with(client_hello=_names_whom_it_dials),
    ),
)
