"""For every line on stdin, runs a network once in ONNX Runtime and prints the seconds.

    python benches/compare/workers/onnxruntime_backbone.py MODEL.onnx BATCH

The model has a fixed batch size, so that ONNX Runtime can optimise as much as possible.
"""

import sys

import onnxruntime

from protocol import photos, serve

if len(sys.argv) != 3 or not sys.argv[2].isdigit():
    raise SystemExit("usage: onnxruntime_backbone.py MODEL.onnx BATCH")
model, batch = sys.argv[1], int(sys.argv[2])

options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
# `session.intra_op.allow_spinning` stays on, the default: spinning threads start the next operation
# of a forward without delay, which makes ONNX Runtime faster. They keep spinning briefly after a
# forward, so the driver pauses before the next program's turn.
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
inputs = {session.get_inputs()[0].name: photos(batch)}

serve(lambda: session.run(None, inputs)[0])
