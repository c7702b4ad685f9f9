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
crop = preprocessing["crop"]
mean, std = np.float32(preprocessing["mean"]), np.float32(preprocessing["std"])
for path in photos:
    photo = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    size = [preprocessing["resize"] * side // min(photo.size) for side in photo.size]
    photo = photo.resize(size, getattr(Image.Resampling, preprocessing["filter"].upper()))
    left, top = [round((side - crop) / 2) for side in size]
    pixels = np.asarray(photo.crop((left, top, left + crop, top + crop)), np.float32) / 255
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
