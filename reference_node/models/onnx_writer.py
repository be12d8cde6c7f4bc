"""Writes an ONNX graph whose weights stream into one data file as they are added, so that only one is in memory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

CONTRIB = "com.microsoft"
"""The operator domain of ONNX Runtime's own kernels."""

OPSET = 21
IR_VERSION = 10

INLINE_LIMIT = 1024
"""Bytes up to which a constant stays inside the graph file, where shape inference can see it."""

ALIGNMENT = 4096
"""Offset alignment of external tensors: a page, so that they can be mapped (ONNX external data, "offset")."""


class GraphWriter:
    """Builds one graph in ``folder``: ``<name>`` and ``<name>.data``. The same calls give the same bytes."""

    def __init__(self, folder: Path, name: str = "model.onnx") -> None:
        self._path = folder / name
        self._location = f"{name}.data"
        self._data = (folder / self._location).open("wb")
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, TensorProto] = {}
        self._values: set[str] = set()
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Adds a weight or a constant once; returns its name."""
        if name not in self._constants:
            values = np.ascontiguousarray(values)
            inline = values.nbytes <= INLINE_LIMIT
            self._constants[name] = numpy_helper.from_array(values, name) if inline else self._stream(name, values)
        return name

    def op(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str | Sequence[str],
        *,
        domain: str = "",
        **attributes: float | str,
    ) -> str:
        """Adds a node; returns its first output. A node whose first output exists already is not added again."""
        outputs = [output] if isinstance(output, str) else list(output)
        if outputs[0] not in self._values:
            self._values.add(outputs[0])
            node = helper.make_node(kind, list(inputs), outputs, name=f"{kind}:{outputs[0]}", domain=domain)
            node.attribute.extend(helper.make_attribute(key, attributes[key]) for key in sorted(attributes))
            self._nodes.append(node)
        return outputs[0]

    def input(self, name: str, kind: int, shape: Sequence[int | str]) -> str:
        """Declares an input of the graph; returns its name."""
        self._inputs.append(helper.make_tensor_value_info(name, kind, list(shape)))
        return name

    def output(self, name: str, kind: int, shape: Sequence[int | str]) -> None:
        """Declares an output of the graph."""
        self._outputs.append(helper.make_tensor_value_info(name, kind, list(shape)))

    def close(self, producer: str) -> None:
        """Writes the graph file. The data file is complete and on disk after this."""
        self._data.flush()
        os.fsync(self._data.fileno())
        self._data.close()
        graph = helper.make_graph(self._nodes, "model", self._inputs, self._outputs, list(self._constants.values()))
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(CONTRIB, 1)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name=producer)
        with self._path.open("wb") as file:
            file.write(model.SerializeToString(deterministic=True))
            file.flush()
            os.fsync(file.fileno())

    def abandon(self) -> None:
        """Closes the data file of a graph that will not be finished."""
        self._data.close()

    def _stream(self, name: str, values: NDArray[Any]) -> TensorProto:
        offset = -(-self._data.tell() // ALIGNMENT) * ALIGNMENT
        self._data.seek(offset)
        self._data.write(values.data if values.dtype != np.float16 else values.view(np.uint16).data)
        tensor = TensorProto(name=name, data_type=helper.np_dtype_to_tensor_dtype(values.dtype), dims=values.shape)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in _external(self._location, offset, values.nbytes):
            entry = tensor.external_data.add()
            entry.key, entry.value = key, value
        return tensor


def _external(location: str, offset: int, length: int) -> Iterable[tuple[str, str]]:
    return (("location", location), ("offset", str(offset)), ("length", str(length)))
