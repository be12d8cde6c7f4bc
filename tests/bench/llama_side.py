"""llama.cpp's figures, for `other_engines`: runs in an environment of its own, with llama-cpp-python and nothing else.

Takes a JSON object as its argument (model, threads, streams, prompts, rounds) and prints one: tokens per second.
"""

from __future__ import annotations

import ctypes
import json
import sys
import time
from typing import Any

import llama_cpp as llama

STEPS, PROMPT = 48, 40


class Side:
    """A model and a context for ``streams`` sequences of ``context`` tokens each."""

    def __init__(self, asked: dict[str, Any], streams: int, context: int) -> None:
        self._model = llama.llama_model_load_from_file(asked["model"].encode(), llama.llama_model_default_params())
        params = llama.llama_context_default_params()
        params.n_ctx, params.n_seq_max = streams * context, streams
        params.n_batch = max(streams * context, 512)
        params.n_threads = params.n_threads_batch = asked["threads"]
        self._context = llama.llama_init_from_model(self._model, params)
        self._batch = llama.llama_batch_init(params.n_batch, 0, 1)
        self._streams = streams

    def feed(self, rows: list[tuple[int, int, int, bool]]) -> None:
        """Decodes rows of token, position, stream and whether its logits are wanted."""
        batch = self._batch
        batch.n_tokens = len(rows)
        for i, (token, position, stream, wanted) in enumerate(rows):
            batch.token[i], batch.pos[i], batch.logits[i] = token, position, wanted
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, stream
        if llama.llama_decode(self._context, batch):
            raise RuntimeError("llama_decode failed")
        llama.llama_synchronize(self._context)

    def clear(self) -> None:
        """Forgets all sequences."""
        llama.llama_memory_clear(llama.llama_get_memory(self._context), True)

    def prefill(self, length: int) -> float:
        """Tokens per second of one prompt."""
        self.clear()
        rows = [(1000 + i % 40_000, i, 0, i == length - 1) for i in range(length)]
        began = time.perf_counter()
        self.feed(rows)
        return length / (time.perf_counter() - began)

    def decode(self) -> float:
        """Tokens per second of all streams together."""
        self.clear()
        for stream in range(self._streams):
            self.feed([(1000 + i, i, stream, i == PROMPT - 1) for i in range(PROMPT)])
        began = time.perf_counter()
        for position in range(PROMPT, PROMPT + STEPS):
            self.feed([(2000 + position, position, stream, True) for stream in range(self._streams)])
        return STEPS * self._streams / (time.perf_counter() - began)


def main(asked: dict[str, Any]) -> dict[str, Any]:
    """The best of some rounds of each figure."""
    quiet = llama.llama_log_callback(lambda _level, _text, _data: None)
    llama.llama_log_set(quiet, ctypes.c_void_p(0))
    llama.llama_backend_init()
    rounds, decode = asked["rounds"], dict[int, float]()
    for streams in asked["streams"]:
        side = Side(asked, streams, 256)
        decode[streams] = round(max(side.decode() for _ in range(rounds)), 1)
    side = Side(asked, 1, max(asked["prompts"]) + 8)
    prefill = {length: round(max(side.prefill(length) for _ in range(rounds)), 1) for length in asked["prompts"]}
    return {"version": llama.__version__, "weights": "Q4_1", "decode": decode, "prefill": prefill}


if __name__ == "__main__":
    print(json.dumps(main(json.loads(sys.argv[1]))))
