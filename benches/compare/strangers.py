"""Measures how well scores of a photo tell strangers: photos of something that was not trained on.

Trains a model on each data set with Kindling, and scores its validation photos and the photos of the
other sets. The AUROC is the probability that a stranger scores higher than a validation photo. The
scores are Kindling's own, which `predict --json` prints, and others that are computed here from the
features that `embed` writes and the model's own last layer. Writes tables in Markdown to stdout.

Needs numpy, scikit-learn, safetensors and, for the made set, nothing else: `kindling demo` draws it.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from safetensors import safe_open
from sklearn.covariance import LedoitWolf
from sklearn.metrics import roc_auc_score

EPILOG = """\
example:
  python benches/compare/strangers.py target/release/kindling ../shared/data \\
    --weights ../shared/weights/resnet18-compressed.pth
"""
# Numbers of nearest photos whose mean distance is compared.
NEAREST = [1, 3, 5, 10, 20]
# Share of photos that the threshold refuses, and seeds of the divisions that measure it.
REFUSED, SEEDS = 0.05, 20
# Shares of the training photos that a coreset keeps, and seeds of the random ones.
KEPT, CORESETS = [1, 0.5, 0.25, 0.1], 10


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("program", help="the program `kindling`")
    parser.add_argument("data", type=pathlib.Path, help="folder of cats_dogs, trash and imagenet_samples")
    parser.add_argument("--weights", help="weights of a ResNet-18; without, EfficientNet-Lite0 alone")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        kindling = lambda *words: run(args.program, *words)
        kindling("demo", "--out", work / "demo")
        sets = {name: args.data / name for name in ["cats_dogs", "trash", "imagenet_samples"]}
        sets["drawings"] = work / "demo" / "drawings"
        backbones = {"EfficientNet-Lite0": ["--backbone", "efficientnet-lite0"]}
        if args.weights:
            backbones["ResNet-18"] = ["--backbone", "resnet18", "--weights", args.weights]
        for name, options in backbones.items():
            measure(name, Network(kindling, work / name, options), sets)


def run(*words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"error: {' '.join(map(str, words))}: {done.stderr.strip()}")
    return done.stdout


class Photos:
    """Features of photos, with their classes and parts."""

    def __init__(self, file):
        with safe_open(file, "np") as opened:
            metadata = opened.metadata()
            self.rows = opened.get_tensor("features").astype(np.float64)
            self.labels = opened.get_tensor("labels") if "labels" in opened.keys() else None
        self.paths = json.loads(metadata["paths"])
        self.parts = np.array(json.loads(metadata.get("parts", "[]")))
        self.classes = json.loads(metadata["classes"])

    def part(self, name):
        return self.parts == name


class Network:
    """Runs and features of one backbone."""

    def __init__(self, kindling, folder, options):
        folder.mkdir()
        self.kindling, self.folder, self.options = kindling, folder, options

    def trained(self, name, data):
        """A run on a data set, with its last layer."""
        out = self.folder / name
        self.kindling("train", data, *self.options, "--out", out, "--quiet")
        with safe_open(out / "model.safetensors", "np") as opened:
            names = sorted(key for key in opened.keys() if key.rsplit(".", 1)[0].endswith("fc"))
            bias, weight = (opened.get_tensor(key).astype(np.float64) for key in names)
        return out, weight, bias

    def photos(self, run, name, data):
        file = self.folder / f"{name}.safetensors"
        if not file.exists():
            self.kindling("embed", run, data, "--out", file)
        return Photos(file)

    def own_scores(self, run, paths):
        """Kindling's scores of these photos, and its threshold."""
        lines = [json.loads(line) for line in self.kindling("predict", run, *paths, "--json").splitlines()]
        return np.array([line["stranger_score"] for line in lines]), lines[0]["stranger_threshold"]


def units(rows):
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-300)


def similarities(trained, rows):
    return units(rows) @ units(trained).T


def mean_distance(similar, nearest):
    return 1 + np.partition(-similar, nearest - 1, axis=1)[:, :nearest].mean(axis=1)


def left_out(trained, nearest=5):
    similar = similarities(trained, trained)
    np.fill_diagonal(similar, -np.inf)
    return mean_distance(similar, nearest)


def threshold(scores):
    """What 95 % of the scores, and of one more, do not exceed."""
    rank = int(np.ceil((1 - REFUSED) * (len(scores) + 1) - 1e-9))
    return np.sort(scores)[min(rank, len(scores)) - 1]


def mahalanobis(trained, labels):
    """The distance to the nearest class mean, with the covariance that all classes share."""
    kinds = np.unique(labels)
    means = np.stack([trained[labels == kind].mean(axis=0) for kind in kinds])
    precision = LedoitWolf().fit(trained - means[np.searchsorted(kinds, labels)]).precision_

    def scores(rows):
        apart = [rows - mean for mean in means]
        return np.stack([np.einsum("ij,jk,ik->i", one, precision, one) for one in apart], axis=1).min(axis=1)

    return scores


def scorers(trained, labels, weight, bias):
    """The scores that are compared, by name: functions of rows of features."""
    def logits(rows):
        return rows @ weight.T + bias

    def max_softmax(rows):
        exponents = np.exp(logits(rows) - logits(rows).max(axis=1, keepdims=True))
        return -(exponents / exponents.sum(axis=1, keepdims=True)).max(axis=1)

    def energy(rows):
        largest = logits(rows).max(axis=1)
        return -(largest + np.log(np.exp(logits(rows) - largest[:, None]).sum(axis=1)))

    near = {
        f"k = {nearest}": lambda rows, nearest=nearest: mean_distance(similarities(trained, rows), nearest)
        for nearest in NEAREST
    }
    fifth = {"fifth": lambda rows: 1 + np.partition(-similarities(trained, rows), 4, axis=1)[:, 4]}
    return {"softmax": max_softmax, "energy": energy, "Mahalanobis": mahalanobis(trained, labels), **near, **fifth}


def auroc(own, strangers):
    return roc_auc_score(np.r_[np.zeros(len(own)), np.ones(len(strangers))], np.r_[own, strangers])


def table(header, rows):
    print("| " + " | ".join(header) + " |")
    print("| " + " | ".join("---" for _ in header) + " |")
    for row in rows:
        print("| " + " | ".join(cell if isinstance(cell, str) else f"{cell:.4f}" for cell in row) + " |")
    print()


def measure(backbone, network, sets):
    print(f"## {backbone}\n")
    trained_sets = ["cats_dogs", "trash", "drawings"]
    rows, refused = [], []
    for name in trained_sets:
        run, weight, bias = network.trained(name, sets[name])
        photos = {other: network.photos(run, other, data) for other, data in sets.items()}
        own = photos[name]
        train, val = own.rows[own.part("train")], own.rows[own.part("val")]
        scores = scorers(train, own.labels[own.part("train")], weight, bias)
        val_paths = [path for path, part in zip(own.paths, own.parts) if part == "val"]
        kindling_val, kindling_threshold = network.own_scores(run, val_paths)
        # Kindling rounds the training photos to f16.
        assert np.abs(kindling_val - scores["k = 5"](val)).max() < 2e-4
        assert abs(kindling_threshold - threshold(left_out(train))) < 2e-4
        caught = []
        for other, strangers in photos.items():
            if other == name:
                continue
            kindling, _ = network.own_scores(run, strangers.paths)
            figures = [auroc(score(val), score(strangers.rows)) for score in scores.values()]
            rows.append([f"{name}: {other}", auroc(kindling_val, kindling), *figures])
            caught.append(f"{other} {(kindling > kindling_threshold).mean():.3f}")
        refused.append([name, f"{kindling_threshold:.4f}", (kindling_val > kindling_threshold).mean(), ", ".join(caught)])
    print("AUROC of strangers against validation photos, by trained set and set of strangers:\n")
    table(["trained: strangers", "Kindling", *scores], rows)
    print("Share of photos above the run's threshold:\n")
    table(["trained", "threshold", "validation photos", "strangers"], refused)
    class_left_out(network.photos(None, "trash", None))
    false_alarms([(name, network.photos(None, name, None)) for name in trained_sets])
    coresets([(name, network.photos(None, name, None)) for name in ["cats_dogs", "trash"]])


def class_left_out(photos):
    """Strangers of the same kind: one class of `trash` is not trained on."""
    from sklearn.linear_model import LogisticRegression

    rows = []
    for kind, name in enumerate(photos.classes):
        train = photos.part("train") & (photos.labels != kind)
        labels = photos.labels[train]
        head = LogisticRegression(max_iter=5000).fit(photos.rows[train], labels)
        scores = scorers(photos.rows[train], labels, head.coef_, head.intercept_)
        own = photos.rows[photos.part("val") & (photos.labels != kind)]
        rows.append([name, *(auroc(score(own), score(photos.rows[photos.labels == kind])) for score in scores.values())])
    rows.append(["mean", *np.mean([row[1:] for row in rows], axis=0)])
    print("AUROC of a class of `trash` that was left out, against the other validation photos:\n")
    table(["left out", *scores], rows)


def false_alarms(sets):
    """Random divisions of all photos: the threshold from one half, and what it refuses of the other."""
    rows = []
    for name, photos in sets:
        shares, few = [], []
        for seed in range(SEEDS):
            order = np.random.default_rng(seed).permutation(len(photos.rows))
            train, unseen, val = np.split(photos.rows[order], [len(order) // 2, len(order) * 9 // 10])
            scores = mean_distance(similarities(train, unseen), 5)
            shares.append((scores > threshold(left_out(train))).mean())
            few.append((scores > threshold(mean_distance(similarities(train, val), 5))).mean())
        spread = lambda values: f"{np.mean(values):.3f} ± {np.std(values):.3f}"
        rows.append([name, str(len(photos.rows) // 2), spread(shares), spread(few)])
    print("Share of unseen photos that are refused, by where the threshold comes from:\n")
    table(["photos", "trained on", "training photos, left out", "a tenth of the photos, for validation"], rows)


def k_centre(rows, count):
    """Greedy k-centre: each next photo is the one that is farthest from those chosen."""
    similar, chosen = similarities(rows, rows), [0]
    nearest = similar[0].copy()
    while len(chosen) < count:
        chosen.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, similar[chosen[-1]])
    return np.array(chosen)


def coresets(sets):
    """What keeping a part of the training photos loses."""
    rows = []
    for (name, photos), (_, others) in [sets, sets[::-1]]:
        train, val = photos.rows[photos.part("train")], photos.rows[photos.part("val")]
        for share in KEPT:
            count = round(share * len(train))
            choices = [np.random.default_rng(seed).permutation(len(train))[:count] for seed in range(CORESETS if share < 1 else 1)]
            for way, sample in [("random", choices), ("k-centre", [k_centre(train, count)])][: 1 + (share < 1)]:
                figures = []
                for chosen in sample:
                    kept = train[chosen]
                    limit = threshold(left_out(kept))
                    own, strange = (mean_distance(similarities(kept, part), 5) for part in [val, others.rows])
                    figures.append([auroc(own, strange), (own > limit).mean(), (strange > limit).mean()])
                rows.append([name, f"{count} of {len(train)}", way, *np.mean(figures, axis=0)])
    print("Of the training photos, some are kept:\n")
    table(["trained", "kept", "chosen", "AUROC of the other set", "validation photos refused", "strangers refused"], rows)


if __name__ == "__main__":
    main()
