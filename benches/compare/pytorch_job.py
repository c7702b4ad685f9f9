"""Kindling's job in PyTorch on the CPU, well optimised.

    python benches/compare/pytorch_job.py DATA WEIGHTS.pth OUT [--epochs 15]

The frozen network runs once per photo, an fc layer is trained on the features, and the epoch with
the best validation accuracy is saved to OUT/model.pth. Prints one line of JSON. Set
GOMP_SPINCOUNT=0; otherwise PyTorch's threads spin and slow down decoding.

These variants of the network were measured: forwards of 32 photos, ResNet-18 without its fc layer,
taking turns on 2 cores of an AMD EPYC with AVX2, PyTorch 2.15.0, in photos/s:

    contiguous  28.5    channels_last                        38.4
    fused       32.9    fused, channels_last                 43.4    (BatchNorm folded; used here)
                        torch.jit.freeze, channels_last      42.9
                        optimize_for_inference, either       42.5    (oneDNN)
                        fused, to_mkldnn                     41.9

torch.compile with Inductor's freezing, measured on a busy machine, was 8 % faster than
"fused, channels_last", but 800 photos are too few to make up for 14.6 s of compilation. At 8 photos
and at 1, "fused, channels_last" was also within 6 % of the fastest.
"""

import time

start = time.perf_counter()

import argparse
import json
import os
import pathlib

import torch
import torchvision
from torch.fx.experimental.optimization import fuse
from torch.utils.data import ConcatDataset, DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

PHASES = {"imports": time.perf_counter() - start}
BATCH = 32


def timed(name, function, *arguments):
    """Runs `function` and records its seconds as the phase `name`."""
    begin = time.perf_counter()
    result = function(*arguments)
    PHASES[name] = time.perf_counter() - begin
    return result


def load_network(weights):
    network = torchvision.models.resnet18()
    network.load_state_dict(torch.load(weights, weights_only=True))
    return network.eval()


def load_photos(data):
    transform = transforms.Compose([
        transforms.Resize(256),
        transforms.CenterCrop(224),
        transforms.ToTensor(),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ])
    train, val = (ImageFolder(f"{data}/{part}", transform) for part in ["train", "val"])
    if train.classes != val.classes:
        raise SystemExit(f"{data}: train and val have different classes")
    return train, val


@torch.inference_mode()
def extract_features(network, train, val):
    """Features [photos, 512] and labels [photos] of train, then val."""
    head, network.fc = network.fc, torch.nn.Identity()
    backbone = fuse(network).to(memory_format=torch.channels_last)
    network.fc = head
    # Use one loader for both parts, so that its worker processes start only once.
    loader = DataLoader(ConcatDataset([train, val]), batch_size=BATCH, num_workers=os.cpu_count())
    features, labels = [], []
    for photos, classes in loader:
        features.append(backbone(photos.to(memory_format=torch.channels_last)))
        labels.append(classes)
    return torch.cat(features), torch.cat(labels)


def train_head(features, labels, train_count, classes, epochs):
    """Returns the best epoch's head and the validation accuracy of each epoch."""
    # Autograd rejects tensors created in inference_mode. A clone is an ordinary tensor.
    train_x, val_x = features.clone().tensor_split([train_count])
    train_y, val_y = labels.clone().tensor_split([train_count])
    head = torch.nn.Linear(features.shape[1], classes)
    optimizer = torch.optim.Adam(head.parameters(), lr=1e-3)
    accuracies, best = [], None
    for _ in range(epochs):
        for batch in torch.randperm(train_count).split(BATCH):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(head(train_x[batch]), train_y[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            accuracy = (head(val_x).argmax(1) == val_y).double().mean().item()
        if accuracy > max(accuracies, default=-1.0):
            best = {name: tensor.clone() for name, tensor in head.state_dict().items()}
        accuracies.append(accuracy)
    head.load_state_dict(best)
    return head, accuracies


def main():
    parser = argparse.ArgumentParser(description="Extracts features once and trains an fc layer on them.")
    parser.add_argument("data", metavar="DATA", help="folder with train/<class>/* and val/<class>/*")
    parser.add_argument("weights", metavar="WEIGHTS", help="ResNet-18's state dict (.pth)")
    parser.add_argument("out", metavar="OUT", type=pathlib.Path, help="folder for model.pth")
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()

    torch.manual_seed(0)
    network = timed("weights", load_network, options.weights)
    train, val = timed("listing", load_photos, options.data)
    features, labels = timed("features", extract_features, network, train, val)
    head, accuracies = timed("training", train_head, features, labels, len(train), len(train.classes), options.epochs)
    network.fc = head
    options.out.mkdir(parents=True, exist_ok=True)
    timed("saving", torch.save, network.state_dict(), options.out / "model.pth")
    print(json.dumps({
        "photos": len(features),
        "feature_seconds": PHASES["features"],
        "training_seconds": PHASES["training"],
        "val_accuracy": max(accuracies),
        "phases": PHASES,
    }))


# On macOS, worker processes import this file. The guard keeps them from running the job.
if __name__ == "__main__":
    main()
