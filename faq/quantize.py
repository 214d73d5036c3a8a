"""Makes of MiniLM's float model one with 8-bit weights: `python -m faq.quantize FLOAT.onnx SMALL.onnx`.

It answers three times as fast in a third of the memory (docs/matching.md, table 5). A process of its own does it,
once, as it needs much memory and talks to the root logger.
"""

import sys
import tempfile
from pathlib import Path

import onnxruntime
from onnxruntime.quantization import QuantType, quantize_dynamic


def quantize(model: Path, small: Path) -> None:
    """Write the model with 8-bit weights, one scale a channel, its activations quantized as they come."""
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain.onnx"
        options = onnxruntime.SessionOptions()
        # The package stores its weights in 8 bits but computes with floats: the casts are worked out first.
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        options.optimized_model_filepath = str(plain)
        onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        quantize_dynamic(plain, small, per_channel=True, weight_type=QuantType.QInt8)


if __name__ == "__main__":
    quantize(Path(sys.argv[1]), Path(sys.argv[2]))
