"""All settings. One table makes the flags, variables, keys of the file, help texts and the ``config`` command."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mycellm_proto.nodeid import encode_node_id

from .sharing import Models, Sharing, parse_row, sharing_of
from .values import (
    DEFAULT_HOME,
    DEFAULT_MODELS,
    Access,
    Address,
    BackendModel,
    BackendUrl,
    PeerAddress,
    between,
    one_of,
    parse_address,
    parse_allowed,
    parse_announced,
    parse_backend,
    parse_backend_key,
    parse_backend_model,
    parse_key,
    parse_ledger,
    parse_model,
    parse_node_id,
    parse_other_model,
    parse_path,
    parse_peer,
    parse_switch,
    without_password,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

ENVIRONMENT_PREFIX = "MYCELLM_"
MAX_CREDITS = (1 << 63) - 1
"""Amounts are 64-bit integers on the wire; in micro-credits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, checked. The meaning of each is in `SETTINGS`."""

    home: Path
    cache: Path
    api: Address
    quic: Address
    model: tuple[str, ...]
    no_model: bool
    variant: str
    device: str
    threads: int
    slots: int
    context: int
    queue: int
    no_prefix_cache: bool
    backend: BackendUrl | None
    backend_model: tuple[BackendModel, ...]
    backend_embedding: tuple[str, ...]
    backend_context: int
    backend_slots: int
    backend_key: str = field(repr=False)
    peer: tuple[PeerAddress, ...]
    discover: bool
    bootstrap: tuple[PeerAddress, ...]
    announce: tuple[Address, ...]
    ask_found: bool
    found_peers: int
    no_mdns: bool
    allow: tuple[bytes | None, ...]
    block: tuple[bytes, ...]
    share: tuple[tuple[bytes, Models], ...]
    peer_slots: int
    paused: bool
    allowance: int
    max_spend: int
    price_in: int
    price_out: int
    ledger: str = field(repr=False)
    request_timeout: int
    default_model: str
    default_embedding_model: str
    images: str
    api_key: str = field(repr=False)
    log_level: str

    @property
    def first_model(self) -> str:
        """The model to chat with when none is named; empty without any."""
        return "" if self.no_model or not self.model else self.model[0]

    @property
    def access(self) -> Access:
        """``allow``, or its default: anyone while QUIC listens on loopback only, otherwise nobody."""
        if not self.allow:
            return Access(anyone=self.quic.is_loopback, node_ids=frozenset())
        named = frozenset(entry for entry in self.allow if entry is not None)
        return Access(anyone=None in self.allow, node_ids=named)

    @property
    def discovers(self) -> bool:
        """Whether this node takes part in the discovery of the direct network."""
        return self.discover or bool(self.bootstrap)

    @property
    def sharing(self) -> Sharing:
        """``share`` as a table."""
        return sharing_of(self.share)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting. ``default`` is text as a user would write it.

    ``several`` may be repeated; ``veiled`` may hold a password, and is shown without it.
    """

    name: str
    parse: Callable[[str], Any]
    default: str | tuple[str, ...]
    metavar: str
    help: str
    group: str
    several: bool = False
    secret: bool = False
    everywhere: bool = False
    veiled: bool = False

    @property
    def flag(self) -> str:
        """The option of the command line. A secret has none: other users see command lines."""
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        """The environment variable."""
        return ENVIRONMENT_PREFIX + self.name.upper()


def default_cache(environment: Mapping[str, str], platform: str = sys.platform) -> str:
    """Where models lie unless told otherwise."""
    if platform == "darwin":
        return "~/Library/Caches/mycellm"
    return (environment.get("XDG_CACHE_HOME") or "~/.cache") + "/mycellm"


_PLACES, _MODEL, _BACKEND, _PEERS, _CREDIT = "places", "model", "backend", "peers", "credit"

SETTINGS: tuple[Setting, ...] = (
    Setting(name="home", parse=parse_path, default=str(DEFAULT_HOME), metavar="DIR", group=_PLACES, everywhere=True,
            help="all state of this node: key, receipts, configuration"),
    Setting(name="cache", parse=parse_path, default="", metavar="DIR", group=_PLACES, everywhere=True,
            help="models (default: the user's cache folder); may be deleted, and shared by several nodes"),
    Setting(name="api", parse=parse_address, default="127.0.0.1:8420", metavar="HOST:PORT", group=_PLACES,
            help="where the HTTP API listens (port 0: any free one); beyond loopback it requires a key"),
    Setting(name="quic", parse=parse_address, default="127.0.0.1:7420", metavar="HOST:PORT", group=_PLACES,
            help="where other nodes reach this one, UDP (port 0: any free one)"),
    Setting(name="api_key", parse=parse_key, default="", metavar="KEY", group=_PLACES, secret=True,
            help="key of the HTTP API; without one, a file api.key is made when the API needs a key"),
    Setting(name="request_timeout", parse=between(1, 3600), default="600", metavar="SECONDS", group=_PLACES,
            help="longest time for one request"),
    Setting(name="log_level", parse=one_of("debug", "info", "warning", "error"), default="info", metavar="LEVEL",
            group=_PLACES, everywhere=True, help="debug, info, warning or error; logs never hold prompts or answers"),
    Setting(name="model", parse=parse_model, default=DEFAULT_MODELS, metavar="ID", group=_MODEL, several=True,
            help="a model that this node runs; may be repeated, the first is the one to chat with; `scripted` is an "
                 "engine without weights that answers by rules, for tests (python3 -m pydoc reference_node.scripted)"),
    Setting(name="no_model", parse=parse_switch, default="false", metavar="", group=_MODEL,
            help="run no model here; use those of peers"),
    Setting(name="default_model", parse=parse_other_model, default="", metavar="ID", group=_MODEL,
            help="the model that answers for names that clients bring along (claude-*, gpt-*, o3 and the like); "
                 "default: the first one that chats"),
    Setting(name="default_embedding_model", parse=parse_other_model, default="", metavar="ID", group=_MODEL,
            help="the same for text-embedding-*; default: the first one that makes embeddings"),
    Setting(name="images", parse=one_of("refuse", "placeholder"), default="refuse", metavar="NAME", group=_MODEL,
            help="what becomes of images in requests, which no model here sees: refuse them by name, or put a "
                 "placeholder in words in their place"),
    Setting(name="variant", parse=one_of("int4", "q8", "fp32"), default="int4", metavar="NAME", group=_MODEL,
            help="int4 (small and fast), q8, or fp32 (exact)"),
    Setting(name="device", parse=one_of("auto", "cpu", "cuda"), default="auto", metavar="NAME", group=_MODEL,
            help="auto, cpu or cuda"),
    Setting(name="threads", parse=between(0, 1024), default="0", metavar="N", group=_MODEL,
            help="processor threads; 0: one per core"),
    Setting(name="slots", parse=between(1, 256), default="4", metavar="N", group=_MODEL,
            help="requests answered at the same time"),
    Setting(name="context", parse=between(0, 1 << 20), default="0", metavar="N", group=_MODEL,
            help="longest prompt and answer together, tokens; 0: what the model allows"),
    Setting(name="queue", parse=between(1, 4096), default="64", metavar="N", group=_MODEL,
            help="requests that may wait for a slot, at most three quarters of them one consumer's; more are told to "
                 "retry"),
    Setting(name="no_prefix_cache", parse=parse_switch, default="false", metavar="", group=_MODEL,
            help="forget a prompt when its answer is over; otherwise later prompts of the same consumer go on from it"),
    Setting(name="backend", parse=parse_backend, default="", metavar="URL", group=_BACKEND,
            help="an OpenAI-compatible API (vLLM, SGLang, Ray Serve, llama.cpp, Ollama, another node) whose models "
                 "this node serves too, such as http://127.0.0.1:8000/v1; with --no-model, only those"),
    Setting(name="backend_key", parse=parse_backend_key, default="", metavar="KEY", group=_BACKEND, secret=True,
            help="the key of --backend; it goes there alone, over https or to this machine"),
    Setting(name="backend_model", parse=parse_backend_model, default=(), metavar="NAME[=ID]", group=_BACKEND,
            several=True,
            help="a model of --backend by its name there, and its name here; may be repeated. Default: all that it "
                 "lists"),
    Setting(name="backend_embedding", parse=parse_model, default=(), metavar="NAME", group=_BACKEND, several=True,
            help="a model of --backend that makes embeddings, by its name there; may be repeated"),
    Setting(name="backend_context", parse=between(0, 1 << 22), default="0", metavar="N", group=_BACKEND,
            help="context length of the models of --backend, tokens, where it tells none (Ollama) or a longer one; 0: "
                 "what it tells"),
    Setting(name="backend_slots", parse=between(1, 4096), default="64", metavar="N", group=_BACKEND,
            help="requests that --backend gets at the same time; more are told to retry"),
    Setting(name="peer", parse=parse_peer, default=(), metavar="NODEID@HOST:PORT", group=_PEERS, several=True,
            help="a node to use; may be repeated"),
    Setting(name="discover", parse=parse_switch, default="false", metavar="", group=_PEERS,
            help="find nodes that share no network with this one, and be found by them"),
    Setting(name="bootstrap", parse=parse_peer, default=(), metavar="NODEID@HOST:PORT", group=_PEERS, several=True,
            help="a node that knows others, to begin with; may be repeated. Means --discover"),
    Setting(name="announce", parse=parse_announced, default=(), metavar="IP:PORT", group=_PEERS, several=True,
            help="where other nodes reach this one, if not where --quic listens; may be repeated, the first four "
                 "count"),
    Setting(name="ask_found", parse=parse_switch, default="false", metavar="", group=_PEERS,
            help="send prompts also to nodes that --discover found, though nobody vouches for them"),
    Setting(name="found_peers", parse=between(0, 128), default="16", metavar="N", group=_PEERS,
            help="nodes that this one finds by itself and stays connected with, in all networks together; 0: none"),
    Setting(name="no_mdns", parse=parse_switch, default="false", metavar="", group=_PEERS,
            help="neither show this node's id on the LAN nor look there; on loopback that is never done"),
    Setting(name="allow", parse=parse_allowed, default=(), metavar="NODEID|any", group=_PEERS, several=True,
            help="who may use this node over QUIC; may be repeated. Default: any while --quic is a loopback "
                 "address, otherwise nobody"),
    Setting(name="block", parse=parse_node_id, default=(), metavar="NODEID", group=_PEERS, several=True,
            help="a node that is neither served nor used, whatever --allow and --peer say; may be repeated"),
    Setting(name="share", parse=parse_row, default=(), metavar="NETWORK=MODEL", group=_PEERS, several=True,
            help="a model that peers may use in a network (NETWORK: direct, or an id; MODEL: an id, all or none); may "
                 "be repeated. A network that is not named gets every model"),
    Setting(name="peer_slots", parse=between(0, 256), default="0", metavar="N", group=_PEERS,
            help="requests of peers answered at the same time, so that the rest of --slots is yours; 0: no such bound"),
    Setting(name="paused", parse=parse_switch, default="false", metavar="", group=_PEERS,
            help="offer nothing to peers and take no request of theirs"),
    Setting(name="allowance", parse=between(0, MAX_CREDITS), default="100000000", metavar="MICRO_CREDITS",
            group=_CREDIT, help="what this node gives unearned in 24 hours, to all consumers together"),
    Setting(name="max_spend", parse=between(0, MAX_CREDITS), default="4000000", metavar="MICRO_CREDITS",
            group=_CREDIT, help="most that one request of yours may cost at a peer"),
    Setting(name="price_in", parse=between(0, 1_000_000), default="1", metavar="MICRO_CREDITS", group=_CREDIT,
            help="your price of one prompt token"),
    Setting(name="price_out", parse=between(0, 1_000_000), default="4", metavar="MICRO_CREDITS", group=_CREDIT,
            help="your price of one generated token"),
    Setting(name="ledger", parse=parse_ledger, default="", metavar="URL", group=_CREDIT, veiled=True,
            help="the database of the networks that this node settles for (default: ledger.db in the home directory): "
                 "sqlite:///FILE, postgresql://USER@HOST/NAME or mariadb://USER@HOST/NAME; a password belongs into "
                 "the variable or the file, since other users see command lines"),
)  # fmt: skip

if tuple(sorted(s.name for s in SETTINGS)) != tuple(sorted(f.name for f in fields(Settings))):
    raise AssertionError("SETTINGS and Settings name different settings")


def show(setting: Setting, settings: Settings) -> object:
    """The value in a form for people and for JSON; never a secret."""
    value = getattr(settings, setting.name)
    if setting.secret:
        return "(set, not shown)" if value else "(not set)"
    if setting.veiled:
        return without_password(value) or "(in the home directory)"
    if setting.name in ("allow", "block"):
        written = ["any" if entry is None else encode_node_id(entry) for entry in value]
        return str(settings.access) if setting.name == "allow" and not written else written
    if setting.name == "share":
        return settings.sharing.texts()
    if isinstance(value, tuple):
        return [str(item) for item in value]
    return value if isinstance(value, bool | int | str) else str(value or "")
