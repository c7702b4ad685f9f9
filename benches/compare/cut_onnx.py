"""Cuts an ONNX network after its global average pooling, which gives the features.

    python benches/compare/cut_onnx.py WHOLE.onnx CUT.onnx BATCH=FILE.onnx...

CUT.onnx takes any number of photos, and each FILE.onnx a fixed one.
"""

import sys

import onnx

if len(sys.argv) < 3:
    raise SystemExit("usage: cut_onnx.py WHOLE.onnx CUT.onnx BATCH=FILE.onnx...")
whole, cut = sys.argv[1:3]

graph = onnx.load(whole).graph
pooled = [node for node in graph.node if node.op_type in ["GlobalAveragePool", "ReduceMean", "Flatten"]]
if not pooled:
    raise SystemExit(f"{whole} has no global average pooling")
onnx.utils.extract_model(whole, cut, [graph.input[0].name], [pooled[-1].output[0]], check_model=False)
for word in sys.argv[3:]:
    batch, _, path = word.partition("=")
    model = onnx.load(cut)
    for value in [*model.graph.input, *model.graph.output]:
        if value.type.tensor_type.shape.dim:
            value.type.tensor_type.shape.dim[0].dim_value = int(batch)
    # The shapes between were those of any batch size.
    del model.graph.value_info[:]
    onnx.save(model, path)
