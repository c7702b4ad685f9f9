"""Classifies photos with an exported ONNX model in ONNX Runtime.

    python onnxruntime_classify.py model.onnx photo.jpg

Needs onnxruntime, numpy and pillow. Classes and preprocessing come from the file's metadata.
"""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model, *photos = sys.argv[1:]
session = onnxruntime.InferenceSession(model)
metadata = session.get_modelmeta().custom_metadata_map
classes, preprocessing = json.loads(metadata["classes"]), json.loads(metadata["preprocessing"])
crop, fit = preprocessing["crop"], preprocessing.get("fit", "crop")
method = Image.Resampling[preprocessing["filter"].upper()]
mean, std = np.float32(preprocessing["mean"]), np.float32(preprocessing["std"])


def square(photo):
    """The photo in the network's square."""
    if fit == "pad":
        colour = tuple(round(255 * level) for level in preprocessing["mean"])
        return ImageOps.pad(photo, (crop, crop), method, colour)
    if fit == "stretch":
        return photo.resize((crop, crop), method)
    size = [preprocessing["resize"] * side // min(photo.size) for side in photo.size]
    left, top = [round((side - crop) / 2) for side in size]
    return photo.resize(size, method).crop((left, top, left + crop, top + crop))


for path in photos:
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    pixels = np.asarray(square(photo), np.float32) / 255
    pixels = ((pixels - mean) / std).transpose(2, 0, 1)[None]
    logits = session.run(["logits"], {"pixel_values": pixels})[0][0]
    if metadata.get("task") == "multi-label":
        probabilities, thresholds = 1 / (1 + np.exp(-logits)), json.loads(metadata["thresholds"])
        found = zip(classes, probabilities, thresholds)
        shown = [f"{name} {100 * p:.1f} %" for name, p, threshold in found if p >= threshold]
        print(f"{path}  {', '.join(shown) or 'none'}")
        continue
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    print(f"{path}  {classes[probabilities.argmax()]} {100 * probabilities.max():.1f} %")
