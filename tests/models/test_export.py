"""The exporter: against an independent forward pass, cut at layers, and byte for byte."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from reference_node.engine.options import Device, EngineOptions
from reference_node.engine.session import Session, open_session
from reference_node.models.embedded import embedded_gguf
from reference_node.models.errors import ModelError
from reference_node.models.gguf_file import GgufFile
from reference_node.models.llama_graph import LayerRange, export_llama
from reference_node.models.variants import Variant
from tests.models.tiny import LAYERS, VOCABULARY, Reference, Tiny, run_graph, write_tiny

OPTIONS = EngineOptions(threads=1, spin=False)
TOKENS = list(np.random.default_rng(7).integers(4, VOCABULARY, 24))

# The mean difference of logits from the float64 forward pass, over their own mean size. fp32 and int4 differ by
# rounding alone; q8 rounds activations to 8 bits, fp16 everything to 11.
TOLERANCE = {Variant.FP32: 1e-5, Variant.INT4: 1e-5, Variant.Q8: 0.1, Variant.FP16: 0.01}


def error(logits: Any, expected: Any) -> float:
    return float(np.sqrt(np.square(logits - expected).mean() / np.square(expected).mean()))


def load(source: GgufFile, folder: Path, variant: Variant, layers: LayerRange | None = None) -> Session:
    folder.mkdir(exist_ok=True)
    export_llama(source, folder, variant, layers=layers)
    return open_session(folder / "model.onnx", OPTIONS, Device.CPU)


@pytest.mark.parametrize("variant", Variant)
@pytest.mark.parametrize("kind", [Type.Q4_1, Type.Q4_0, Type.Q8_0, Type.F16, Type.F32, Type.Q5_1])
def test_logits_are_those_of_a_float64_forward_pass(tmp_path: Path, variant: Variant, kind: Type) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", Tiny(linear=kind))
    logits = run_graph(load(GgufFile(path), tmp_path / "out", variant), TOKENS)
    expected = Reference(path).logits(TOKENS)
    assert logits.dtype == np.float32
    assert error(logits, expected) < TOLERANCE[variant]


@pytest.mark.parametrize(
    "tiny",
    [Tiny(tied=False), Tiny(rope_factors=True), Tiny(embedding=Type.F32)],
    ids=["untied", "rope", "f32-embedding"],
)
def test_variations_of_the_architecture(tmp_path: Path, tiny: Tiny) -> None:
    path = write_tiny(tmp_path / "tiny.gguf", tiny)
    for variant in (Variant.FP32, Variant.INT4):
        logits = run_graph(load(GgufFile(path), tmp_path / variant, variant), TOKENS)
        assert error(logits, Reference(path).logits(TOKENS)) < TOLERANCE[variant]


def test_only_the_wanted_logits_are_computed(tmp_path: Path) -> None:
    source = GgufFile(write_tiny(tmp_path / "tiny.gguf"))
    session = load(source, tmp_path / "out", Variant.INT4)
    assert run_graph(session, TOKENS, wanted=[23]).shape == (1, VOCABULARY)


# On a CPU, fp16 graphs are computed in fp32 between casts whose places depend on the graph's ends, so it is left out.
@pytest.mark.parametrize("variant", [Variant.FP32, Variant.INT4, Variant.Q8])
def test_a_cut_at_a_layer_changes_no_bit(tmp_path: Path, variant: Variant) -> None:
    source = GgufFile(write_tiny(tmp_path / "tiny.gguf"))
    whole = run_graph(load(source, tmp_path / "whole", variant), TOKENS)
    first = load(source, tmp_path / "first", variant, LayerRange(first=0, last=1, of=LAYERS))
    second = load(source, tmp_path / "second", variant, LayerRange(first=1, last=2, of=LAYERS))
    logits = run_graph(second, TOKENS, hidden=run_graph(first, TOKENS))
    assert logits.tobytes() == whole.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("variant", [Variant.FP32, Variant.INT4])
def test_cuts_of_the_default_model_change_no_bit(tmp_path: Path, variant: Variant) -> None:
    source = GgufFile(embedded_gguf())
    layers = source.shape.layers
    tokens = TOKENS * 2
    whole = run_graph(load(source, tmp_path / "whole", variant), tokens)
    for cuts in ((0, 15, layers), (0, 10, 20, layers)):
        hidden = None
        for first, last in itertools.pairwise(cuts):
            part = load(source, tmp_path / "part", variant, LayerRange(first=first, last=last, of=layers))
            hidden = run_graph(part, tokens, hidden=hidden)
        assert hidden is not None
        assert hidden.tobytes() == whole.tobytes()


@pytest.mark.slow
@pytest.mark.parametrize("variant", [Variant.FP32, Variant.INT4])
def test_the_default_model_is_that_of_a_float64_forward_pass(tmp_path: Path, variant: Variant) -> None:
    path = embedded_gguf()
    logits = run_graph(load(GgufFile(path), tmp_path / "out", variant), TOKENS)
    assert np.abs(logits - Reference(path).logits(TOKENS)).max() < 1e-3


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    path = write_tiny(tmp_path / "tiny.gguf")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        export_llama(GgufFile(path), tmp_path / name, Variant.INT4)
    for name in ("model.onnx", "model.onnx.data"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_range_outside_the_model_is_refused(tmp_path: Path) -> None:
    source = GgufFile(write_tiny(tmp_path / "tiny.gguf"))
    with pytest.raises(ModelError, match=r"No layers 1\.\.3"):
        export_llama(source, tmp_path, Variant.FP32, layers=LayerRange(first=1, last=3, of=LAYERS))
