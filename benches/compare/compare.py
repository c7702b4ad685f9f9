"""Compares Kindling with PyTorch and ONNX Runtime on the CPU. See README.md in this folder."""

import argparse
import datetime
import json
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

import backbone
import goals
import job
import machine
import results

DESCRIPTION = """\
Compares Kindling with PyTorch and ONNX Runtime on the CPU and writes the results into a section of RESULTS.md.

Two things are measured, each with the programs taking turns. The machine should be otherwise idle.
  backbone  one forward of ResNet-18 without its last layer, on photos in memory
  job       whole processes: a folder of photos in, a trained classifier out
"""
EPILOG = """\
examples:
  python benches/compare/compare.py --data photos --weights resnet18.pth
  python benches/compare/compare.py --weights resnet18.pth --only backbone --batch 1 --rounds 20 --out -
  python benches/compare/compare.py --data photos --weights resnet18.pth --only job --skip-tutorial

worker: by default Kindling's benchmark program, built with `cargo bench --no-run`; --worker replaces it. It is started
as CMD... WEIGHTS BATCH DEVICE and prints `ready` when it is warm. For every line on stdin it then runs one forward of
a fixed batch [BATCH, 3, 224, 224] and prints the seconds. For the line `roofline` it may print
{"peak_gflops": X, "direct_images_per_s": X, "winograd_images_per_s": X} instead. It exits when stdin is closed.

exit code: 0 if everything was measured, 1 if something failed (the other results are still written), 2 for wrong usage.
A full run takes about 20 minutes on two cores; the tutorial's loop takes half of that.
"""


class Failed(Exception):
    """An error for the user. The message is one line."""


def default_rounds(batch):
    """Fewer rounds for slower forwards, so that each batch size takes a minute or two."""
    return 15 if batch >= 4 else 40


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def batches(text):
    return list(dict.fromkeys(positive(word) for word in text.split(",")))


def devices(text):
    return list(dict.fromkeys(word for word in text.split(",") if word)) or ["cpu"]


def command(text):
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    if not words or not shutil.which(words[0]):
        raise argparse.ArgumentTypeError(f"{words[0] if words else 'an empty command'} is not a program")
    return words


def parse():
    parser = argparse.ArgumentParser(
        description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--data", type=pathlib.Path, metavar="DATA",
        help="folder with train/<class>/* and val/<class>/* (for the job)")
    add("--weights", type=pathlib.Path, metavar="W", required=True,
        help="ResNet-18's state dict, as torchvision names it (.pth)")
    add("--kindling", type=pathlib.Path, metavar="PATH", default=machine.REPOSITORY / "target/release/kindling",
        help="the kindling program (for the job) [default: target/release/kindling of this checkout]")
    add("--worker", type=command, metavar='"CMD ..."',
        help="command of the worker (for the backbone) [default: built from this checkout]")
    add("--devices", type=devices, default=["cpu", "flex"], metavar="NAME,...",
        help="Kindling's devices: all for the backbone, the first for the job and the goals "
             "[default: cpu,flex]")
    add("--only", choices=["backbone", "job"], help="measure only one of the two")
    add("--batch", type=batches, default=[1, 8, 32], metavar="N,...",
        help="batch sizes of the backbone [default: 1,8,32]")
    add("--rounds", type=positive, metavar="N",
        help="rounds of the backbone, after a warm-up round [default: 40 below batch 4, 15 from batch 4]")
    add("--job-rounds", type=positive, default=3, metavar="N",
        help="rounds of the job [default: 3]; the tutorial's loop runs once")
    add("--skip-tutorial", action="store_true", help="skip the tutorial's loop, which takes minutes")
    add("--out", default=str(machine.REPOSITORY / "benches/RESULTS.md"), metavar="FILE",
        help="Markdown file to write the section to; `-` only prints it [default: benches/RESULTS.md of this checkout]")
    options = parser.parse_args()
    options.backbone, options.job = options.only != "job", options.only != "backbone"
    if options.job and not options.data:
        parser.error("the job needs --data; add it or use --only backbone")
    return options


def check(options):
    """Checks at the start everything that would make a run fail later."""
    if not options.weights.is_file():
        raise Failed(f"{options.weights} is not a file")
    missing = [name for name, _, installed in machine.versions() if installed is None]
    if missing:
        raise Failed(f"{', '.join(missing)}: not installed; "
                     f"run {sys.executable} -m pip install -r {machine.REQUIREMENTS}")
    if options.job:
        for part in ["train", "val"]:
            if not (options.data / part).is_dir():
                raise Failed(f"{options.data / part} is not a folder")
        if not os.access(options.kindling, os.X_OK) or not options.kindling.is_file():
            raise Failed(f"{options.kindling} is not a program; run cargo build --release or set --kindling")
        if not hasattr(os, "wait4"):
            raise Failed("the job can only be measured on Linux and macOS; use --only backbone")
    if options.out != "-":
        results.check(pathlib.Path(options.out))


def built_worker():
    """The command of Kindling's worker. Builds the benchmark program if necessary."""
    # Build the whole workspace: for a single package, cargo would build Burn again with other
    # features.
    asked = ["cargo", "bench", "--no-run", "--message-format", "json"]
    built = subprocess.run(asked, cwd=machine.REPOSITORY, stdout=subprocess.PIPE, text=True)
    if built.returncode != 0:
        raise Failed("cannot build the worker: `cargo bench --no-run` failed")
    for line in built.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["kind"] == ["bench"]:
            return [message["executable"], "--worker"]
    raise Failed("`cargo bench --no-run` built no benchmark program")


def say(text, again=False):
    """Prints progress to stderr.

    On a terminal, `again` lines overwrite each other. Elsewhere they are omitted.
    """
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="" if again else "\n", file=sys.stderr, flush=True)
    elif not again:
        print(text, file=sys.stderr, flush=True)


def measure(options, folder):
    """Returns the run as Markdown, and whether everything was measured."""
    # Otherwise the threads of PyTorch's OpenMP keep spinning and slow down the next program's turn.
    environment = dict(os.environ, GOMP_SPINCOUNT="0")
    weights = options.weights.resolve()
    started = datetime.datetime.now()
    warnings = machine.warnings()
    for warning in warnings:
        say(f"warning: {warning}")

    all_backbones, whole_job = [], None
    if options.backbone:
        for batch in options.batch:
            measured = backbone.measure(
                batch, options.rounds or default_rounds(batch), weights, options.worker, options.devices, environment,
                folder, say, with_roofline=batch == max(options.batch))
            all_backbones.append(measured)
            warnings += measured["warnings"]
    if options.job:
        whole_job = job.measure(
            options.job_rounds, options.kindling.resolve(), options.data.resolve(), weights, options.devices[0],
            environment, folder, say, not options.skip_tutorial)

    kindling = options.kindling if options.job else None
    parts = [f"### {started:%Y-%m-%d %H:%M}{machine.commit()}", machine.description(kindling)]
    parts += [f"**Warning:** {warning}" for warning in warnings]
    parts.append(goals.table(all_backbones, whole_job, options.devices[0]))
    if all_backbones:
        rounds = ", ".join(f"{measured['rounds']} at batch {measured['batch']}" for measured in all_backbones)
        parts += [f"Backbone: medians of rounds ({rounds}). At small batches, each round has several consecutive "
                  "forwards. The last column is the first forward of a round, after a pause in which other programs "
                  "used the caches.",
                  backbone.table(all_backbones)]
        largest = max(all_backbones, key=lambda measured: measured["batch"])
        parts.append(backbone.roofline_line(largest, options.devices[0]))
    if whole_job:
        parts += [f"Job: medians of {whole_job['rounds']} runs each; the tutorial's loop ran once. Kindling used "
                  f"`--device {whole_job['device']}`.", job.table(whole_job)]
    complete = not any(measured["failed"] for measured in all_backbones + [whole_job] if measured)
    return "\n\n".join(filter(None, parts)) + "\n", complete


def main():
    options = parse()
    # SIGTERM must also stop the started programs: raise an exception, so that the cleanup runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        check(options)
        if options.backbone and not options.worker:
            options.worker = built_worker()
        with tempfile.TemporaryDirectory(prefix="kindling-compare-") as folder:
            run, complete = measure(options, pathlib.Path(folder))
        print(run)
        if options.out != "-":
            results.write(options.out, run)
            say(f"written to {options.out}")
    except (Failed, results.ResultsFailed, OSError, subprocess.SubprocessError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted, nothing was written", file=sys.stderr)
        return 130
    return 0 if complete else 1


if __name__ == "__main__":
    sys.exit(main())
