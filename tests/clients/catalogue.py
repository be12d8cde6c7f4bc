"""The clients: what is installed, in which version, and what it is made to do."""

from __future__ import annotations

from collections.abc import Mapping

from . import plays
from .install import NPM, PYPI, Package
from .nodes import LOCAL, REMOTE
from .plays import ANY_REFUSAL, Client

NO_HTTP = "Invalid HTTP request received."
"""uvicorn's word on bytes that are none; schemathesis sends such headers."""
REFUSALS: frozenset[int | str] = frozenset((400, 404))

_LANGCHAIN = ("langchain==1.5.2", "langchain-openai==1.7.4", "langchain-anthropic==1.7.10", "langgraph==1.2.24")
_NODE_SDKS = ("openai@6.49.0", "@anthropic-ai/sdk@1.14.0", "zod@4.6.7")
_AIDER = Package(PYPI, ("aider-chat==0.86.2",))

PREDECESSOR = Package(PYPI, ("mycellm==0.8.0",))
"""What was deployed before this node; a benchmark compares them."""


def _vocabulary() -> Mapping[str, str]:
    """LangChain's default embeddings fetch the vocabulary of OpenAI's models; a package of aider's carries it."""
    found = list(_AIDER.folder().glob("lib/python3*/site-packages/litellm/litellm_core_utils/tokenizers"))
    return {"TIKTOKEN_CACHE_DIR": str(found[0])} if found else {}


CLIENTS = (
    Client(
        name="openai", package=Package(PYPI, ("openai==3.57.0",)), play=plays.sdk, exports=("openai",),
        program="openai_turns.py", tolerated=REFUSALS,
    ),
    Client(
        name="anthropic", package=Package(PYPI, ("anthropic==2.14.0",)), play=plays.sdk, exports=("anthropic",),
        program="anthropic_turns.py", tolerated=REFUSALS,
    ),
    Client(
        name="node-sdks", package=Package(NPM, _NODE_SDKS), play=plays.sdk, exports=("openai", "anthropic"),
        program="node_sdks.mjs", tolerated=REFUSALS,
    ),
    Client(
        name="langchain", package=Package(PYPI, _LANGCHAIN), play=plays.sdk, exports=("langchain",),
        program="langchain_turns.py", environ=_vocabulary,
    ),
    Client(
        name="claude-code", package=Package(NPM, ("@anthropic-ai/claude-code@2.1.197",)), play=plays.claude,
        exports=("claude-code",),
    ),
    Client(
        name="opencode", package=Package(NPM, ("opencode-ai@1.18.33",)), play=plays.opencode, exports=("opencode",),
    ),
    Client(
        name="codex", package=Package(NPM, ("@openai/codex@0.169.0",)), play=plays.codex, exports=("codex",),
        tolerated=frozenset((426,)),
    ),
    Client(name="aider", package=_AIDER, play=plays.aider, exports=("aider",)),
    Client(
        name="llm-comply", package=Package(PYPI, ("llm-comply==0.5.0",)), play=plays.comply, places=(LOCAL, REMOTE),
        tolerated=REFUSALS,
    ),
    Client(
        name="schemathesis", package=Package(PYPI, ("schemathesis==4.32.5",)), play=plays.schemathesis,
        places=(LOCAL,), tolerated=ANY_REFUSAL | {NO_HTTP},
    ),
)  # fmt: skip
BY_NAME = {client.name: client for client in CLIENTS}
