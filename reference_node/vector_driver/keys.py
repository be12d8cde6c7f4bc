"""Families of keys: exporter, signatures, signing, nodeid, hello."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes

from mycellm_proto.codec import decode
from mycellm_proto.exporter import channel_binding
from mycellm_proto.hello import ConnectionRole, Hello, check_initiator, check_responder, negotiate, read_hello
from mycellm_proto.keys import SigningKey, is_valid
from mycellm_proto.nodeid import decode_node_id, encode_node_id
from mycellm_proto.signed import Context, Signed, preimage

from .notation import Inputs, Outcome, accept, outcome_of, valued

_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384()}


def exporter(inputs: Inputs) -> Outcome:
    """The channel binding of an exporter master secret."""
    secret = bytes.fromhex(inputs["exporter_master_secret"])
    return accept(binding=channel_binding(_HASHES[inputs["hash"]], secret).hex())


def signatures(inputs: Inputs) -> Outcome:
    """Ed25519, valid or not."""
    public, message, signature = (bytes.fromhex(inputs[key]) for key in ("public", "message", "signature"))
    return {"verdict": "accept" if is_valid(public, signature, message) else "reject"}


def signing(inputs: Inputs) -> Outcome:
    """A message or an object, signed."""
    key = SigningKey(bytes.fromhex(inputs["seed"]))
    if "message" in inputs:
        return accept(public=key.public.hex(), signature=key.sign(bytes.fromhex(inputs["message"])).hex())
    context = Context(inputs["context"])
    made = Signed.make(key, context, valued(inputs["body"]))
    return accept(
        public=key.public.hex(),
        preimage=preimage(context, made.body).hex(),
        hash=made.digest(context).hex(),
        signature=made.signature.hex(),
    )


def nodeid(inputs: Inputs) -> Outcome:
    """A written node id: read, or written."""
    if "public" in inputs:
        return accept(text=encode_node_id(bytes.fromhex(inputs["public"])))
    try:
        return accept(public=decode_node_id(inputs["text"]).hex())
    except ValueError:
        return {"verdict": "reject"}


def hello(inputs: Inputs) -> Outcome:
    """The peer's HELLO, as the handshake takes it."""
    binding, own_key = bytes.fromhex(inputs["binding"]), bytes.fromhex(inputs["own_key"])
    role = ConnectionRole[inputs["verifier"].upper()]
    expected = None if inputs["expected_peer"] is None else bytes.fromhex(inputs["expected_peer"])
    offer = {**inputs["own_offer"], "capabilities": tuple(inputs["own_offer"]["capabilities"])}
    own = Hello(role=role, node_key=own_key, binding=binding, **offer)

    def derive() -> Outcome:
        signed = Signed.from_value(decode(bytes.fromhex(inputs["hello"])))
        if role is ConnectionRole.INITIATOR:
            peer = read_hello(signed, sender=ConnectionRole.RESPONDER, binding=binding)
            check_responder(peer, own=own_key, expected=expected)
            pinned = expected is not None
        else:
            peer = read_hello(signed, sender=ConnectionRole.INITIATOR, binding=binding)
            check_initiator(peer, own=own_key, own_hello=bytes.fromhex(inputs["own_hello"]))
            pinned = bool(peer.pinned)
        version, capabilities = negotiate(own, peer)
        agreed = {"version": version, "capabilities": sorted(capabilities)}
        return accept(peer=peer.node_key.hex(), pinned=pinned, **agreed)

    return outcome_of(derive)
