"""An ONNX directory in Hugging Face's form, made from the tiny model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from reference_node.models.gguf_file import GgufFile
from reference_node.models.llama_graph import export_llama
from reference_node.models.variants import Variant
from reference_node.models.vocabulary import tokenizer_json
from tests.models.tiny import CONTEXT, HEADS, KV_HEADS, TEMPLATE, VOCABULARY, WIDTH


def write_decoder(folder: Path, gguf: Path) -> Path:
    """Writes the directory and returns it. Its graph computes the sequence lengths from the attention mask."""
    folder.mkdir()
    source = GgufFile(gguf)
    export_llama(source, folder, Variant.FP32)
    _adapt(folder / "model.onnx")
    (folder / "tokenizer.json").write_text(tokenizer_json(source))
    shape = {"num_attention_heads": HEADS, "num_key_value_heads": KV_HEADS, "hidden_size": WIDTH}
    config = {"max_position_embeddings": CONTEXT, "vocab_size": VOCABULARY, "eos_token_id": 0, **shape}
    write_json(folder / "config.json", config)
    write_json(folder / "tokenizer_config.json", {"chat_template": TEMPLATE, "eos_token": {"content": "<|end|>"}})
    write_json(folder / "generation_config.json", {"temperature": 0.5, "top_k": 7, "eos_token_id": [0, 3]})
    return folder


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value))


def _adapt(path: Path) -> None:
    model = onnx.load(path, load_external_data=False)
    graph = model.graph
    kept = [item for item in graph.input if item.name not in ("seqlens_k", "total_len", "logit_idx")]
    del graph.input[:]
    graph.input.extend([*kept, helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "total"])])
    graph.input.append(helper.make_tensor_value_info("position_ids", TensorProto.INT64, ["batch", "step"]))
    constants = {
        "one": np.array(1),
        "one.axis": np.array([1]),
        "zero": np.array(0),
        "flat": np.array([1, -1, VOCABULARY]),
    }
    graph.initializer.extend(numpy_helper.from_array(value.astype(np.int64), name) for name, value in constants.items())
    nodes = [
        helper.make_node("ReduceSum", ["attention_mask", "one.axis"], ["lengths"], keepdims=0),
        helper.make_node("Sub", ["lengths", "one"], ["lengths.less"]),
        helper.make_node("Cast", ["lengths.less"], ["seqlens_k"], to=TensorProto.INT32),
        helper.make_node("ReduceMax", ["lengths"], ["longest"], keepdims=0),
        helper.make_node("Cast", ["longest"], ["total_len"], to=TensorProto.INT32),
        helper.make_node("Size", ["input_ids"], ["count"]),
        helper.make_node("Range", ["zero", "count", "one"], ["logit_idx"]),
    ]
    body = list(graph.node)
    for node in body:
        if node.output[0] == "logits":
            node.output[0] = "logits.rows"
    body.append(helper.make_node("Reshape", ["logits.rows", "flat"], ["logits"]))
    del graph.node[:]
    graph.node.extend([*nodes, *body])
    others = [item for item in graph.output if item.name != "logits"]
    del graph.output[:]
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "step", VOCABULARY])
    graph.output.extend([logits, *others])
    onnx.save_model(model, path)
