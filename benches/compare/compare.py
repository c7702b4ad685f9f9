"""Compares Kindling with other programs on the CPU. See README.md in this folder."""

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

try:
    import numpy  # noqa: F401
except ImportError:
    sys.exit(f"error: numpy is not installed; run {sys.executable} -m pip install -r "
             f"{pathlib.Path(__file__).with_name('requirements.txt')}")

import backbone
import goals
import job
import layers
import machine
import networks
import photos
import predict
import programs
import results

PARTS = ["backbone", "busy", "job", "predict", "photos"]
DESCRIPTION = """\
Compares Kindling with PyTorch, ONNX Runtime, OpenVINO, MNN and ncnn on the CPU, and writes the results into a section
of RESULTS.md. The programs take turns. The machine should be otherwise idle.

parts:
  backbone  one forward of a network without its last layer, on photos in memory
  busy      the same while as many other processes compute as the machine has cores
  job       whole processes: a folder of photos in, a trained classifier out
  predict   whole processes: one photo in, its class out
  photos    decoding and resizing photos on one core
"""
EPILOG = """\
examples:
  python benches/compare/compare.py --data photos --weights resnet18.pth
  python benches/compare/compare.py --data photos --weights resnet18.pth --instructions avx2
  python benches/compare/compare.py --weights resnet18.pth --only backbone --network resnet18 --batch 1 --rounds 20
  python benches/compare/compare.py --data photos --weights resnet18.pth --only job,predict --skip-tutorial

worker: by default Kindling's benchmark program, built with `cargo bench --no-run`; --worker replaces it. It is started
as CMD... WEIGHTS BATCH DEVICE [avx2] and prints `ready` when it is warm. It answers each line on stdin with one line,
and exits when stdin is closed:
  forward        runs one forward of a fixed batch [BATCH, 3, 224, 224] and prints the seconds
  features FILE  writes the features of that batch to FILE as f32 and prints how many there are
  instructions   prints the instruction set that the program reports, or `unknown`
  roofline       may print {"peak_gflops": X, "direct_images_per_s": X, "winograd_images_per_s": X, ...}
  steps          may print {"batch": N, "steps": [...]}: the time and the cost of each step of the network

exit code: 0 if everything was measured, 1 if something failed (the other results are still written), 2 for wrong usage.
A full run takes about 25 minutes on two cores; the tutorial's loop takes 5 to 8 of them.
"""


class Failed(Exception):
    """An error for the user. The message is one line."""


def default_rounds(batch):
    """Fewer rounds for slower forwards, so that each batch size takes about a minute."""
    return 12 if batch >= 4 else 30


def default_busy_rounds(batch):
    """More rounds for the same time as on an idle machine: the times vary more."""
    return 15 if batch >= 4 else 40


def positive(text):
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


def batches(text):
    return list(dict.fromkeys(positive(word) for word in text.split(",")))


def chosen(names):
    """A type for an option that takes some of `names`, separated by commas."""

    def words(text):
        found = list(dict.fromkeys(word for word in text.split(",") if word))
        unknown = [word for word in found if word not in names]
        if unknown or not found:
            raise argparse.ArgumentTypeError(f"{unknown[0] if unknown else 'nothing'} is not one of {', '.join(names)}")
        return found

    return words


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
        help="folder with train/<class>/* and val/<class>/* (for the job, predict and photos)")
    add("--weights", type=pathlib.Path, metavar="W", required=True,
        help="ResNet-18's state dict, as torchvision names it (.pth)")
    add("--kindling", type=pathlib.Path, metavar="PATH", default=machine.REPOSITORY / "target/release/kindling",
        help="the kindling program [default: target/release/kindling of this checkout]")
    add("--worker", type=command, metavar='"CMD ..."',
        help="command of the worker (for the backbone and photos) [default: built from this checkout]")
    add("--devices", type=devices, default=["cpu"], metavar="NAME,...",
        help="Kindling's devices: all for the backbone, the first for everything else [default: cpu]")
    add("--instructions", choices=["best", "avx2"], default="best",
        help="avx2 measures the networks with AVX2 only, in the programs that can be limited to it "
             "[default: the best that the processor has]")
    add("--only", type=chosen(PARTS), metavar="PART,...", help=f"some of {', '.join(PARTS)} [default: all]")
    add("--network", type=chosen(networks.KINDS), default=networks.KINDS, metavar="NAME,...",
        help=f"networks of the backbone and predict [default: {','.join(networks.KINDS)}]")
    add("--batch", type=batches, default=[1, 8, 32], metavar="N,...",
        help="batch sizes of the backbone; the busy machine is measured at those of 1 and 32 [default: 1,8,32]")
    add("--rounds", type=positive, metavar="N",
        help="rounds of the backbone, after a warm-up round [default: 30 below batch 4, 12 from batch 4; on the busy "
             "machine 40 and 15]")
    add("--job-rounds", type=positive, default=3, metavar="N",
        help="rounds of the job [default: 3]; the tutorial's loop runs once")
    add("--skip-tutorial", action="store_true", help="skip the tutorial's loop, which takes minutes")
    add("--out", metavar="FILE",
        help="Markdown file to write the section to; `-` only prints it [default: benches/RESULTS.md of this checkout "
             "if all parts, networks and batch sizes are measured, else `-`]")
    options = parser.parse_args()
    limited = options.instructions == "avx2"
    if limited and set(options.only or []) & {"job", "predict", "photos"}:
        parser.error("--instructions avx2 measures the backbone and busy only")
    options.parts = options.only or (["backbone", "busy"] if limited else PARTS)
    needing = [part for part in options.parts if part in ["job", "predict", "photos"]]
    if needing and not options.data:
        parser.error(f"{', '.join(needing)}: --data is missing; add it or use --only backbone,busy")
    if options.out is None:
        everything = not options.only and options.network == networks.KINDS and options.batch == [1, 8, 32]
        options.out = str(machine.REPOSITORY / "benches/RESULTS.md") if everything and not options.rounds else "-"
    return options


def check(options):
    """Checks at the start everything that would make a run fail later."""
    if not options.weights.is_file():
        raise Failed(f"{options.weights} is not a file")
    if {"job", "predict", "photos"} & set(options.parts):
        for part in ["train", "val"]:
            if not (options.data / part).is_dir():
                raise Failed(f"{options.data / part} is not a folder")
    if {"backbone", "busy", "job", "predict"} & set(options.parts):
        # The backbone needs its export of the networks.
        if not os.access(options.kindling, os.X_OK) or not options.kindling.is_file():
            raise Failed(f"{options.kindling} is not a program; run cargo build --release or set --kindling")
    if {"job", "predict"} & set(options.parts) and not hasattr(os, "wait4"):
        raise Failed("the job and predict can only be measured on Linux and macOS; use --only backbone,busy,photos")
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


def measure_backbones(options, folder, say):
    """The measurements of all networks and batch sizes."""
    found, environment = [], dict(os.environ)
    for name in options.network:
        weights = {"resnet18": options.weights.resolve()}.get(name, machine.REPOSITORY / f"weights/{name}.safetensors")
        network = networks.prepare(name, weights, options.kindling.resolve(), options.batch, folder, say)
        for batch in options.batch:
            rounds = (options.rounds or default_rounds(batch)) if "backbone" in options.parts else 0
            busy = "busy" in options.parts and batch in [1, 32]
            busy_rounds = (options.rounds or default_busy_rounds(batch)) if busy else 0
            if rounds or busy_rounds:
                found.append(backbone.measure(
                    network, batch, rounds, busy_rounds, options.worker, options.devices, options.instructions,
                    environment, folder, say, with_roofline=batch == max(options.batch)))
    return found


def measure(options, folder):
    """Returns the run as Markdown, and whether everything was measured."""
    # Otherwise the threads of PyTorch's OpenMP keep spinning and slow down its own decoding.
    environment = dict(os.environ, GOMP_SPINCOUNT="0")
    kindling, device = options.kindling.resolve(), options.devices[0]
    started = datetime.datetime.now()
    warnings = machine.warnings()
    for warning in warnings:
        say(f"warning: {warning}")

    all_backbones, whole_job, predicted, decoded = [], None, None, None
    if {"backbone", "busy"} & set(options.parts):
        all_backbones = measure_backbones(options, folder, say)
        warnings += [warning for measured in all_backbones for warning in measured.warnings]
    if "predict" in options.parts:
        predicted = predict.measure(
            20, kindling, options.network, options.weights.resolve(), options.data.resolve(), device, environment,
            folder, say)
    if "photos" in options.parts:
        decoded = photos.measure(8, options.worker, options.data.resolve(), environment, folder, say)
    if "job" in options.parts:
        whole_job = job.measure(
            options.job_rounds, kindling, options.data.resolve(), options.weights.resolve(), device, environment,
            folder, say, not options.skip_tutorial)

    text = report(options, started, warnings, all_backbones, whole_job, predicted, decoded)
    failed = [measured.failed for measured in all_backbones]
    failed += [measured["failed"] for measured in [whole_job, predicted, decoded] if measured]
    return text, not any(failed)


def report(options, started, warnings, all_backbones, whole_job, predicted, decoded):
    """The run as Markdown."""
    device, limited = options.devices[0], options.instructions == "avx2"
    ours = programs.kindling(device)
    sets = {name: found for measured in all_backbones for name, found in measured.instructions.items()}
    used = "AVX2" if limited else sets.get(ours, "")
    which = " on ".join(filter(None, [used, machine.processor()[0]]))
    parts = [f"### {which}, {started:%Y-%m-%d %H:%M}{machine.commit()}",
             machine.description(options.kindling), machine.instruction_sets(sets, limited)]
    parts += [f"**Warning:** {warning}" for warning in warnings]
    parts.append(goals.table(all_backbones, whole_job, predicted, decoded, device))
    if all_backbones:
        counts = ", ".join(dict.fromkeys(
            f"{rounds}{load} at batch {measured.batch}" for measured in all_backbones
            for rounds, load in [(measured.rounds, ""), (measured.busy_rounds, " busy")] if rounds))
        parts.append(f"Networks: each cell is the median in ms of the rounds ({counts}), and after it how many times as "
                     f"fast {ours} was: the median of the ratios of each round, with the interquartile range. The best "
                     "peer is bold. At batch 1 and 8, a round has several consecutive forwards; \"after a pause\" is "
                     f"the first of them. \"Busy\": beside {machine.usable_cores()} processes that compute without "
                     "a pause.")
    for name in dict.fromkeys(measured.network.name for measured in all_backbones):
        found = [measured for measured in all_backbones if measured.network.name == name]
        parts += [f"**{networks.TITLES[name]}**", backbone.table(found, device)]
        if largest := next((measured for measured in found if measured.roofline), None):
            parts += [backbone.roofline_line(largest, device), layers.table(found, largest.roofline)]
    parts += [backbone.differences_line(all_backbones), backbone.failures(all_backbones)]
    if whole_job:
        parts += [f"Job: medians of {whole_job['rounds']} runs each, of the tutorial's loop one. Kindling used "
                  f"`--device {whole_job['device']}`.", job.table(whole_job)]
    if predicted:
        parts += [f"`predict` with `--device {predicted['device']}`: every run is a new process with another photo.",
                  predict.table(predicted)]
    if decoded:
        parts += [f"Decoding and resizing the {decoded['photos']} validation photos: medians of {decoded['rounds']} "
                  "passes.", photos.table(decoded)]
    return "\n\n".join(filter(None, parts)) + "\n"


def main():
    options = parse()
    # SIGTERM must also stop the started programs: raise an exception, so that the cleanup runs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        check(options)
        if {"backbone", "busy", "photos"} & set(options.parts) and not options.worker:
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
