"""For every line on stdin, runs ResNet-18's backbone once in ONNX Runtime and prints the seconds.

    python benches/compare/workers/onnxruntime_backbone.py WEIGHTS.pth BATCH

PyTorch exports the network at the start, with a fixed batch size, so that ONNX Runtime can optimise
as much as possible.
"""

import pathlib
import sys
import tempfile
import warnings

import onnxruntime
import torch
import torchvision

from protocol import random_photos, serve

if len(sys.argv) != 3 or not sys.argv[2].isdigit():
    raise SystemExit("usage: onnxruntime_backbone.py WEIGHTS BATCH")
weights, batch = sys.argv[1], int(sys.argv[2])


def exported_network(path):
    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.fc = torch.nn.Identity()
    network.eval()
    with warnings.catch_warnings():
        # The newer exporter needs another package. This one gives a plain graph with BatchNorm
        # folded in.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(network, torch.zeros(batch, 3, 224, 224), path, input_names=["photos"], dynamo=False)


options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
# `session.intra_op.allow_spinning` stays on, the default: spinning threads start the next operation
# of a forward without delay, which makes ONNX Runtime faster. They keep spinning briefly after a
# forward, so the driver pauses before the next program's turn.
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "backbone.onnx"
    exported_network(path)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
photos = random_photos(batch)

serve(lambda: session.run(None, {"photos": photos}))
