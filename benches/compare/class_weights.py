"""Measures `--class-weights` on training photos that are unbalanced 10:1, scored on balanced unseen photos.

Of a folder with train/<class>/* and val/<class>/*, draws a geometric series of training photos for the classes, in
random order, and tests on all of val. Prints the mean macro-F1 and its standard deviation for each way.
"""

import argparse
import csv
import json
import pathlib
import random
import statistics
import subprocess
import tempfile

WAYS = ["none", "loss", "effective", "logit-half", "logit-full"]


def table(data, classes, most, seed, path):
    """Writes a table: `most` photos of one class to train on, a tenth of that of another, the others between."""
    generator = random.Random(seed)
    order = generator.sample(classes, len(classes))
    with open(path, "w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["path", "label", "split"])
        for place, name in enumerate(order):
            photos = sorted((data / "train" / name).iterdir())
            generator.shuffle(photos)
            count = round(most * 0.1 ** (place / (len(order) - 1)))
            validated = max(2, count // 8)
            rows.writerows([photo, name, "train"] for photo in photos[:count])
            rows.writerows([photo, name, "val"] for photo in photos[count:count + validated])
            rows.writerows([photo, name, "test"] for photo in sorted((data / "val" / name).iterdir()))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("model", nargs="+", help="options of train: --backbone NAME or --weights FILE (after --)")
    parser.add_argument("--classes", nargs="+", required=True, help="classes with enough photos")
    parser.add_argument("--most", type=int, default=100, help="training photos of the largest class [default: 100]")
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--kindling", default="target/release/kindling")
    args = parser.parse_args()
    found = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for seed in range(args.draws):
            table(args.data.resolve(), args.classes, args.most, seed, folder / "labels.csv")
            for way in WAYS:
                subprocess.run(
                    [args.kindling, "train", folder / "labels.csv", *args.model, "--device", "cpu", "--out",
                     folder / "run", "--force", "--quiet", "--monitor", "loss", "--class-weights", way],
                    check=True, capture_output=True)
                summary = json.loads((folder / "run" / "summary.json").read_text())
                found[way].append(summary["test"]["macro_f1"])
    for way, scores in found.items():
        print(f"{way:10}  {statistics.mean(scores):.3f} ± {statistics.stdev(scores):.3f}")


if __name__ == "__main__":
    main()
