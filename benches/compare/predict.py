"""Measures `kindling predict` on one photo, as a whole process from its start to its exit."""

import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import machine
import networks

# What is given as MODEL: the folder of a run, or the network's published weights.
RUN, PUBLISHED = "a trained run", "its published weights"
# The kinds of processes. A user who names no device gets `auto`, which looks for a GPU first.
FIRST, LATER, AUTO = "first time, no caches", "later", "later, `--device auto`"
ENDINGS = {".jpg", ".jpeg", ".png"}


class PredictFailed(Exception):
    """The program failed. The message is one line."""


def once(kindling, model, photo, device, cache, environment):
    """Seconds of one process, and its peak memory in MiB or None."""
    command = [str(word) for word in [kindling, "predict", model, photo, "--device", device]]
    with tempfile.TemporaryFile() as stderr:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                                       env=environment | {"KINDLING_CACHE": str(cache)})
        except OSError as error:
            raise PredictFailed(f"cannot start {command[0]}: {error.strerror}") from error
        # wait4 reports the peak of this process only.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            stderr.seek(0)
            lines = stderr.read().decode(errors="replace").strip().splitlines() or ["nothing on stderr"]
            raise PredictFailed(f"exited with code {process.returncode}: {lines[-1]}")
    return seconds, machine.peak_mib(usage)


def trained(kindling, name, weights, data, device, environment, folder):
    """The folder of a run, trained for one epoch."""
    out = folder / f"predict-{name}"
    command = [kindling, "train", data, "--out", out, "--backbone", name, "--epochs", "1", "--device", device]
    if weights:
        command += ["--weights", weights]
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env=environment | {"KINDLING_CACHE": str(folder / "predict-cache")})
    if done.returncode != 0:
        raise PredictFailed(f"train exited with code {done.returncode}: {(done.stderr.strip() or 'nothing').splitlines()[-1]}")
    return out


def measure(rounds, kindling, names, weights, data, device, environment, folder, say):
    """Seconds and peaks by model and kind of process, and the failures by model.

    A model is a network and what is given as MODEL: a run that was trained on it, or its published
    weights. Every process has another photo, so that cached features of photos do not help. The
    models take turns. A first process has an empty cache folder; there is one for every fourth later
    one. `--device auto` is measured too.
    """
    photos = sorted(path for path in (data / "val").rglob("*") if path.suffix.lower() in ENDINGS)
    if not photos:
        failed = {(name, RUN): f"{data / 'val'} has no photos" for name in names}
        return {"runs": {}, "failed": failed, "device": device}
    say("predict: training the runs")
    models, failed, count = {}, {}, 0
    for name in names:
        given = {"resnet18": weights}.get(name)
        models[name, PUBLISHED] = given or name
        try:
            models[name, RUN] = trained(kindling, name, given, data, device, environment, folder)
        except PredictFailed as error:
            failed[name, RUN] = str(error)
            say(f"predict: {title((name, RUN))}: {error}")
    found = {model: {FIRST: [], LATER: [], AUTO: []} for model in models}

    def attempt(model, cache, kind):
        nonlocal count
        if model in failed:
            return
        count += 1
        try:
            taken = once(kindling, models[model], photos[count % len(photos)], "auto" if kind == AUTO else device,
                         cache, environment)
        except PredictFailed as error:
            failed[model] = str(error)
            say(f"predict: {title(model)} {error}")
        else:
            if kind:
                found[model][kind].append(taken)

    say("predict: whole processes on one photo")
    with tempfile.TemporaryDirectory(dir=folder) as kept:
        for model in models:
            # The first one loads the program and the weights into the page cache, too.
            for _ in range(2):
                attempt(model, pathlib.Path(kept), None)
        for turn in range(rounds):
            for kind in [LATER, AUTO]:
                for model in models:
                    attempt(model, pathlib.Path(kept), kind)
            if turn % 4 == 0:
                for model in models:
                    with tempfile.TemporaryDirectory(dir=folder) as empty:
                        attempt(model, pathlib.Path(empty), FIRST)
    return {"runs": {model: rows for model, rows in found.items() if model not in failed}, "failed": failed,
            "device": device}


def title(model):
    name, given = model
    return f"{networks.TITLES[name]}, {given}"


def seconds(measured, model, kind):
    """The median, or None if it was not measured."""
    rows = measured["runs"].get(model, {}).get(kind) if measured else None
    return statistics.median(taken for taken, _ in rows) if rows else None


def table(measured):
    lines = ["| `predict` on one photo | processes | median | fastest to slowest | peak memory |", "| --- | --- | --- | --- | --- |"]
    for model, kinds in measured["runs"].items():
        for kind, rows in kinds.items():
            taken, peaks = zip(*rows)
            peaks = [peak for peak in peaks if peak is not None]
            peak = f"{statistics.median(peaks):.0f} MiB" if peaks else "n/a"
            lines.append(f"| {title(model)}, {kind} | {len(rows)} | {statistics.median(taken):.3f} s | "
                         f"{min(taken):.3f} to {max(taken):.3f} s | {peak} |")
    for model, reason in measured["failed"].items():
        reason = reason.replace("|", "/")
        lines.append(f"| {title(model)} | | failed: {reason} | | |")
    return "\n".join(lines)
