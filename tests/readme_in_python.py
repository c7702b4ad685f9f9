"""Runs README's training command and its PyTorch code, and compares the class with Kindling's.

    python tests/readme_in_python.py target/release/kindling

Needs torch, torchvision, safetensors and pillow. The pretrained weights are torchvision's random ones: the code
must load and use what the command writes, whatever it has learned.
"""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image
from torchvision import models

program = os.path.abspath(sys.argv[1])
readme = (Path(__file__).parent.parent / "README.md").read_text()
section = readme.split("PyTorch loads a run's model.")[1].split("\n## ")[0]
command = re.search(r"`(kindling train [^`]*)`", section)[1]
code = "\n".join(line[4:] for line in section.splitlines() if line.startswith("    ") or not line)

with tempfile.TemporaryDirectory() as folder:
    os.chdir(folder)
    torch.manual_seed(0)
    Path("weights").mkdir()
    torch.save(models.resnet18().state_dict(), "weights/resnet18.pth")
    # Short sides of 256: nothing is resized, so both programs see the same pixels.
    for name, colour in [("blue", (20, 40, 200)), ("sand", (210, 190, 130))]:
        for number in range(5):
            place = Path("photos") / name
            place.mkdir(parents=True, exist_ok=True)
            noise = Image.effect_noise((256, 256 + number), 60).convert("RGB")
            Image.blend(noise, Image.new("RGB", noise.size, colour), 0.7).save(place / f"{number}.png")
    # A PNG behind the name of the README: both programs look at the content.
    Image.open("photos/sand/0.png").save("photo.jpg", "PNG")
    words = shlex.split(command)
    subprocess.run([program, *words[1:], "--offline", "--epochs", "3", "--device", "cpu"], check=True)

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {})
    theirs, their_probability = printed.getvalue().split()

    run = words[words.index("--out") + 1]
    line = subprocess.run([program, "predict", run, "photo.jpg", "--json", "--device", "cpu"], check=True,
                          capture_output=True, text=True).stdout
    ours = json.loads(line)
    print(f"README: {theirs} {their_probability}; kindling: {ours['class']} {ours['probability']}")
    assert ours["class"] == theirs and abs(ours["probability"] - float(their_probability)) < 1e-4
    os.chdir("/")
