"""Family ``ticks``: the hash chain that pays."""

from __future__ import annotations

from dataclasses import dataclass

from mycellm_proto.errors import ErrorCode
from mycellm_proto.ticks import Chain, Meter, step

from .constants import CHAIN_SEED, entropy
from .family import HEX, NUMBER, DisagreementError, Family, Json, accept, case, outcomes, record, reject

_LENGTH = 125
_CHAIN = Chain(CHAIN_SEED, _LENGTH)
_OTHER = Chain(entropy("another chain"), _LENGTH)
_LONGEST = 65_536
_LONG = Chain(entropy("long chain"), _LONGEST)


@dataclass(frozen=True, slots=True)
class _Release:
    """A link offered for ``k`` ticks when ``ticks`` were released, of at most ``most``."""

    ticks: int
    k: int
    link: bytes
    most: int = _LENGTH
    chain: Chain = _CHAIN

    def take(self) -> None:
        """Offer it to a meter that stands where the case says."""
        meter = Meter(self.chain.anchor, self.most)
        meter.release(self.ticks, self.chain.link(self.ticks))
        meter.release(self.k, self.link)
        if (meter.ticks, meter.link) != (self.k, self.link):
            raise DisagreementError("the meter did not move")

    def shown(self) -> dict[str, Json]:
        """The keys of a case."""
        last = self.chain.link(self.ticks)
        return {
            "anchor": self.chain.anchor.hex(),
            "most": self.most,
            "released": {"ticks": self.ticks, "link": last.hex()},
            "offered": {"ticks": self.k, "link": self.link.hex()},
        }


_GOOD = (
    ("accept-first", _Release(0, 1, _CHAIN.link(1))),
    ("accept-next", _Release(3, 4, _CHAIN.link(4))),
    ("accept-several-at-once", _Release(3, 9, _CHAIN.link(9))),
    ("accept-all-at-once", _Release(0, _LENGTH, CHAIN_SEED)),
    ("accept-last", _Release(_LENGTH - 1, _LENGTH, CHAIN_SEED)),
    ("accept-65536-at-once", _Release(0, _LONGEST, entropy("long chain"), _LONGEST, _LONG)),
)
_BAD = (
    ("reject-link-of-another-chain", "RCP-020~1", _Release(0, 1, _OTHER.link(1))),
    ("reject-anchor-as-link", "RCP-020~1", _Release(0, 1, _CHAIN.anchor)),
    ("reject-one-link-behind", "RCP-020~1", _Release(3, 5, _CHAIN.link(4))),
    ("reject-one-link-ahead", "RCP-020~1", _Release(3, 4, _CHAIN.link(5))),
    ("reject-bit-flipped", "RCP-020~1", _Release(3, 4, bytes((_CHAIN.link(4)[0] ^ 1,)) + _CHAIN.link(4)[1:])),
    ("reject-zero-link", "RCP-020~1", _Release(0, 1, bytes(32))),
    ("reject-going-back", "RCP-021~1", _Release(3, 2, _CHAIN.link(2))),
    ("reject-beyond-the-ceiling", "RCP-021~1", _Release(3, 4, _CHAIN.link(4), 3)),
    ("reject-65536-beyond-the-ceiling", "RCP-021~1", _Release(0, _LONGEST, entropy("long chain"), _LENGTH, _LONG)),
)


def _cases() -> list[dict[str, Json]]:
    made = []
    for name, chain, seed, shown in (
        ("chain-of-125", _CHAIN, CHAIN_SEED, (0, 1, 2, 3, 124, 125)),
        ("chain-of-65536", _LONG, entropy("long chain"), (0, 1, 32_768, 65_535, 65_536)),
        ("chain-of-nothing", Chain(CHAIN_SEED, 0), CHAIN_SEED, (0,)),
    ):
        links: list[Json] = [{"ticks": k, "link": chain.link(k).hex()} for k in shown]
        content: dict[str, Json] = {"seed": seed.hex(), "length": chain.length, "show": shown}
        made.append(case(name, "RCP-057~1", **content, expect=accept(anchor=chain.anchor.hex(), links=links)))
    if step(_CHAIN.link(1)) != _CHAIN.anchor:
        raise DisagreementError("the chain is not what its step says")
    for slug, release in _GOOD:
        release.take()
        made.append(case(slug, "RCP-020~1 RCP-021~1", **release.shown(), expect=accept()))
    for slug, requirement, release in _BAD:
        expect = reject(release.take, ErrorCode.BAD_TICK, requirement)
        made.append(case(slug, requirement, **release.shown(), expect=expect))
    return made


_POINT = record(ticks=NUMBER, link=HEX)

FAMILY = Family(
    name="ticks",
    description="Tick chains from their seeds, and links that are offered as payment.",
    notes=(
        "Cases with a seed: the chain has length ticks. Its last link is the seed, every other is the hash of the next,"
        ' SHA-256 of the encoding of ["mycellm/tick/v1", link]; link 0 is the anchor. links are those of the ticks in'
        " show.",
        "The other cases: a provider that holds released, of an open with this anchor that can release most ticks, is"
        " offered another link.",
        "Accepted: so many ticks are paid now. Rejected: the exchange ends with ERROR and the code.",
    ),
    verification=(
        "Cases with a seed: build the chain as a consumer. The others: judge what is offered as the provider.",
        "That a TICK frame pays for more than before does not count: it is a rule of that frame, beside these.",
    ),
    schema={
        "seed": HEX,
        "length": NUMBER,
        "show": {"type": "array", "items": NUMBER},
        "anchor": HEX,
        "most": NUMBER,
        "released": _POINT,
        "offered": _POINT,
        "expect": {
            "anyOf": [
                *outcomes(),
                record(verdict={"const": "accept"}, anchor=HEX, links={"type": "array", "items": _POINT}),
            ]
        },
    },
    optional=frozenset({"seed", "length", "show", "anchor", "most", "released", "offered"}),
    cases=_cases,
)
