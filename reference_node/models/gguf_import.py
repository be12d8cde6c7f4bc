"""Converts a GGUF file into a model folder: graph, tokenizer and manifest."""

from __future__ import annotations

from pathlib import Path

from reference_node.models.cache import file_entry, write_synced
from reference_node.models.errors import ModelError, Progress, ProgressCallback
from reference_node.models.gguf_file import GgufFile
from reference_node.models.llama_graph import export_llama
from reference_node.models.manifest import GenerationDefaults, GraphIo, Manifest
from reference_node.models.variants import PRODUCER, Variant
from reference_node.models.vocabulary import special_tokens, tokenizer_json

GRAPH_NAME = "model.onnx"
TOKENIZER_NAME = "tokenizer.json"


def faithful_variant(source: GgufFile) -> Variant:
    """The variant that gives fp32's text at the least cost: quality decides what is served."""
    return Variant.INT4 if source.any_int4() else Variant.FP32


def convert_gguf(
    path: Path,
    folder: Path,
    *,
    model_id: str,
    variant: str | None,
    sha256: str,
    generation: GenerationDefaults,
    watch: ProgressCallback,
) -> Manifest:
    """Writes the model's files into ``folder`` and returns its manifest. Raises `ModelError`."""
    source = GgufFile(path)
    chosen = Variant(variant) if variant else faithful_variant(source)
    template = source.field("tokenizer.chat_template")
    if not template:
        raise ModelError(
            f"{source.path.name} carries no chat template; only chat models can be served. Import another file."
        )
    bos, eos, ends = special_tokens(source)
    write_synced(folder / TOKENIZER_NAME, tokenizer_json(source).encode())

    def layers(done: int, total: int) -> None:
        watch(Progress(stage="convert", done=done, total=total, detail=f"{model_id} {chosen}, layers"))

    export_llama(source, folder, chosen, watch=layers)
    names = (GRAPH_NAME, f"{GRAPH_NAME}.data", TOKENIZER_NAME)
    return Manifest(
        id=model_id,
        variant=chosen.value,
        owner=str(source.field("general.organization", "local")),
        license=str(source.field("general.license", "unknown")),
        source=sha256,
        exporter=PRODUCER,
        io=GraphIo.POOLED,
        graph=GRAPH_NAME,
        context_length=source.shape.context,
        layers=source.shape.layers,
        kv_heads=source.shape.kv_heads,
        head_size=source.shape.head_size,
        vocabulary=source.shape.vocabulary,
        end_tokens=tuple(ends),
        bos_token=bos,
        eos_token=eos,
        chat_template=template,
        generation=generation,
        files=tuple(file_entry(folder / name) for name in names),
    )
