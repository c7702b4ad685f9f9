"""Measures the accuracy of the head's options on four data sets, beside scikit-learn on the same features.

Writes the table of docs/accuracy.md. Needs numpy, safetensors and scikit-learn; the multi-label set is made with Pillow.
"""

import argparse
import csv
import json
import math
import pathlib
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
from safetensors import safe_open
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import average_precision_score, f1_score
from sklearn.multiclass import OneVsRestClassifier

HERE = pathlib.Path(__file__).resolve().parent
PAGE = HERE.parent.parent / "docs" / "accuracy.md"
BEGIN, END = "<!-- table: benches/compare/accuracy.py -->", "<!-- end of the table -->"
VARIANTS = [
    ("default", []),
    ("`--class-weights balanced`", ["--class-weights", "balanced"]),
    ("`--head auto`", ["--head", "auto"]),
    ("`--views 4`", ["--views", "4"]),
    ("`--fit pad`", ["--fit", "pad"]),
]
EPILOG = """\
example:
  python benches/compare/accuracy.py --weights resnet18.pth cats_dogs=photos/cats_dogs trash=photos/trash

Each set holds train/<class>/* and val/<class>/*. The drawings and the multi-label set are made by `kindling demo` and
multi_label_set.py. Computing all features takes some ten minutes on two cores the first time.
"""


def run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")


def wilson(right, count):
    """The 95 % interval of a share, as Kindling computes it."""
    z, share = 1.959963984540054, right / count
    scale = 1 + z * z / count
    centre = (share + z * z / (2 * count)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return f"{max(centre - half, 0):.3f} to {min(centre + half, 1):.3f}"


class Features:
    """The features that `kindling embed` writes, divided into train and val."""

    def __init__(self, kindling, model, data, reading, folder):
        file = folder / "features.safetensors"
        run([kindling, "embed", model, data, *reading, "--device", "cpu", "--out", file, "--force"])
        with safe_open(file, "np") as opened:
            self.rows = opened.get_tensor("features").astype(numpy.float64)
            self.labels = opened.get_tensor("labels") if "labels" in opened.keys() else None
            metadata = opened.metadata()
        self.parts = numpy.array(json.loads(metadata["parts"]))
        self.paths = json.loads(metadata["paths"])


def one_label_row(features):
    """Accuracy and macro-F1 of scikit-learn's LogisticRegressionCV with its defaults: ten values of C, five folds."""
    train, val = features.parts == "train", features.parts == "val"
    began = time.perf_counter()
    model = LogisticRegressionCV(max_iter=2000).fit(features.rows[train], features.labels[train])
    seconds = time.perf_counter() - began
    truth, predicted = features.labels[val], model.predict(features.rows[val])
    right = int((truth == predicted).sum())
    f1 = f1_score(truth, predicted, average="macro")
    return [f"{right / len(truth):.4f}", wilson(right, len(truth)), f"{f1:.4f}", f"{seconds:.2f} s"]


def label_sets(table, paths):
    """The label sets of a table, as rows of 0 and 1 in the order of `paths`."""
    with open(table, newline="") as file:
        sets = {row["path"]: [label for label in row["label"].split(";") if label] for row in csv.DictReader(file)}
    classes = sorted({label for labels in sets.values() for label in labels})
    keys = [pathlib.Path(path).resolve().relative_to(table.parent.resolve()).as_posix() for path in paths]
    return numpy.array([[int(name in sets[key]) for name in classes] for key in keys])


def several_labels_row(features, table):
    """Mean average precision and macro-F1 of a LogisticRegressionCV for each class."""
    truth = label_sets(table, features.paths)
    train, val = features.parts == "train", features.parts == "val"
    began = time.perf_counter()
    model = OneVsRestClassifier(LogisticRegressionCV(max_iter=2000)).fit(features.rows[train], truth[train])
    seconds = time.perf_counter() - began
    precision = average_precision_score(truth[val], model.decision_function(features.rows[val]), average="macro")
    f1 = f1_score(truth[val], model.predict(features.rows[val]), average="macro")
    return [f"{precision:.4f}", "", f"{f1:.4f}", f"{seconds:.2f} s"]


def kindling_row(kindling, data, model, options, folder):
    """The figures of a run, from its summary.json; the seconds are those of the head, without features."""
    out = folder / "run"
    run([kindling, "train", data, *model, *options, "--device", "cpu", "--out", out, "--force", "--quiet"])
    summary = json.loads((out / "summary.json").read_text())
    seconds = f"{summary['training_seconds']:.2f} s"
    if "multi_label" in summary:
        scores = summary["multi_label"]["validation"]
        low, high = scores["mean_average_precision_interval"]
        return [f"{scores['mean_average_precision']:.4f}", f"{low:.3f} to {high:.3f}", f"{scores['macro_f1']:.4f}", seconds]
    low, high = summary["val_intervals"]["accuracy_interval"] if "val_intervals" in summary else (0, 0)
    accuracy = summary["best_epoch"]["val_accuracy"]
    return [f"{accuracy:.4f}", f"{low:.3f} to {high:.3f}", f"{summary['macro_f1']:.4f}", seconds]


def made_sets(kindling, folder):
    """The drawings of the demo, and scenes with none, one or two of them."""
    run([kindling, "demo", "--device", "cpu", "--out", folder / "demo"])
    drawings = folder / "demo" / "drawings"
    run([sys.executable, HERE / "multi_label_set.py", drawings, folder / "scenes"])
    return drawings, folder / "scenes" / "labels.csv"


def line(cells):
    return "| " + " | ".join(cells) + " |"


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sets", nargs="+", metavar="NAME=FOLDER", help="photos, with train/<class>/* and val/<class>/*")
    parser.add_argument("--weights", type=pathlib.Path, required=True, help="a ResNet-18 from torchvision")
    parser.add_argument("--kindling", type=pathlib.Path, default=HERE.parent.parent / "target/release/kindling")
    parser.add_argument("--out", type=pathlib.Path, default=PAGE, help="page with the table [default: docs/accuracy.md]")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    backbones = [("efficientnet-lite0", "EfficientNet-Lite0", ["--backbone", "efficientnet-lite0"]),
                 (args.weights, "ResNet-18", ["--weights", args.weights])]
    rows = [line(["data set", "backbone", "head", "accuracy or mAP", "95 % interval", "macro-F1", "head alone"]),
            line(["---"] * 7)]
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        drawings, scenes = made_sets(args.kindling, folder)
        sets = [(*one.partition("=")[::2], []) for one in args.sets]
        sets += [("drawings", drawings, []), ("scenes (mAP)", scenes, ["--label-separator", ";"])]
        for name, data, reading in sets:
            for model, backbone, options in backbones:
                for variant, more in VARIANTS:
                    if reading and "--head" in more:
                        continue  # It is for one label a photo.
                    if reading and "--class-weights" in more:
                        # A set of labels has no prior to divide by: its classes are weighted one by one.
                        more = ["--class-weights", "loss"]
                        variant = "`--class-weights loss`"
                    found = kindling_row(args.kindling, data, [*options, *reading], more, folder)
                    rows.append(line([name, backbone, variant, *found]))
                    print(rows[-1], flush=True)
                features = Features(args.kindling, model, data, reading, folder)
                found = several_labels_row(features, data) if reading else one_label_row(features)
                rows.append(line([name, backbone, "scikit-learn", *found]))
                print(rows[-1], flush=True)
    page = args.out.read_text()
    before, rest = page.split(BEGIN)
    args.out.write_text(f"{before}{BEGIN}\n\n" + "\n".join(rows) + f"\n\n{END}{rest.split(END)[1]}")


if __name__ == "__main__":
    main()
