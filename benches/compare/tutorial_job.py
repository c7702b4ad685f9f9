"""The training loop of PyTorch's tutorial "Transfer Learning for Computer Vision".

It follows the section "ConvNet as fixed feature extractor":
https://docs.pytorch.org/tutorials/beginner/transfer_learning_tutorial.html

    python benches/compare/tutorial_job.py DATA WEIGHTS.pth OUT [--epochs 15]

As in the tutorial, every epoch augments every photo and runs the whole network on it, in batches
of 4. The differences are Adam with 1e-3 instead of SGD (as in Kindling), 15 epochs instead of 25,
and weights and photos from the command line. As in the tutorial, `model.train()` also updates
BatchNorm's running statistics. The best epoch is saved to OUT/model.pth. Prints one line of JSON.
"""

import time

start = time.perf_counter()

import argparse
import json
import pathlib
import tempfile

import torch
import torchvision
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

PHASES = {"imports": time.perf_counter() - start}
NORMALIZE = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
TRANSFORMS = {
    "train": transforms.Compose([
        transforms.RandomResizedCrop(224), transforms.RandomHorizontalFlip(), transforms.ToTensor(), NORMALIZE,
    ]),
    "val": transforms.Compose([
        transforms.Resize(256), transforms.CenterCrop(224), transforms.ToTensor(), NORMALIZE,
    ]),
}


def frozen_network(weights, classes):
    model = torchvision.models.resnet18()
    model.load_state_dict(torch.load(weights, weights_only=True))
    for parameter in model.parameters():
        parameter.requires_grad = False
    model.fc = torch.nn.Linear(model.fc.in_features, classes)
    return model


def run_phase(phase, model, loader, criterion, optimizer):
    """Runs one pass over the train or val photos. Returns the loss and accuracy."""
    training = phase == "train"
    model.train(training)
    loss_sum, right = 0.0, 0
    for photos, labels in loader:
        optimizer.zero_grad()
        with torch.set_grad_enabled(training):
            logits = model(photos)
            loss = criterion(logits, labels)
            if training:
                loss.backward()
                optimizer.step()
        loss_sum += loss.item() * len(photos)
        right += (logits.argmax(1) == labels).sum().item()
    return loss_sum / len(loader.dataset), right / len(loader.dataset)


def train_model(model, loaders, epochs):
    """Trains `model`, loads the best epoch's weights and returns its validation accuracy."""
    criterion = torch.nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.fc.parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=7, gamma=0.1)
    with tempfile.TemporaryDirectory() as folder:
        best_path, best = pathlib.Path(folder) / "best.pth", -1.0
        for _ in range(epochs):
            run_phase("train", model, loaders["train"], criterion, optimizer)
            scheduler.step()
            _, accuracy = run_phase("val", model, loaders["val"], criterion, optimizer)
            if accuracy > best:
                best = accuracy
                torch.save(model.state_dict(), best_path)
        model.load_state_dict(torch.load(best_path, weights_only=True))
    return best


def main():
    parser = argparse.ArgumentParser(description="Runs the tutorial's training loop.")
    parser.add_argument("data", metavar="DATA", help="folder with train/<class>/* and val/<class>/*")
    parser.add_argument("weights", metavar="WEIGHTS", help="ResNet-18's state dict (.pth)")
    parser.add_argument("out", metavar="OUT", type=pathlib.Path, help="folder for model.pth")
    parser.add_argument("--epochs", type=int, default=15)
    options = parser.parse_args()

    torch.manual_seed(0)
    begin = time.perf_counter()
    photos = {part: ImageFolder(f"{options.data}/{part}", transform) for part, transform in TRANSFORMS.items()}
    loaders = {part: DataLoader(photos[part], batch_size=4, shuffle=True, num_workers=4) for part in photos}
    model = frozen_network(options.weights, len(photos["train"].classes))
    PHASES["weights"] = time.perf_counter() - begin

    begin = time.perf_counter()
    accuracy = train_model(model, loaders, options.epochs)
    PHASES["training"] = time.perf_counter() - begin

    begin = time.perf_counter()
    options.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), options.out / "model.pth")
    PHASES["saving"] = time.perf_counter() - begin
    print(json.dumps({
        "photos": sum(map(len, photos.values())),
        # Every epoch computes the features again, so they have no separate time.
        "feature_seconds": None,
        "training_seconds": PHASES["training"],
        "val_accuracy": accuracy,
        "phases": PHASES,
    }))


# On macOS, worker processes import this file. The guard keeps them from running the job.
if __name__ == "__main__":
    main()
