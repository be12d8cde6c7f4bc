"""Adopts an ONNX directory as people have it from optimum, transformers.js or onnxruntime-genai exports.

Needs one ``model*.onnx`` with the usual decoder inputs and outputs, ``config.json``, ``tokenizer.json`` and a chat
template (``tokenizer_config.json`` or ``chat_template.jinja``); heeds ``generation_config.json`` and
``genai_config.json``.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
from onnx.external_data_helper import uses_external_data
from tokenizers import Tokenizer

from reference_node.models.cache import file_entry
from reference_node.models.errors import ModelError, Progress, ProgressCallback
from reference_node.models.gguf_import import TOKENIZER_NAME
from reference_node.models.manifest import GenerationDefaults, GraphIo, Manifest

IMPORTER = "mycellm-onnx-1"
"""Raised with every change of what an import makes of the same files."""

MAX_JSON_BYTES = 64 << 20
"""Above the largest tokenizer.json in use (about 35 MB)."""

CONTEXT_KEYS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length")
PLAIN_INPUTS = frozenset({"input_ids", "attention_mask", "position_ids"})
CACHE_NAME = re.compile(r"(?:past_key_values|present)\.(\d+)\.(?:key|value)")

Json = dict[str, Any]


def directory_key(source: Path, model_id: str, watch: ProgressCallback) -> str:
    """A key that changes with every file that `adopt_directory` reads."""
    graph = _find_graph(source)
    whole = hashlib.sha256(f"{IMPORTER}\n{model_id}\n".encode())
    names = [graph.name, *_external_files(_load_graph(graph), source)]
    for name in (*names, *sorted(path.name for path in source.iterdir() if path.suffix in (".json", ".jinja"))):
        entry = file_entry(source / name, _watch(watch, "hash", name))
        whole.update(f"{entry.name} {entry.sha256}\n".encode())
    return whole.hexdigest()


def adopt_directory(source: Path, folder: Path, model_id: str, watch: ProgressCallback) -> Manifest:
    """Copies the model's files into ``folder`` and returns its manifest. Raises `ModelError` naming what is missing."""
    graph_path = _find_graph(source)
    model = _load_graph(graph_path)
    config, chat = _json(source, "config.json", needed=True), _json(source, "tokenizer_config.json")
    generation, genai = _json(source, "generation_config.json"), _json(source, "genai_config.json").get("model", {})
    layers, kv_heads, head_size = _cache_dims(model, config, graph_path)
    names = [graph_path.name, *_external_files(model, source), TOKENIZER_NAME]
    template = _chat_template(source, chat)
    tokenizer = _tokenizer(source / TOKENIZER_NAME)
    eos = _token_text(chat.get("eos_token"))
    ends = _end_tokens(tokenizer, eos, config, generation, genai)
    for done, name in enumerate(names):
        watch(Progress(stage="copy", done=done, total=len(names), detail=name))
        shutil.copyfile(source / name, folder / name)
    return Manifest(
        id=model_id,
        variant="onnx",
        owner="local",
        license="unknown",
        source=file_entry(graph_path).sha256,
        exporter=IMPORTER,
        io=GraphIo.DECODER,
        graph=graph_path.name,
        context_length=_context_length(config, genai, graph_path),
        layers=layers,
        kv_heads=kv_heads,
        head_size=head_size,
        vocabulary=int(config.get("vocab_size", tokenizer.get_vocab_size())),
        end_tokens=tuple(ends),
        bos_token=_token_text(chat.get("bos_token")),
        eos_token=eos,
        chat_template=template,
        generation=_generation(generation),
        files=tuple(file_entry(folder / name, _watch(watch, "hash", name)) for name in names),
    )


def _find_graph(source: Path) -> Path:
    if (source / "model.onnx").is_file():
        return source / "model.onnx"
    found = sorted(source.glob("model*.onnx"))
    if len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        raise ModelError(f"{source} must hold model.onnx or exactly one model*.onnx (found: {listed}).")
    return found[0]


def _load_graph(path: Path) -> onnx.ModelProto:
    try:
        return onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's exceptions are outside onnx's interface
        raise ModelError(f"{path} is not a readable ONNX graph ({error}).") from error


def _external_files(model: onnx.ModelProto, source: Path) -> list[str]:
    """Data files that the graph refers to. They must lie beside it: a path could name any file of this machine."""
    names = set()
    for tensor in _tensors(model.graph):
        if uses_external_data(tensor):
            names.add(next((entry.value for entry in tensor.external_data if entry.key == "location"), ""))
    for name in names:
        if Path(name).name != name or name in ("", ".", "..") or not (source / name).is_file():
            raise ModelError(f"The graph in {source} refers to the data file {name!r}, which does not lie beside it.")
    return sorted(names)


def _tensors(graph: onnx.GraphProto) -> Iterator[onnx.TensorProto]:
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for inner in (attribute.g, *attribute.graphs):
                yield from _tensors(inner)


def _cache_dims(model: onnx.ModelProto, config: Json, path: Path) -> tuple[int, int, int]:
    """Layers, KV heads and head size, from the graph's inputs where they are fixed, else from the configuration."""
    inputs = {item.name: item for item in model.graph.input}
    pasts = {name for name in inputs if CACHE_NAME.fullmatch(name)}
    layers = len(pasts) // 2
    wanted = {f"past_key_values.{layer}.{part}" for layer in range(layers) for part in ("key", "value")}
    outputs = {item.name for item in model.graph.output}
    presents = {name.replace("past_key_values", "present") for name in wanted}
    unknown = set(inputs) - pasts - PLAIN_INPUTS
    if (
        not layers
        or pasts != wanted
        or outputs != presents | {"logits"}
        or not set(inputs) >= {"input_ids", "attention_mask"}
    ):
        raise ModelError(
            f"{path} is no decoder with KV cache: it needs input_ids, attention_mask and past_key_values.N.key/value, "
            "and must give logits and present.N.key/value. Export it with --task text-generation-with-past."
        )
    if unknown:
        raise ModelError(f"{path} has inputs that are not supported: {', '.join(sorted(unknown))}.")
    dims = [dim.dim_value for dim in inputs["past_key_values.0.key"].type.tensor_type.shape.dim]
    heads = int(config.get("num_attention_heads", 0))
    kv_heads = dims[1] or int(config.get("num_key_value_heads", heads))
    head_size = dims[3] or int(config.get("head_dim", int(config.get("hidden_size", 0)) // max(heads, 1)))
    if kv_heads < 1 or head_size < 1:
        raise ModelError(f"Neither {path} nor its config.json says how many KV heads of which size the model has.")
    return layers, kv_heads, head_size


def _context_length(config: Json, genai: Json, path: Path) -> int:
    for value in (*(config.get(key) for key in CONTEXT_KEYS), genai.get("context_length")):
        if isinstance(value, int) and value > 0:
            return value
    raise ModelError(f"The config.json beside {path} does not say the context length ({', '.join(CONTEXT_KEYS)}).")


def _chat_template(source: Path, chat: Json) -> str:
    file = source / "chat_template.jinja"
    template = file.read_text(encoding="utf-8") if file.is_file() else chat.get("chat_template")
    if isinstance(template, list):
        template = next((entry.get("template") for entry in template if entry.get("name") == "default"), None)
    if not isinstance(template, str) or not template:
        raise ModelError(f"{source} carries no chat template (chat_template.jinja or tokenizer_config.json).")
    return template


def _tokenizer(path: Path) -> Tokenizer:
    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:
        raise ModelError(f"{path} is missing or no readable tokenizer ({error}).") from error


def _end_tokens(tokenizer: Tokenizer, eos: str, *configs: Json) -> list[int]:
    found: set[int] = set()
    for config in configs:
        value = config.get("eos_token_id")
        found.update(value if isinstance(value, list) else [value] if isinstance(value, int) else [])
    named = tokenizer.token_to_id(eos) if eos else None
    if named is not None:
        found.add(named)
    if not found:
        raise ModelError(
            "No file of the directory names an end-of-text token (eos_token_id), so that no answer would end."
        )
    return sorted(found)


def _generation(config: Json) -> GenerationDefaults:
    def millionths(key: str, default: float) -> int:
        value = config.get(key)
        return round((default if value is None else float(value)) * 1_000_000)

    greedy = config.get("do_sample") is False
    return GenerationDefaults(
        temperature=0 if greedy else millionths("temperature", 1.0),
        top_p=millionths("top_p", 1.0),
        top_k=int(config.get("top_k") or 0),
        min_p=millionths("min_p", 0.0),
    )


def _json(source: Path, name: str, *, needed: bool = False) -> Json:
    path = source / name
    if not path.is_file():
        if needed:
            raise ModelError(f"{source} lacks {name}.")
        return {}
    if path.stat().st_size > MAX_JSON_BYTES:
        raise ModelError(f"{path} is larger than {MAX_JSON_BYTES} bytes.")
    try:
        value = json.loads(path.read_bytes())
    except ValueError as error:
        raise ModelError(f"{path} is not valid JSON ({error}).") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path} is not a JSON object.")
    return value


def _token_text(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _watch(watch: ProgressCallback, stage: str, name: str) -> Callable[[int, int], None]:
    return lambda done, total: watch(Progress(stage=stage, done=done, total=total, detail=name))
