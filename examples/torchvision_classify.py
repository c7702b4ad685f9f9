"""An exported safetensors model in torchvision: python torchvision_classify.py model.safetensors photo.jpg

Needs torch, torchvision, safetensors and pillow; efficientnet-lite-pytorch for EfficientNet-Lite0. Classes and
preprocessing come from the file's own metadata.
"""

import json
import sys

import torch
from PIL import Image, ImageOps
from safetensors import safe_open
from torchvision import models, transforms

model, *photos = sys.argv[1:]
with safe_open(model, "pt") as file:
    metadata, weights = file.metadata(), {name: file.get_tensor(name).float() for name in file.keys()}
classes, recipe = json.loads(metadata["classes"]), json.loads(metadata["preprocessing"])
if metadata["backbone"].startswith("efficientnet"):
    from efficientnet_lite_pytorch import EfficientNet

    network = EfficientNet.from_name(metadata["backbone"], num_classes=len(classes))
else:
    network = models.get_model(metadata["backbone"], num_classes=len(classes))
network.load_state_dict(weights, strict=True)
network.eval()
prepare = transforms.Compose([
    transforms.Resize(recipe["resize"], transforms.InterpolationMode(recipe["filter"])),
    transforms.CenterCrop(recipe["crop"]),
    transforms.ToTensor(),
    transforms.Normalize(recipe["mean"], recipe["std"]),
])
for path in photos:
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    with torch.inference_mode():
        probabilities = network(prepare(photo)[None])[0].softmax(0)
    print(f"{path}  {classes[probabilities.argmax()]} {100 * probabilities.max():.1f} %")
