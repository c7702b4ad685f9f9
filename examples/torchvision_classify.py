"""Classifies photos with an exported safetensors model in torchvision.

    python torchvision_classify.py model.safetensors photo.jpg

Needs torch, torchvision, safetensors and pillow, and efficientnet-lite-pytorch for
EfficientNet-Lite0. Classes and preprocessing come from the file's metadata.
"""

import json
import sys

import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from torchvision import models, transforms

model, *photos = sys.argv[1:]
with safe_open(model, "pt") as file:
    metadata = file.metadata()
    weights = {name: file.get_tensor(name).float() for name in file.keys()}
classes, preprocessing = json.loads(metadata["classes"]), json.loads(metadata["preprocessing"])
if metadata["backbone"].startswith("efficientnet"):
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name(metadata["backbone"], num_classes=len(classes))
else:
    network = models.get_model(metadata["backbone"], num_classes=len(classes))
network.load_state_dict(weights, strict=True)
network.eval()
# How the photo fills the network's square.
size, fit = preprocessing["crop"], preprocessing.get("fit", "crop")
method = transforms.InterpolationMode(preprocessing["filter"])
colour = tuple(round(255 * level) for level in preprocessing["mean"])
crop = [transforms.Resize(preprocessing["resize"], method), transforms.CenterCrop(size)]
square = {
    "crop": transforms.Compose(crop),
    "pad": lambda photo: ImageOps.pad(photo, (size, size), Image.Resampling[method.name], colour),
    "stretch": transforms.Resize((size, size), method),
}[fit]
transform = transforms.Compose([
    square,
    transforms.ToTensor(),
    transforms.Normalize(preprocessing["mean"], preprocessing["std"]),
])
for path in photos:
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    with torch.inference_mode():
        logits = network(transform(photo)[None])[0]
    # A run's own model.safetensors may have a temperature; in an export it is part of the weights.
    logits = logits / float(metadata.get("temperature", 1))
    if metadata.get("task") == "multi-label":
        probabilities, thresholds = logits.sigmoid().tolist(), json.loads(metadata["thresholds"])
        found = zip(classes, probabilities, thresholds)
        shown = [f"{name} {100 * p:.1f} %" for name, p, threshold in found if p >= threshold]
        print(f"{path}  {', '.join(shown) or 'none'}")
        continue
    probabilities = logits.softmax(0)
    print(f"{path}  {classes[probabilities.argmax()]} {100 * probabilities.max():.1f} %")
