"""Family ``invite``: invites as people paste them, read and written."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace

from mycellm_proto.codec import Value, decode, encode
from mycellm_proto.errors import ErrorCode, RemoteProtocolError
from mycellm_proto.invite import INVITE_PREFIX, Invite, decode_invite, encode_invite, read_invite
from mycellm_proto.limits import MAX_AMOUNT, MAX_USES
from mycellm_proto.membership import NO_ROLE, MemberRole
from mycellm_proto.signed import Context, Signed

from .constants import BOB, CAROL, NOW
from .family import HEX, NUMBER, TEXT, DisagreementError, Family, Json, accept, case, record
from .members import AUTHORITY, INVITE, LAB, OLD_AUTHORITY, OTHER, ROOT, hexed
from .notation import as_map

_SIGNED = INVITE.sign(AUTHORITY)
_TEXT = encode_invite(_SIGNED)
_BODY = as_map(_SIGNED.body)
_FULL = replace(
    INVITE,
    uses=MAX_USES,
    roles=MemberRole.CONSUMER | MemberRole.PROVIDER,
    quota=MAX_AMOUNT,
    contact=replace(INVITE.contact, addresses=((b"\xff" * 16, 65_535),) * 4),
)

_GOOD: tuple[tuple[str, Invite], ...] = (
    ("plain", INVITE),
    ("full", _FULL),
    ("one-use-without-a-role", replace(INVITE, uses=1, roles=NO_ROLE, quota=0)),
)
_SHAPE = "NET-040~1"
_NODE = INVITE.contact.node
_BAD: tuple[tuple[str, str, Mapping[int, Value]], ...] = (
    ("reject-odd-key", "EXT-003~1", {7: True}),
    ("reject-uses-0", _SHAPE, {2: 0}),
    ("reject-uses-65537", _SHAPE, {2: 65_537}),
    ("reject-roles-4", _SHAPE, {3: 4}),
    ("reject-quota-negative", _SHAPE, {4: -1}),
    ("reject-contact-null", _SHAPE, {6: None}),
    ("reject-contact-without-an-address", _SHAPE, {6: [_NODE, []]}),
    ("reject-contact-of-5-addresses", _SHAPE, {6: [_NODE, [[bytes(4), 1]] * 5]}),
    ("reject-address-of-5-bytes", _SHAPE, {6: [_NODE, [[bytes(5), 1]]]}),
    ("reject-port-0", _SHAPE, {6: [_NODE, [[bytes(4), 0]]]}),
    ("reject-host-name", _SHAPE, {6: [_NODE, [["lab.example", 4242]]]}),
    ("reject-foreign-network", "NET-041~1", {0: OTHER.network}),
    ("reject-expired", "NET-041~1", {5: NOW}),
)


def _texts() -> tuple[tuple[str, str], ...]:
    """Texts that nobody writes."""
    data = encode(_SIGNED.to_value())
    body = _TEXT.removeprefix(INVITE_PREFIX)
    last = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    loose = body[:-1] + last[last.index(body[-1]) + 1]
    if len(body) % 4 == 0 or decode(base64.urlsafe_b64decode(loose + "=" * (-len(loose) % 4))) != decode(data):
        raise DisagreementError("the invite's length leaves no bits over")
    return (
        ("reject-empty", ""),
        ("reject-without-prefix", body),
        ("reject-other-prefix", "mycellm-ticket:" + body),
        ("reject-prefix-in-upper-case", _TEXT.replace("mycellm", "MYCELLM")),
        ("reject-prefix-alone", INVITE_PREFIX),
        ("reject-padding", _TEXT + "=" * (-len(body) % 4)),
        ("reject-line-break-after", _TEXT + "\n"),
        ("reject-space-inside", _TEXT[:90] + " " + _TEXT[90:]),
        ("reject-other-alphabet", INVITE_PREFIX + base64.b64encode(data).decode().rstrip("=")),
        ("reject-loose-bits", INVITE_PREFIX + loose),
        ("reject-last-character-missing", _TEXT[:-1]),
        ("reject-characters-missing", _TEXT[:100] + _TEXT[104:]),
        ("reject-trailing-byte", INVITE_PREFIX + base64.urlsafe_b64encode(data + b"\x00").decode().rstrip("=")),
        ("reject-not-ascii", _TEXT[:-1] + "\u00e9"),
        ("reject-1025-bytes", INVITE_PREFIX + base64.urlsafe_b64encode(bytes(1025)).decode().rstrip("=")),
    )


def _cases() -> list[dict[str, Json]]:
    made = []
    for slug, invite in _GOOD:
        signed = invite.sign(AUTHORITY)
        text = encode_invite(signed)
        if decode_invite(text) != signed or read_invite(signed, descriptor=LAB, now=NOW) != invite:
            raise DisagreementError(slug)
        made.append(_case(f"accept-{slug}", "NET-041~1 NET-042~1", text, accept(**_fields(invite))))
        made.append(case(f"write-{slug}", "NET-043~1", invite=hexed(signed), expect=accept(text=text)))
    for slug, requirement, change in _BAD:
        forged = Signed.make(AUTHORITY, Context.INVITE, {**_BODY, **change})
        made.append(_refused(slug, requirement, _written(forged)))
    for slug, signed in (
        ("reject-signed-by-another", INVITE.sign(CAROL)),
        ("reject-signed-by-the-root", INVITE.sign(ROOT)),
        ("reject-signed-by-the-authority-before", INVITE.sign(OLD_AUTHORITY)),
        ("reject-signed-by-the-contact", INVITE.sign(BOB)),
        ("reject-unsigned", replace(_SIGNED, signature=bytes(64))),
        ("reject-wrong-context", Signed.make_over(AUTHORITY, Context.MEMBERSHIP, _SIGNED.body)),
    ):
        made.append(_refused(slug, "NET-041~1", _written(signed)))
    made += [_refused(slug, "NET-042~1", text) for slug, text in _texts()]
    return made


def _written(signed: Signed) -> str:
    return INVITE_PREFIX + base64.urlsafe_b64encode(encode(signed.to_value())).decode().rstrip("=")


def _fields(invite: Invite) -> dict[str, Json]:
    return {
        "serial": invite.serial.hex(),
        "uses": invite.uses,
        "roles": int(invite.roles),
        "quota": invite.quota,
        "expires": invite.expires,
        "contact": {
            "node": invite.contact.node.hex(),
            "addresses": [{"ip": ip.hex(), "port": port} for ip, port in invite.contact.addresses],
        },
    }


def _case(slug: str, requirement: str, text: str, expect: Json) -> dict[str, Json]:
    return case(slug, requirement, text=text, descriptor=hexed(LAB.sign(ROOT)), now=NOW, expect=expect)


def _refused(slug: str, requirement: str, text: str) -> dict[str, Json]:
    try:
        read_invite(decode_invite(text), descriptor=LAB, now=NOW)
    except RemoteProtocolError as error:
        if (error.code, error.requirement) != (ErrorCode.INVITE_SPENT, requirement.partition("~")[0]):
            raise DisagreementError(f"{slug}: {error}") from error
    except ValueError:
        if requirement == "NET-041~1":
            raise
    else:
        raise DisagreementError(slug)
    return _case(slug, requirement, text, {"verdict": "reject"})


_CONTACT = record(node=HEX, addresses={"type": "array", "items": record(ip=HEX, port=NUMBER)})

FAMILY = Family(
    name="invite",
    description="Invites in their text form: who reads one must take it apart, and see whether it is good.",
    notes=(
        "Cases with a text: descriptor is the network's, verified, now the time. Accepted, the invite says the rest;"
        " rejected, it is none, or none of this network that is good now.",
        "Cases with an invite, a signed object: it is written as text.",
    ),
    verification=(
        "Read text, and judge the invite as the network's authority does; or write invite.",
        "How often an invite was used does not count here.",
    ),
    schema={
        "text": TEXT,
        "descriptor": HEX,
        "now": NUMBER,
        "invite": HEX,
        "expect": {
            "anyOf": [
                record(
                    verdict={"const": "accept"},
                    serial=HEX,
                    uses=NUMBER,
                    roles=NUMBER,
                    quota=NUMBER,
                    expires=NUMBER,
                    contact=_CONTACT,
                ),
                record(verdict={"const": "accept"}, text=TEXT),
                record(verdict={"const": "reject"}),
            ]
        },
    },
    optional=frozenset({"text", "descriptor", "now", "invite"}),
    cases=_cases,
)
