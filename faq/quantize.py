"""Makes of MiniLM's package a model that answers faster: `python -m faq.quantize PACKAGE.onnx SMALL.onnx`.

The package computes with floats, in some three hundred small steps. Here its weights become 8-bit ones in a graph of
some sixty steps that onnxruntime has a kernel for, each a part of BERT (Devlin and others, 2019): it answers in a
third of the time with a third of the memory (docs/matching.md, table 5). A process of its own does it, once, as it
needs much memory and talks to the root logger.
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from faq.arrays import Floats

_LAYERS, _HEADS, _WIDTH = 6, 12, 384
# The last layer tells the sense; these, before it, more of the wording (docs/matching.md, table 2).
_LAYERS_OF_WORDING = (3, 4, 5)
_EPSILON = 1e-12  # BERT's, beneath the variance
_MICROSOFT = "com.microsoft"  # onnxruntime's own operators


def quantize(package: Path, small: Path) -> None:
    """Write the model with 8-bit weights, one scale a channel, its activations quantized as they come."""
    with tempfile.TemporaryDirectory() as folder:
        plain, fused = Path(folder) / "plain.onnx", Path(folder) / "fused.onnx"
        options = onnxruntime.SessionOptions()
        # The package stores its weights in 8 bits and turns them into floats first: this is worked out here.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(plain)
        onnxruntime.InferenceSession(package, options, providers=["CPUExecutionProvider"])
        onnx.save(_fused(_weights(onnx.load(plain).graph)), fused)
        # Of what onnxruntime's own operators return, the quantizer does not know that it is floats.
        known = {"DefaultTensorType": TensorProto.FLOAT}
        quantize_dynamic(fused, small, per_channel=True, weight_type=QuantType.QInt8, extra_options=known)


def _weights(graph: onnx.GraphProto) -> dict[str, Floats]:
    """Return the weights by their names in the package; a product's weights, nameless there, go by their bias's."""
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    multiplied = {node.output[0]: node.input[1] for node in graph.node if node.op_type == "MatMul"}
    for node in graph.node:
        if node.op_type == "Add" and node.input[0] in multiplied and node.input[1].endswith(".bias"):
            weights[node.input[1].removesuffix("bias") + "weight"] = weights[multiplied[node.input[0]]]
    return {name.removeprefix("inner."): weight for name, weight in weights.items()}


def _fused(weights: dict[str, Floats]) -> onnx.ModelProto:
    """Return the model that takes the ids of one text's word pieces and returns its two vectors, of length one."""
    graph = _Graph(weights)
    hidden = graph.embedded()
    wording = []
    for layer in range(1, _LAYERS + 1):
        hidden = graph.transformed(hidden, f"encoder.layer.{layer - 1}.")
        if layer in _LAYERS_OF_WORDING:
            wording.append(graph.mean(hidden))
    both = graph.step("Concat", graph.mean(hidden), graph.step("Sum", *wording), axis=0)
    graph.step("LpNormalization", both, output="vectors", axis=1, p=2)
    return graph.model()


class _Graph:
    def __init__(self, weights: dict[str, Floats]) -> None:
        self._weights = weights
        self._steps: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def step(self, kind: str, *inputs: str, output: str = "", domain: str = "", **attributes: Any) -> str:
        """Add a step, and return the name of its output."""
        output = output or f"{kind}_{len(self._steps)}"
        self._steps.append(helper.make_node(kind, inputs, [output], domain=domain, **attributes))
        return output

    def constant(self, name: str, array: Floats) -> str:
        self._constants[name] = numpy_helper.from_array(np.ascontiguousarray(array), name)
        return name

    def weight(self, name: str) -> str:
        return self.constant(name, self._weights[name])

    def embedded(self) -> str:
        """Add up what stands for each word piece and for its place; all are of the first of BERT's two sentences."""
        places = self._weights["embeddings.position_embeddings.weight"]
        first_sentence = self._weights["embeddings.token_type_embeddings.weight"][0]
        pieces = self.step("Gather", self.weight("embeddings.word_embeddings.weight"), "input_ids")
        length = self.step("Shape", "input_ids", start=1, end=2)
        zero = self.constant("zero", np.array([0]))
        placed = self.step("Slice", self.constant("places", places + first_sentence), zero, length, zero)
        name = "embeddings.LayerNorm"
        norm = self.weight(f"{name}.weight"), self.weight(f"{name}.bias")
        return self.step("LayerNormalization", self.step("Add", pieces, placed), *norm, epsilon=_EPSILON)

    def transformed(self, hidden: str, layer: str) -> str:
        """Add one layer: attention, then the two products with a GELU between them, each added to what came in."""
        parts = [f"{layer}attention.self.{part}" for part in ("query", "key", "value")]
        attended = self.step(
            "Attention",
            hidden,
            self.constant(f"{layer}attention.weight", self._joined(parts, "weight")),
            self.constant(f"{layer}attention.bias", self._joined(parts, "bias")),
            domain=_MICROSOFT,
            num_heads=_HEADS,
        )
        hidden = self._added(hidden, attended, f"{layer}attention.output.")
        between = self._product(hidden, f"{layer}intermediate.dense")
        bent = self.step("BiasGelu", between, self.weight(f"{layer}intermediate.dense.bias"), domain=_MICROSOFT)
        return self._added(hidden, bent, f"{layer}output.")

    def mean(self, hidden: str) -> str:
        """Return the mean over the word pieces, scaled to length one."""
        mean = self.step("ReduceMean", hidden, self.constant("length_axis", np.array([1])), keepdims=0)
        return self.step("LpNormalization", mean, axis=1, p=2)

    def _joined(self, parts: Sequence[str], what: str) -> Floats:
        return np.concatenate([self._weights[f"{part}.{what}"] for part in parts], axis=-1)

    def _product(self, hidden: str, name: str) -> str:
        return self.step("MatMul", hidden, self.weight(f"{name}.weight"))

    def _added(self, hidden: str, change: str, part: str) -> str:
        norm = [f"{part}LayerNorm.weight", f"{part}LayerNorm.bias", f"{part}dense.bias"]
        product = self._product(change, f"{part}dense")
        inputs = product, hidden, *map(self.weight, norm)
        return self.step("SkipLayerNormalization", *inputs, domain=_MICROSOFT, epsilon=_EPSILON)

    def model(self) -> onnx.ModelProto:
        ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, [1, "length"])
        vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, [2, _WIDTH])
        graph = helper.make_graph(self._steps, "minilm", [ids], [vectors], [*self._constants.values()])
        versions = [helper.make_opsetid("", 18), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(graph, opset_imports=versions, ir_version=9)


if __name__ == "__main__":
    quantize(Path(sys.argv[1]), Path(sys.argv[2]))
