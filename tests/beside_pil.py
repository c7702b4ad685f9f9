#!/usr/bin/env python3
"""Compares Kindling's photos with PIL's, by what a network sees in them.

For each picture in FOLDER (searched recursively), the same network computes its 1,000-class output
on Kindling's decoding and on PIL's. PIL's is written as a lossless PNG, which `kindling embed` reads
like every photo, so that only the decoding differs:

    ImageOps.exif_transpose(Image.open(photo)).convert("RGB")

The features of both go through the weights of the network's last layer. A photo is reported if the
total variation distance of the two softmax outputs (half the sum of the differences) is above 0.1,
or if Kindling cannot read what PIL reads. What only Kindling reads is listed too.

    cargo build --release
    pip install pillow numpy torch
    python tests/beside_pil.py FOLDER --weights ../shared/weights/resnet18-compressed.pth

`--weights FILE` names a ResNet's checkpoint with the tensors fc.weight and fc.bias. Exit code 1 if a
photo is reported without a reason.

`--reasons FILE` lists known differences, one a line: a file's path in FOLDER, or a pattern with `*`,
then a tab or two spaces, then why it differs. Empty lines and those that begin with `#` are ignored.
A photo that PIL refuses is decoded with `ImageFile.LOAD_TRUNCATED_IMAGES`, which Kindling resembles.
"""

import argparse
import csv
import fnmatch
import io
import os
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageFile, ImageOps

LIMIT = 0.1
# Larger photos take PIL's memory, and Kindling refuses them.
MAX_PIXELS = 178_000_000


def pil(path):
    """PIL's photo, or None and its error."""
    content = path.read_bytes()
    error = None
    for truncated in (False, True):
        ImageFile.LOAD_TRUNCATED_IMAGES = truncated
        try:
            # From memory: mapped files lose the orientation of some TIFFs.
            photo = Image.open(io.BytesIO(content))
            if photo.width * photo.height > MAX_PIXELS:
                return None, "too large"
            return ImageOps.exif_transpose(photo).convert("RGB"), error
        except Exception as exception:
            error = error or f"{type(exception).__name__}: {exception}"
    return None, error


def features(kindling, files, folder, weights):
    """The features of files, by their path; files that Kindling cannot read are missing."""
    table = folder / f"{files.name}.npy"
    command = [kindling, "embed", weights, str(files), "--out", str(table)]
    done = subprocess.run([*command, "--no-cache", "--device", "cpu"], capture_output=True, text=True)
    if not table.exists():
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    with table.with_suffix(".csv").open(newline="") as lines:
        paths = [row["path"] for row in csv.DictReader(lines)]
    return dict(zip(paths, np.load(table).astype(np.float64)))


def last_layer(weights):
    """Weight and bias of the layer `fc`."""
    import torch

    tensors = torch.load(weights, map_location="cpu", weights_only=True)
    tensors = tensors.get("state_dict", tensors)
    return (tensors[f"fc.{name}"].double().numpy() for name in ("weight", "bias"))


def softmax(logits):
    exponents = np.exp(logits - logits.max())
    return exponents / exponents.sum()


def read_reasons(path):
    if path is None:
        return []
    lines = Path(path).read_text().splitlines()
    split = [re.split(r"\t+|  +", line, maxsplit=1) for line in lines if not line.startswith("#")]
    return [(parts[0], parts[1].strip()) for parts in split if len(parts) == 2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--weights", required=True)
    parser.add_argument("--kindling", default="target/release/kindling")
    parser.add_argument("--reasons", help="file of known differences")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None
    reasons = read_reasons(options.reasons)
    weight, bias = last_layer(options.weights)
    compared = unexplained = 0

    def report(name, what):
        nonlocal unexplained
        why = next((why for pattern, why in reasons if fnmatch.fnmatch(name, pattern)), None)
        unexplained += why is None
        print(f"{name}\t{what}\t{why or 'NO REASON'}")

    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        # Links with safe names, in pairs: `0.orig` and PIL's `0.png`.
        ours, theirs = scratch / "ours", scratch / "theirs"
        ours.mkdir()
        theirs.mkdir()
        names, errors = {}, {}
        for path in sorted(options.folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(options.folder).parts)
            if hidden or not path.is_file():
                continue
            index = str(len(names))
            names[index] = str(path.relative_to(options.folder))
            os.symlink(path.resolve(), ours / f"{index}.jpg")
            photo, errors[index] = pil(path)
            if photo is not None:
                # Only the pixels: what else the file said may not fit a PNG.
                pixels = Image.fromarray(np.asarray(photo))
                pixels.save(theirs / f"{index}.png", compress_level=1)
        tables = [
            features(options.kindling, files, scratch, options.weights)
            for files in (ours, theirs)
        ]
        ours, theirs = ({Path(path).stem: row for path, row in table.items()} for table in tables)
        for index, name in names.items():
            if index in ours and index in theirs:
                compared += 1
                pair = [softmax(weight @ table[index] + bias) for table in (ours, theirs)]
                distance = np.abs(pair[0] - pair[1]).sum() / 2
                if distance > LIMIT:
                    report(name, f"total variation {distance:.3f}")
            elif index in theirs:
                report(name, "only PIL reads it" + (" in part" if errors[index] else ""))
            elif index in ours:
                print(f"{name}\tonly Kindling reads it\tPIL: {errors[index]}")
    print(f"{compared} photos compared, {unexplained} differences without a reason")
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
