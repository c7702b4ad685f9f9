"""Writes narrow.onnx: the network of tests/fixtures/narrow.pth as PyTorch exports it.

    python3 -m venv venv && venv/bin/pip install torch torchvision safetensors pillow onnx
    venv/bin/python shaders-tests/onnx/make_narrow.py

The committed file was made with torch 2.15.0, torchvision 0.29.2 and onnx 1.23.2. The weights are
those of the fixture, loaded strictly into the network of tests/fixtures/make.py, so the reference
values stay the same.
"""

import sys
from pathlib import Path

import onnx
import torch

HERE = Path(__file__).resolve().parent
FIXTURES = HERE.parents[1] / "tests" / "fixtures"
sys.path.insert(0, str(FIXTURES))
from make import NarrowResNet  # noqa: E402

network = NarrowResNet().eval()
network.load_state_dict(torch.load(FIXTURES / "narrow.pth", weights_only=True), strict=True)
torch.onnx.export(
    network,
    (torch.zeros(2, 3, 64, 64),),
    HERE / "narrow.onnx",
    # The TorchScript exporter needs no other package.
    dynamo=False,
    opset_version=17,
    # EVAL would fold each BatchNorm into its convolution. PRESERVE keeps them, so that reading them
    # is tested.
    training=torch.onnx.TrainingMode.PRESERVE,
    do_constant_folding=False,
    input_names=["photos"],
    output_names=["logits"],
    dynamic_axes={"photos": {0: "count", 2: "height", 3: "width"}, "logits": {0: "count"}},
)
onnx.checker.check_model(HERE / "narrow.onnx", full_check=True)
