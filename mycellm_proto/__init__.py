"""The mycellm protocol, sans IO: SPEC.md as code.

It has no socket, clock, thread, randomness or event loop; time, keys and entropy are arguments. `Connection` is the
whole protocol of one QUIC connection; the rest are its parts, for who needs one alone.
"""

from __future__ import annotations

from .admission import Admitted, admit
from .answer import Candidate, Chunk, Logprob, Part
from .calls import Procedure
from .codec import EncodingError, Reason, Value, decode, encode
from .connection import Connection
from .content import (
    ChatRequest,
    CompletionRequest,
    Content,
    EmbeddingRequest,
    FinishReason,
    Message,
    Operation,
    ReasoningEffort,
    ResponseFormat,
    Role,
    Sampling,
    Tool,
    ToolCall,
    ToolMode,
)
from .content_codec import decode_content, encode_content
from .economy import DIRECT_NETWORK, Assurance, Close, Evidence, Open, Quote, sign
from .errors import ErrorCode, LocalProtocolError, ProtocolError, RemoteProtocolError
from .exporter import EXPORTER_LABEL, channel_binding
from .frames import FrameType, decode_frame
from .framing import FrameReader, RawFrame, encode_frame
from .hello import VERSION, Capability, ConnectionRole, Hello, Session
from .invite import Contact, Invite, decode_invite, encode_invite
from .keys import SigningKey, VerifierDriftError, is_valid
from .membership import MemberRole, Membership, NodeCertificate, NodeRight, Proof, VerifiedMember, verify_membership
from .networks import Admission, CreditPolicy, DataHandling, Descriptor, NetworkKind, network_id
from .nodeid import decode_node_id, encode_node_id
from .order import Order, place_order
from .proofs import Proofs
from .records import Record, Source, admissible, newer_record, read_record
from .roll import Roll
from .settlement import Claim, Identity, Reserve, Verified, check_claim, check_report, check_reserve
from .signed import Context, Signed, digest, preimage
from .standing import Standing
from .ticks import Chain, Meter

SPEC_VERSION = "1.0-draft"
"""The version of SPEC.md that this package realises."""

ALPN = "mycellm/1"
"""The application protocol of QUIC's TLS handshake (TRN-001)."""

__all__ = [
    "ALPN",
    "DIRECT_NETWORK",
    "EXPORTER_LABEL",
    "SPEC_VERSION",
    "VERSION",
    "Admission",
    "Admitted",
    "Assurance",
    "Candidate",
    "Capability",
    "Chain",
    "ChatRequest",
    "Chunk",
    "Claim",
    "Close",
    "CompletionRequest",
    "Connection",
    "ConnectionRole",
    "Contact",
    "Content",
    "Context",
    "CreditPolicy",
    "DataHandling",
    "Descriptor",
    "EmbeddingRequest",
    "EncodingError",
    "ErrorCode",
    "Evidence",
    "FinishReason",
    "FrameReader",
    "FrameType",
    "Hello",
    "Identity",
    "Invite",
    "LocalProtocolError",
    "Logprob",
    "MemberRole",
    "Membership",
    "Message",
    "Meter",
    "NetworkKind",
    "NodeCertificate",
    "NodeRight",
    "Open",
    "Operation",
    "Order",
    "Part",
    "Procedure",
    "Proof",
    "Proofs",
    "ProtocolError",
    "Quote",
    "RawFrame",
    "Reason",
    "ReasoningEffort",
    "Record",
    "RemoteProtocolError",
    "Reserve",
    "ResponseFormat",
    "Role",
    "Roll",
    "Sampling",
    "Session",
    "Signed",
    "SigningKey",
    "Source",
    "Standing",
    "Tool",
    "ToolCall",
    "ToolMode",
    "Value",
    "Verified",
    "VerifiedMember",
    "VerifierDriftError",
    "admissible",
    "admit",
    "channel_binding",
    "check_claim",
    "check_report",
    "check_reserve",
    "decode",
    "decode_content",
    "decode_frame",
    "decode_invite",
    "decode_node_id",
    "digest",
    "encode",
    "encode_content",
    "encode_frame",
    "encode_invite",
    "encode_node_id",
    "is_valid",
    "network_id",
    "newer_record",
    "place_order",
    "preimage",
    "read_record",
    "sign",
    "verify_membership",
]
