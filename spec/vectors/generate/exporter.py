"""Family ``exporter``: from TLS's exporter master secret to the channel binding."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes

from mycellm_proto.exporter import channel_binding

from .constants import entropy
from .family import HEX, Family, Json, accept, case, record

_HASHES: tuple[hashes.HashAlgorithm, ...] = (hashes.SHA256(), hashes.SHA384())


def _cases() -> list[dict[str, Json]]:
    made = []
    for algorithm in _HASHES:
        size = algorithm.digest_size
        secrets = {
            "zero": bytes(size),
            "ones": b"\xff" * size,
            "counting": bytes(range(size)),
            "random": (entropy("exporter") + entropy("exporter, more"))[:size],
        }
        for name, secret in secrets.items():
            binding = channel_binding(algorithm, secret)
            content: dict[str, Json] = {"hash": algorithm.name, "exporter_master_secret": secret.hex()}
            made.append(case(f"{algorithm.name}-{name}", "HSK-001~1", **content, expect=accept(binding=binding.hex())))
    return made


FAMILY = Family(
    name="exporter",
    description="Channel bindings: TLS-Exporter of RFC 8446 section 7.5.",
    notes=(
        'binding is TLS-Exporter("EXPORTER-mycellm-channel-binding", "", 32) of a connection with this exporter master'
        " secret, whose cipher suite has this hash.",
    ),
    verification=(
        "Derive binding from the secret.",
        "A TLS library that has the exporter as a function gives the same value from the live connection, and then"
        " these cases do not apply; they serve an implementation that derives it from a logged or exported secret.",
    ),
    schema={
        "hash": {"enum": [algorithm.name for algorithm in _HASHES]},
        "exporter_master_secret": HEX,
        "expect": record(verdict={"const": "accept"}, binding=HEX),
    },
    cases=_cases,
)
