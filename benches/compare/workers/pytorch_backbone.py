"""For every line on stdin, runs ResNet-18's backbone once in PyTorch and prints the seconds.

    python benches/compare/workers/pytorch_backbone.py WEIGHTS.pth BATCH contiguous|channels_last|fused

`fused` is channels_last with each BatchNorm folded into its convolution, which PyTorch does not do
by default.
"""

import sys

import torch
import torchvision
from torch.fx.experimental.optimization import fuse

from protocol import random_photos, serve

MODES = ["contiguous", "channels_last", "fused"]
if len(sys.argv) != 4 or not sys.argv[2].isdigit() or sys.argv[3] not in MODES:
    raise SystemExit(f"usage: pytorch_backbone.py WEIGHTS BATCH {'|'.join(MODES)}")
weights, batch, mode = sys.argv[1], int(sys.argv[2]), sys.argv[3]

network = torchvision.models.resnet18()
network.load_state_dict(torch.load(weights, weights_only=True))
network.fc = torch.nn.Identity()
network.eval()
photos = torch.from_numpy(random_photos(batch))
if mode == "fused":
    network = fuse(network)
if mode != "contiguous":
    network = network.to(memory_format=torch.channels_last)
    photos = photos.to(memory_format=torch.channels_last)


@torch.inference_mode()
def forward():
    network(photos)


serve(forward)
