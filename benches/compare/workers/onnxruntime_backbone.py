"""One forward of ResNet-18's backbone in ONNX Runtime for every line on stdin; prints its seconds.

    python benches/compare/workers/onnxruntime_backbone.py WEIGHTS.pth BATCH

The network is exported by PyTorch at the start, for this batch size alone: that leaves ONNX Runtime the most to optimise.
"""

import pathlib
import sys
import tempfile
import warnings

import onnxruntime
import torch
import torchvision

from protocol import made_up_photos, serve

if len(sys.argv) != 3 or not sys.argv[2].isdigit():
    raise SystemExit("usage: onnxruntime_backbone.py WEIGHTS BATCH")
weights, batch = sys.argv[1], int(sys.argv[2])


def exported_network(path):
    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load(weights, weights_only=True))
    network.fc = torch.nn.Identity()
    network.eval()
    with warnings.catch_warnings():
        # The newer exporter would need a package more. This one's graph is plain: convolutions, BatchNorm folded in.
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.onnx.export(network, torch.zeros(batch, 3, 224, 224), path, input_names=["photos"], dynamo=False)


options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
# `session.intra_op.allow_spinning` stays at its default, on: between the operations of one forward the threads then find
# each other at once, and that is how ONNX Runtime is fast by itself. After a forward they spin a moment longer, so the
# driver pauses before the next program's turn.
with tempfile.TemporaryDirectory() as folder:
    path = pathlib.Path(folder) / "backbone.onnx"
    exported_network(path)
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
photos = made_up_photos(batch)

serve(lambda: session.run(None, {"photos": photos}))
