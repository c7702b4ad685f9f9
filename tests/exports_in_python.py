"""What `kindling export` and `kindling embed` write, in the programs that it is written for.

    python tests/exports_in_python.py target/release/kindling MODEL FOLDER [--parquet]

Exports MODEL in every format, embeds the photos of FOLDER (class folders), and compares torchvision, ONNX
Runtime and Kindling's own features with the head put on them. Needs torch, torchvision, safetensors, onnx,
onnxruntime, numpy, pillow, pyarrow and pandas, and for EfficientNet-Lite0 the package
efficientnet-lite-pytorch (without it that network is compared with ONNX Runtime alone). The photos are first
made PNG files whose short side has the size that the network wants, so that all see the same pixels and only
networks are compared.
"""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas
import pyarrow.parquet
import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torchvision import models, transforms
from torchvision.models.resnet import BasicBlock, ResNet

# Of the largest logit. Half precision has 11 significant bits: a weight is off by up to 2^-11 = 5e-4 of itself.
TOLERANCE, HALF_TOLERANCE = 1e-4, 1e-2


class WideResNet(ResNet):
    """torchvision's ResNet-18 (its forward and its names) with another number of channels in the stem."""

    def __init__(self, width, classes):
        nn.Module.__init__(self)
        self._norm_layer = nn.BatchNorm2d
        self.inplanes, self.dilation, self.groups, self.base_width = width, 1, 1, 64
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        for stage in range(4):
            layer = self._make_layer(BasicBlock, width << stage, 2, 1 if stage == 0 else 2)
            setattr(self, f"layer{stage + 1}", layer)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width, classes)


def network(backbone, classes):
    """The network in PyTorch, without weights; None where its package is not there."""
    if backbone == "efficientnet-lite0":
        try:
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError:
            print("efficientnet-lite-pytorch is not there: compared with ONNX Runtime alone")
            return None
        return EfficientNet.from_name(backbone, num_classes=classes)
    name, _, width = backbone.partition("-w")
    return WideResNet(int(width), classes) if width else models.get_model(name, num_classes=classes)


program, model, photos = sys.argv[1:4]
folder = tempfile.TemporaryDirectory()
here = Path(folder.name)


def kindling(*args, **options):
    return subprocess.run([program, *map(str, args)], capture_output=True, text=True, **options)


def export(name, *options):
    kindling("export", model, "--out", here / name, *options, check=True)
    return str(here / name)


def metadata(file):
    with safe_open(file, "np") as opened:
        return opened.metadata()


# The files.
full, half = export("m.safetensors"), export("half.safetensors", "--f16")
graph, half_graph = export("m.onnx"), export("half.onnx", "--f16")
export("m.bpk")
for file in [full, half, graph, half_graph, here / "m.bpk"]:
    print(f"{Path(file).name}: {os.path.getsize(file)} bytes")
assert metadata(full)["format"] == "pt"
recipe, classes = (json.loads(metadata(full)[key]) for key in ["preprocessing", "classes"])
backbone = metadata(full)["backbone"]
for file in [graph, half_graph]:
    onnx.checker.check_model(onnx.load(file), full_check=True)
    said = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert json.loads(said["classes"]) == classes and json.loads(said["preprocessing"]) == recipe
    assert said["backbone"] == backbone and said["description"]

# A pickle, by the very command that the program tells.
told = kindling("export", model, "--out", here / "m2.pth")
assert told.returncode == 1, told
command = told.stderr.split("from a safetensors file: ", 1)[1]
python = f"{shlex.quote(sys.executable)} -c"
subprocess.run(command.replace("python3 -c", python), shell=True, check=True, capture_output=True)
pickled, stored = torch.load(here / "m2.pth", weights_only=True), load_file(full)
assert pickled.keys() == stored.keys() and all(pickled[key].equal(stored[key]) for key in stored)
assert "logits" not in stored and kindling("weights", "check", here / "m2.pth").returncode == 0

# The same pixels for all.
filters = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
prepare = transforms.Compose([
    transforms.CenterCrop(recipe["crop"]),
    transforms.ToTensor(),
    transforms.Normalize(recipe["mean"], recipe["std"]),
])
batch, png, labels = [], here / "png", []
for path in sorted(path for path in Path(photos).glob("*/*")):
    photo = Image.open(path).convert("RGB")
    method, side = filters[recipe["filter"]], recipe["crop"]
    if recipe.get("fit") == "pad":
        colour = tuple(round(255 * level) for level in recipe["mean"])
        photo = ImageOps.pad(photo, (side, side), method, colour)
    elif recipe.get("fit") == "stretch":
        photo = photo.resize((side, side), method)
    else:
        size = [recipe["resize"] * length // min(photo.size) for length in photo.size]
        photo = photo.resize(size, method)
    place = png / path.parent.name / f"{path.stem}.png"
    place.parent.mkdir(parents=True, exist_ok=True)
    photo.save(place)
    batch.append(prepare(Image.open(place)))
    labels.append(path.parent.name)
batch = torch.stack(batch)

# Features, in every format that the build writes.
with_parquet = "--parquet" in sys.argv
for name in ["f.npy", "f.safetensors"] + ["f.parquet"] * with_parquet:
    kindling("embed", model, png, "--out", here / name, "--device", "flex", check=True)
features = np.load(here / "f.npy")
assert features.dtype == np.float32 and features.flags.c_contiguous
table = pandas.read_csv(here / "f.csv")
assert list(table.columns) == ["path", "label"] and list(table.label) == labels
assert [Path(path).parent.name for path in table.path] == labels
tensors = load_file(here / "f.safetensors")
assert np.array_equal(tensors["features"], features)
names = json.loads(metadata(here / "f.safetensors")["classes"])
assert [names[label] for label in tensors["labels"]] == labels
if with_parquet:
    frame = pandas.read_parquet(here / "f.parquet")
    assert list(frame.columns) == ["path", "label", "features"]
    assert list(frame.path) == list(table.path) and list(frame.label) == labels
    assert np.array_equal(np.stack(frame.features), features)
    footer = pyarrow.parquet.read_schema(here / "f.parquet").metadata
    assert footer[b"backbone"] == backbone.encode() and int(footer[b"width"]) == features.shape[1]
print(f"features [{features.shape[0]}, {features.shape[1]}]: {'npy, safetensors and parquet' if with_parquet else 'npy and safetensors'} agree")

# Logits.
weight, bias = ([value for key, value in stored.items() if key.endswith(f"fc.{part}")][0].double().numpy()
                for part in ["weight", "bias"])
ours = features.astype(np.float64) @ weight.T + bias
assert ours.shape == (len(labels), len(classes))
failed = False


def compare(name, logits, tolerance):
    global failed
    difference, largest = np.abs(logits - ours).max(), np.abs(ours).max()
    agreed = int((logits.argmax(1) == ours.argmax(1)).sum())
    print(f"{name}: {agreed} of {len(ours)} top classes agree, logits differ by {difference / largest:.1e} "
          f"of the largest ({largest:.3f})")
    failed |= agreed != len(ours) or not difference / largest <= tolerance


def in_torch(weights):
    net = network(backbone, len(classes))
    net.load_state_dict({key: value.float() for key, value in load_file(weights).items()}, strict=True)
    with torch.inference_mode():
        return np.concatenate([net.eval()(part).double().numpy() for part in batch.split(16)])


def in_onnxruntime(file):
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    run = lambda part: session.run(["logits"], {"pixel_values": part.numpy()})[0]
    # Batches of several lengths: the last one is what is left, and one photo is a batch too.
    logits = np.concatenate([run(part) for part in batch.split(7)])
    assert logits.dtype == np.float32 and run(batch[:1]).shape == (1, len(classes))
    return logits.astype(np.float64)


if network(backbone, len(classes)) is not None:
    compare("PyTorch", in_torch(full), TOLERANCE)
    compare("PyTorch, f16 file", in_torch(half), HALF_TOLERANCE)
compare("ONNX Runtime", in_onnxruntime(graph), TOLERANCE)
compare("ONNX Runtime, f16", in_onnxruntime(half_graph), HALF_TOLERANCE)

# The score of strangers: a second output, if the model is a run.
told = kindling("predict", model, *sorted(png.glob("*/*")), "--json", "--device", "flex", check=True).stdout
told = [json.loads(line) for line in told.splitlines()]
has_scores = "stranger_score" in told[0]
for file, tolerance in [(graph, 1e-4), (half_graph, HALF_TOLERANCE)]:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert [output.name for output in session.get_outputs()] == ["logits", "stranger_score"][:1 + has_scores]
    if has_scores:
        run = lambda part: session.run(["stranger_score"], {"pixel_values": part.numpy()})[0]
        scores = np.concatenate([run(part) for part in batch.split(7)])
        expected = np.array([line["stranger_score"] for line in told])
        threshold = float(session.get_modelmeta().custom_metadata_map["stranger_threshold"])
        assert threshold == told[0]["stranger_threshold"] and scores.shape == expected.shape
        off = np.abs(scores - expected).max()
        print(f"ONNX Runtime, {Path(file).name}: stranger scores differ by {off:.1e}, "
              f"{int((scores > threshold).sum())} of {len(scores)} above {threshold:.4f}")
        failed |= not off <= tolerance
sys.exit(1 if failed else 0)
