"""Composes a made multi-label data set from the drawings of `kindling demo`.

A scene shows none, one or two of the drawings, each in a quarter of a square, so that it shows a
cat, a dog, both or neither. Scenes to train on hold only drawings to train on, and likewise for the
others. `labels.csv` has the columns `path`, `label` (class names with `;` between them) and `split`.
The same seed and the same drawings give the same files.
"""

import argparse
import csv
import pathlib
import random
import sys

from PIL import Image

EPILOG = """\
example:
  kindling demo --out demo
  python benches/compare/multi_label_set.py demo/drawings scenes
  kindling train scenes/labels.csv --label-separator ';' --backbone efficientnet-lite0
"""
CLASSES = ["cat", "dog"]
# Parts with the default number of scenes.
PARTS = {"train": 240, "val": 80, "test": 200}
# Side of a scene, and of the drawing in a quarter of it, in pixels.
SIDE, DRAWING = 384, 152


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("drawings", type=pathlib.Path, help="the demo's folder `drawings`")
    parser.add_argument("out", type=pathlib.Path, help="folder for the scenes, new or empty")
    parser.add_argument("--seed", type=int, default=0)
    for part, count in PARTS.items():
        parser.add_argument(f"--{part}", type=int, default=count, metavar="N", help=f"scenes [default: {count}]")
    args = parser.parse_args()
    if args.out.is_dir() and any(args.out.iterdir()):
        sys.exit(f"error: `{args.out}` is not empty")
    args.out.mkdir(parents=True, exist_ok=True)
    generator = random.Random(args.seed)
    with open(args.out / "labels.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["path", "label", "split"])
        for part in PARTS:
            drawings = {name: sorted((args.drawings / part / name).glob("*.png")) for name in CLASSES}
            for name, found in drawings.items():
                if not found:
                    sys.exit(f"error: no drawing in `{args.drawings / part / name}`")
            (args.out / part).mkdir()
            for number in range(getattr(args, part)):
                path = pathlib.Path(part) / f"{number:04}.png"
                labels = scene(drawings, generator, args.out / path)
                table.writerow([path.as_posix(), ";".join(labels), part])


def scene(drawings, generator, path):
    """Draws a scene to `path` and returns the names of its classes."""
    colour = tuple(generator.randint(90, 230) for _ in range(3))
    canvas = Image.new("RGB", (SIDE, SIDE), colour)
    quarters = [(x, y) for x in (0, SIDE // 2) for y in (0, SIDE // 2)]
    names = generator.choices(CLASSES, k=generator.choice([0, 1, 1, 2, 2, 2]))
    margin = SIDE // 2 - DRAWING
    for name, (x, y) in zip(names, generator.sample(quarters, len(names))):
        with Image.open(generator.choice(drawings[name])) as drawing:
            # The middle of the drawing, which holds the animal.
            side = min(drawing.size)
            left, top = (drawing.width - side) // 2, (drawing.height - side) // 2
            box = (left, top, left + side, top + side)
            small = drawing.convert("RGB").resize((DRAWING, DRAWING), Image.Resampling.LANCZOS, box)
        canvas.paste(small, (x + generator.randint(0, margin), y + generator.randint(0, margin)))
    canvas.save(path)
    return sorted(set(names))


if __name__ == "__main__":
    main()
