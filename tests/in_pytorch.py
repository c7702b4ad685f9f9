"""A run's model in PyTorch: loads strictly, and gives the program's probabilities.

    python tests/in_pytorch.py target/release/kindling RUN PHOTO...

Needs torch, torchvision, safetensors and pillow, and for a run with EfficientNet-Lite0 the package
efficientnet-lite-pytorch. The photos are first made PNG files that are not resized again, so that both sides see
the same pixels and only the network is compared.
"""

import json
import math
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from safetensors.torch import load_file
from torchvision import models, transforms

program, run, *photos = sys.argv[1:]
classes = (Path(run) / "classes.txt").read_text().splitlines()
config = tomllib.loads((Path(run) / "config.toml").read_text())
backbone, recipe = config["backbone"], config["preprocessing"]
if backbone == "efficientnet-lite0":
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name(backbone, num_classes=len(classes))
    normalize = transforms.Normalize([127 / 255] * 3, [128 / 255] * 3)
else:
    network = models.get_model(backbone, num_classes=len(classes))
    normalize = transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
network.load_state_dict(load_file(Path(run) / "model.safetensors"), strict=True)
network.eval()
with safe_open(Path(run) / "model.safetensors", "pt") as file:
    temperature = float(file.metadata().get("temperature", 1))
print(f"loaded strictly: {backbone}, {len(classes)} classes")

size, method = recipe["crop"], transforms.InterpolationMode(recipe["filter"])
colour = tuple(round(255 * level) for level in recipe["mean"])
resize = {
    "crop": transforms.Resize(recipe["resize"], method),
    "pad": lambda photo: ImageOps.pad(photo, (size, size), Image.Resampling[method.name], colour),
    "stretch": transforms.Resize((size, size), method),
}[recipe.get("fit", "crop")]
prepare = transforms.Compose([transforms.CenterCrop(size), transforms.ToTensor(), normalize])
with tempfile.TemporaryDirectory() as folder:
    paths, worst, largest, agreed = [], 0.0, 0.0, 0
    for index, photo in enumerate(photos):
        path = f"{folder}/{index:05}.png"
        resize(Image.open(photo).convert("RGB")).save(path)
        paths.append(path)
    command = [program, "predict", run, "--json", "--top", str(len(classes)), "--device", "flex"]
    lines = subprocess.run(command + paths, check=True, capture_output=True, text=True).stdout
    for path, line in zip(paths, lines.splitlines(), strict=True):
        ours = {guess["class"]: math.log(guess["probability"]) for guess in json.loads(line)["top"]}
        with torch.inference_mode():
            logits = network(prepare(Image.open(path))[None])[0].double() / temperature
        theirs = torch.log_softmax(logits, 0)
        worst = max(worst, max(abs(ours[name] - value) for name, value in zip(classes, theirs.tolist())))
        largest = max(largest, logits.abs().max().item())
        agreed += max(ours, key=ours.get) == classes[theirs.argmax()]
print(f"{agreed} of {len(photos)} top classes agree")
print(f"log-probabilities differ by {worst:.1e} at most, {worst / largest:.1e} of the largest logit")
sys.exit(0 if agreed == len(photos) and worst / largest <= 1e-4 else 1)
