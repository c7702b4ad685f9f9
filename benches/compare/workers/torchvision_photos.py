"""For every line on stdin, decodes and preprocesses all photos of a folder on one thread and prints
the seconds.

    python benches/compare/workers/torchvision_photos.py FOLDER [bytes|tensor]

As torchvision's documentation has it: PIL decodes, `Resize(256)` and `CenterCrop(224)`. `bytes` stops at the
pixels as bytes, `[3, 224, 224]`; `tensor` goes on to `ToTensor()` and `Normalize(mean, std)`.
"""

import pathlib
import sys

import torch
from PIL import Image
from torchvision import transforms

from protocol import serve

OUTPUTS = ["bytes", "tensor"]
ENDINGS = {".jpg", ".jpeg", ".png"}
if len(sys.argv) not in (2, 3) or sys.argv[2:] not in ([], *([name] for name in OUTPUTS)):
    raise SystemExit(f"usage: torchvision_photos.py FOLDER [{'|'.join(OUTPUTS)}]")
folder = pathlib.Path(sys.argv[1])
paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in ENDINGS)
if not paths:
    raise SystemExit(f"{folder}: there are no photos ({', '.join(sorted(ENDINGS))})")

torch.set_num_threads(1)
last = {
    "bytes": [transforms.PILToTensor()],
    "tensor": [transforms.ToTensor(), transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])],
}[sys.argv[2] if len(sys.argv) == 3 else "bytes"]
transform = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), *last])


def all_photos():
    for path in paths:
        with Image.open(path) as photo:
            transform(photo.convert("RGB"))


serve(all_photos)
