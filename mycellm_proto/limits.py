"""Every bound of the wire, with its reason: SPEC.md section "Limits" (registry: spec/registries/limits.toml)."""

from __future__ import annotations

MAX_REQUEST = 1 << 20
"""Bytes of a REQUEST body: about 250,000 tokens of text, more than any context this version serves."""
MAX_HELLO = 1024
"""Bytes of a HELLO body: within one datagram, since a peer is not authenticated yet."""
MAX_MODELS = 1 << 16
"""Bytes of a MODELS body: 64 quotes of under 512 bytes, and room for extensions."""
MAX_CHUNK = 1 << 14
"""Bytes of a CHUNK body: a quarter of the initial credit, so that credit never strands a frame."""
MAX_END = 4096
"""Bytes of an END body: one signed close, and room for extensions."""
MAX_ARGUMENTS = 1 << 16
"""Bytes of the arguments or the result of a call: a batch of claims, or 64 records, with room."""
MAX_CALL = MAX_ARGUMENTS + 1024
"""Bytes of a CALL or RESULT body: the largest arguments, and room for extensions."""
MAX_SMALL = 1024
"""Bytes of any other frame's body, known or not."""

MAX_QUOTES = 64
"""Quotes in a MODELS frame: the models of one node."""
MAX_MODEL_ID = 128
"""Bytes of a model id."""
MAX_MESSAGES = 1024
"""Messages of a conversation."""
MAX_STOP_SEQUENCES = 4
MAX_STOP_SEQUENCE = 256
"""Stop sequences, and bytes of each: what the common HTTP APIs allow."""
MAX_TOOLS = 512
"""Tools that a request may offer: clients with many tool servers pass the 128 of some HTTP APIs."""
MAX_NAME = 128
"""Bytes of the name of a tool, a speaker or a schema, and of a call's id: twice what the common HTTP APIs allow."""
MAX_TOOL_CALLS = 64
"""Tool calls of one message or one answer."""
MAX_LOGIT_BIAS = 1024
"""Entries of a logit bias: more than the common HTTP APIs allow."""
MAX_TOKEN_ID = (1 << 32) - 1
"""A token's number in a vocabulary: four bytes."""
MAX_TOP_LOGPROBS = 20
MAX_TOKEN_BYTES = 512
"""Alternatives of a token, and bytes of a token's text: with both, one token's entry stays below MAX_CHUNK."""
MAX_LOGPROB = 1_000_000_000
"""Micro-nats below certainty: a thousand nats, beyond which no sampler tells probabilities apart."""
MAX_INPUTS = 2048
"""Inputs of an embedding request: what the common HTTP APIs allow."""
MAX_DIMENSIONS = 16_384
"""Numbers of a vector: four times what the largest models give."""
MAX_DEADLINE_MS = 3_600_000
"""Milliseconds that a request may ask for: an hour."""

MAX_TOKENS = 1 << 22
MAX_PRICE = 1_000_000_000
"""Tokens of a request or an answer, and micro-credits per token: both products of a price and a count, and their sum,
stay below 2**53, exact in every language."""
MAX_AMOUNT = (1 << 53) - 1
"""Micro-credits in any amount."""
MAX_TICK_VALUE = 1 << 35
"""Micro-credits of one tick: MAX_TICKS and a window of them stay below 2**53."""
MAX_TICKS = 65_536
"""Ticks of an open: bounds the links of the hash chain to 2 MiB, and its check to some 50 milliseconds in Python."""

MAX_NETWORK_NAME = 64
"""Characters of a network's name."""
MAX_NETWORK_MODELS = 256
"""Models of a network's allow-list: with the roll, a descriptor fits the answer of one call."""
MAX_REVOKED = 1024
"""Keys of a roll: 45 KiB, which fits the answer of one call."""
MAX_EPOCH = (1 << 53) - 1
"""Epochs, revisions and numbers of rolls: 2**53 - 1, exact in every language."""
MAX_CERTIFICATE_LIFE = 2_592_000
"""Seconds from the issue of a certificate to its expiry: 30 days bound what a lost roll can cost."""
MAX_USES = 65_536
"""Uses of one invite."""
MAX_ADDRESSES = 4
"""Addresses of a node, in an invite."""
MAX_INVITE = 1024
"""Bytes of an invite: short enough to paste."""
ROLL_INTERVAL = 60.0
"""Seconds after which a member of a settled network renews its roll, at most."""
ROLL_LIFETIME = 300.0
"""Seconds after which a roll that could not be renewed lets nobody in any more: five intervals."""

INITIAL_CREDIT = 1 << 16
"""Bytes of CHUNK frames that a provider may send before any CREDIT."""
MAX_CREDIT = 1 << 20
"""Bytes of CHUNK frames that a consumer may let be outstanding."""
MIN_CREDIT_STEP = 4096
"""Bytes by which a CREDIT raises the limit at least: bounds how many there can be."""
MAX_ANSWER = 1 << 24
"""Bytes of CHUNK frames in one answer: four for each of MAX_TOKENS. Text without tokens costs nothing, so a bound of
its own keeps it finite."""
MAX_STREAMS = 64
"""Requests that one peer may have open at once."""
MAX_CALLS = 16
"""Calls that one side may have open at once; they count as request streams too."""
MAX_FOUND = 64
"""Records in the result of a FIND: with four addresses each, half of MAX_ARGUMENTS."""
MAX_RECORDS = 4096
"""Records of one network that a node keeps: bounds what gossip can store in it."""
MAX_RECORD_LIFE = 86_400
"""Seconds of a record: a node that left without a word is forgotten after a day."""
LEARNT_DIALS = 1.0
"""Connections per second, at most, to addresses that others said."""
REDIAL_INTERVAL = 60.0
"""Seconds before the same learnt address is dialed again."""
MAX_BATCH = 16
"""Claims of a SETTLE: with the largest of them, half of MAX_ARGUMENTS."""
MAX_RESERVATION = 7200
"""Seconds of a reservation: the longest deadline, and as much again for what comes after it."""
SETTLEMENT_GRACE = 3600
"""Seconds after a reservation's end in which a claim still counts: a settlement node or a queue that was away."""
MAX_SKIPPED = 256
"""Streams below its newest one of which nothing came yet: packets overtake each other, and QUIC bounds how many."""
MAX_BUFFERED = 4 << 20
"""Bytes of unfinished frames that one peer may leave here, all streams together."""
MAX_DISCARDED = 4 << 20
"""Bytes for streams that are over which a peer may send between two requests: the requests that may be on their way
(MAX_BUFFERED), and no flood."""
CONTROL_BURST = 32
"""Frames after HELLO on a control stream that may come at once."""
CONTROL_RATE = 1.0
"""Frames per second on a control stream after the burst."""
CALL_BURST = 64
"""Calls of one side that may come at once."""
CALL_RATE = 8.0
"""Calls of one side per second after the burst."""
MAX_IGNORED = 64
"""Frames of unknown odd type on one request stream."""

HANDSHAKE_TIMEOUT = 10.0
"""Seconds from the channel binding to the peer's HELLO."""
REQUEST_TIMEOUT = 30.0
"""Seconds from the first byte of a request stream to its whole REQUEST."""
SILENCE_TIMEOUT = 60.0
"""Seconds without a frame after which a consumer gives a provider up, while credit is left."""
CALL_TIMEOUT = 10.0
"""Seconds from a whole CALL to its RESULT or ERROR; the caller waits DEADLINE_GRACE longer."""
HEARTBEAT = 20.0
"""Seconds after which a provider that has nothing to say sends an empty CHUNK: a third of SILENCE_TIMEOUT."""
PAYMENT_TIMEOUT = 30.0
"""Seconds that a provider waits for a tick or for credit."""
CLOSING_TIMEOUT = 10.0
"""Seconds that a provider waits for the countersignature, and a consumer for END after CANCEL."""
DEADLINE_GRACE = 5.0
"""Seconds beyond a request's deadline after which its consumer cancels: the provider should have ended it."""
CLOCK_SKEW = 120.0
"""Seconds past a quote's expiry at which a provider still takes it: clocks of hosts that run NTP badly."""
