"""The frozen features of a photo folder in PyTorch, the way its documentation does it.

    python benches/compare/pytorch_features.py DATA WEIGHTS.pth

Prints the photos and the seconds from the first photo to the last feature (imports and the reading of
the weights left out). Set GOMP_SPINCOUNT=0: without it PyTorch's threads spin against the decoders.
"""

import os
import sys
import time

import torch
import torchvision
from torch.utils.data import ConcatDataset, DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

data, weights = sys.argv[1:3]
recipe = transforms.Compose([
    transforms.Resize(256),
    transforms.CenterCrop(224),
    transforms.ToTensor(),
    transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
])
network = torchvision.models.resnet18()
network.load_state_dict(torch.load(weights, weights_only=True))
network.fc = torch.nn.Identity()
network.eval()
photos = ConcatDataset([ImageFolder(f"{data}/{part}", recipe) for part in ["train", "val"]])
loader = DataLoader(photos, batch_size=32, num_workers=os.cpu_count())
start = time.perf_counter()
with torch.inference_mode():
    features = torch.cat([network(batch) for batch, _ in loader])
seconds = time.perf_counter() - start
print(f"{len(features)} photos in {seconds:.1f} s ({len(features) / seconds:.1f} photos/s)")
