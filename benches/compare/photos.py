"""Measures decoding and resizing photos on one core, beside torchvision."""

import pathlib
import statistics
import sys

from worker import Worker, WorkerFailed

HERE = pathlib.Path(__file__).resolve().parent / "workers"
KINDLING, TORCHVISION = "Kindling", "torchvision"
OUTPUTS = {"bytes": "RGB bytes of 224 x 224", "tensor": "normalised f32 of 224 x 224"}
ENDINGS = {".jpg", ".jpeg", ".png"}


def measure(rounds, worker, data, environment, folder, say):
    """Seconds of each pass over the validation photos, by output and program."""
    photos = data / "val"
    count = sum(path.suffix.lower() in ENDINGS for path in photos.rglob("*"))
    measured = {"photos": count, "rounds": rounds, "seconds": {}, "failed": {}}
    for output in OUTPUTS:
        commands = {TORCHVISION: [sys.executable, HERE / "torchvision_photos.py", photos, output]}
        # The benchmark program has one mode for networks and one for photos.
        if worker[-1] == "--worker":
            commands[KINDLING] = [*worker[:-1], "--decode-worker", photos, output]
        workers, seconds = {}, {}
        say(f"photos: decoding and resizing to {OUTPUTS[output]}")

        def fail(name, error):
            measured["failed"][f"{name}, {OUTPUTS[output]}"] = str(error)
            say(f"photos: {name} {error}")
            seconds.pop(name, None)
            if name in workers:
                workers.pop(name).stop()

        try:
            for name, command in commands.items():
                try:
                    path = folder / f"stderr-photos-{name}"
                    workers[name] = Worker(name, [str(word) for word in command], environment, path)
                    workers[name].wait_until_ready()
                except WorkerFailed as error:
                    fail(name, error)
            for turn in range(rounds + 1):
                for name in list(workers):
                    try:
                        taken, _ = workers[name].forward()
                    except WorkerFailed as error:
                        fail(name, error)
                    else:
                        if turn > 0:
                            seconds.setdefault(name, []).append(taken)
        finally:
            for running in workers.values():
                running.stop()
        measured["seconds"][output] = seconds
    return measured


def ratios(measured, output):
    """How many times as fast as torchvision Kindling was in each round, or None."""
    seconds = measured["seconds"].get(output, {}) if measured else {}
    if KINDLING not in seconds or TORCHVISION not in seconds:
        return None
    return [theirs / ours for ours, theirs in zip(seconds[KINDLING], seconds[TORCHVISION])]


def table(measured):
    lines = ["| photos/s on one core | torchvision | Kindling | Kindling is × as fast |", "| --- | --- | --- | --- |"]
    for output, seconds in measured["seconds"].items():
        cells = [f"{measured['photos'] / statistics.median(seconds[name]):.0f}" if name in seconds else ""
                 for name in [TORCHVISION, KINDLING]]
        found = ratios(measured, output)
        lines.append(f"| {OUTPUTS[output]} | {cells[0]} | {cells[1]} | "
                     f"{statistics.median(found):.2f} |" if found else f"| {OUTPUTS[output]} | {cells[0]} | {cells[1]} | |")
    return "\n".join(lines + [f"\n{name} failed: {reason}." for name, reason in measured["failed"].items()])
