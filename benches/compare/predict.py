"""Measures `kindling predict` on one photo, as a whole process from its start to its exit."""

import os
import pathlib
import statistics
import subprocess
import tempfile
import time

import machine
import networks

# The models as a user names them; None stands for the weights file.
MODELS = {"resnet18": None, "efficientnet-lite0": "efficientnet-lite0"}
# The kinds of runs. A user who names no device gets `auto`, which looks for a GPU first.
FIRST, LATER, AUTO = "first run, no caches", "later runs", "later runs, `--device auto`"
LONGEST_SECONDS = 120
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


def measure(rounds, kindling, names, weights, data, device, environment, folder, say):
    """Seconds and peaks by network and kind of run, and the failures by network.

    Every run has another photo, so that cached features of photos do not help. The networks take
    turns. A first run has an empty cache folder; there is one for every fourth later run. `--device
    auto` is measured too.
    """
    photos = sorted(path for path in (data / "val").rglob("*") if path.suffix.lower() in ENDINGS)
    if not photos:
        return {"runs": {}, "failed": dict.fromkeys(names, f"{data / 'val'} has no photos"), "device": device}
    found = {name: {FIRST: [], LATER: [], AUTO: []} for name in names}
    failed, count = {}, 0

    def attempt(name, cache, kind):
        nonlocal count
        if name in failed:
            return
        count += 1
        try:
            taken = once(kindling, MODELS[name] or weights, photos[count % len(photos)],
                         "auto" if kind == AUTO else device, cache, environment)
        except PredictFailed as error:
            failed[name] = str(error)
            say(f"predict: {networks.TITLES[name]} {error}")
        else:
            if kind:
                found[name][kind].append(taken)

    say("predict: whole processes on one photo")
    with tempfile.TemporaryDirectory(dir=folder) as kept:
        for name in names:
            # The first one loads the program and the weights into the page cache, too.
            for _ in range(2):
                attempt(name, pathlib.Path(kept), None)
        for turn in range(rounds):
            for kind in [LATER, AUTO]:
                for name in names:
                    attempt(name, pathlib.Path(kept), kind)
            if turn % 4 == 0:
                for name in names:
                    with tempfile.TemporaryDirectory(dir=folder) as empty:
                        attempt(name, pathlib.Path(empty), FIRST)
    return {"runs": {name: rows for name, rows in found.items() if name not in failed}, "failed": failed,
            "device": device}


def seconds(measured, name, kind):
    """The median, or None if it was not measured."""
    rows = measured["runs"].get(name, {}).get(kind) if measured else None
    return statistics.median(taken for taken, _ in rows) if rows else None


def table(measured):
    lines = ["| `predict` on one photo | runs | median | fastest to slowest | peak memory |", "| --- | --- | --- | --- | --- |"]
    for name, kinds in measured["runs"].items():
        for kind, rows in kinds.items():
            taken, peaks = zip(*rows)
            peaks = [peak for peak in peaks if peak is not None]
            peak = f"{statistics.median(peaks):.0f} MiB" if peaks else "n/a"
            lines.append(f"| {networks.TITLES[name]}, {kind} | {len(rows)} | {statistics.median(taken):.3f} s | "
                         f"{min(taken):.3f} to {max(taken):.3f} s | {peak} |")
    for name, reason in measured["failed"].items():
        reason = reason.replace("|", "/")
        lines.append(f"| {networks.TITLES[name]} | | failed: {reason} | | |")
    return "\n".join(lines)
