"""Measures the whole job: processes that take turns, each from its start to its exit."""

import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

import machine

HERE = pathlib.Path(__file__).resolve().parent
KINDLING, CACHED, PYTORCH, TUTORIAL = "Kindling", "Kindling, second run", "PyTorch", "PyTorch, tutorial's loop"
LONGEST_SECONDS = 2 * 60 * 60
SAMPLE_SECONDS = 0.05


class JobFailed(Exception):
    """A program failed. The message is one line."""


@dataclasses.dataclass
class Outcome:
    seconds: float
    cpu_seconds: float
    main_mib: float | None
    tree_mib: float | None
    accuracy: float


def descendants(root):
    """`root` and all of its descendants."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # The name is in parentheses and may contain any text. The parent is the second word
                # after it.
                parent = pathlib.Path("/proc", entry, "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
            except (OSError, IndexError):
                continue  # It ended meanwhile.
            children.setdefault(int(parent), []).append(int(entry))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def tree_kib(root):
    """Memory of a process and its descendants.

    This is the sum of PSS, which divides shared pages among processes, so that none counts twice.
    """
    total = 0
    for process in descendants(root):
        try:
            text = pathlib.Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue  # It ended meanwhile.
        found = re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)
        total += int(found.group(1)) if found else 0
    return total


def tree_is_measurable():
    return pathlib.Path("/proc/self/smaps_rollup").exists()


class PeakOfTree(threading.Thread):
    """Samples the memory of a process tree until `stop` is called."""

    def __init__(self, root):
        super().__init__(daemon=True)
        self.root, self.kib, self.ended = root, 0, threading.Event()

    def run(self):
        while not self.ended.wait(SAMPLE_SECONDS):
            self.kib = max(self.kib, tree_kib(self.root))

    def stop(self):
        self.ended.set()
        self.join()
        return self.kib / 1024


def end_group(group):
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


def run(program, arguments, environment, folder, sample_tree):
    """Runs one process until it exits, in a folder that is removed afterwards."""
    scratch = pathlib.Path(tempfile.mkdtemp(dir=folder))
    try:
        out = scratch / "run"
        command = [str(word) for word in program.command(out) + arguments]
        with open(scratch / "stdout", "wb") as stdout, open(scratch / "stderr", "wb") as stderr:
            start = time.perf_counter()
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr, env=environment,
                    start_new_session=True)
            except OSError as error:
                raise JobFailed(f"cannot start {command[0]}: {error.strerror}") from error
            limit = threading.Timer(LONGEST_SECONDS, end_group, [process.pid])
            limit.daemon = True
            limit.start()
            sampler = PeakOfTree(process.pid) if sample_tree else None
            if sampler:
                sampler.start()
            try:
                # wait4 reports this process only; getrusage(RUSAGE_CHILDREN) would give the largest
                # peak of all runs so far. The CPU time includes processes that it waited for, such
                # as DataLoader's workers. The peak is the largest of these processes, which is the
                # main process.
                _, status, usage = os.wait4(process.pid, 0)
                seconds = time.perf_counter() - start
                process.returncode = os.waitstatus_to_exitcode(status)
            finally:
                limit.cancel()
                tree_mib = sampler.stop() if sampler else None
                # Processes it left behind must not run during the next measurement.
                end_group(process.pid)
        if process.returncode != 0:
            lines = (scratch / "stderr").read_text(errors="replace").strip().splitlines() or ["nothing on stderr"]
            raise JobFailed(f"exited with code {process.returncode}: {lines[-1]}")
        main_mib = machine.peak_mib(usage)
        try:
            accuracy = program.accuracy(out, (scratch / "stdout").read_text())
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise JobFailed(f"did not report its validation accuracy: {error!r}") from error
        return Outcome(seconds, usage.ru_utime + usage.ru_stime, main_mib, tree_mib, accuracy)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def accuracy_of_run(out, _stdout):
    return json.loads((out / "summary.json").read_text())["best_epoch"]["val_accuracy"]


def accuracy_of_script(_out, stdout):
    return json.loads(stdout.strip().splitlines()[-1])["val_accuracy"]


@dataclasses.dataclass
class Program:
    name: str
    words: list
    options: list
    # Function from OUT and stdout to the validation accuracy.
    accuracy: object
    once: bool = False

    def command(self, out):
        # The scripts take OUT as an argument, Kindling takes it as an option.
        return self.words + self.options + ([out] if self.accuracy is accuracy_of_script else ["--out", out])


def programs(kindling, data, weights, device, cache, with_tutorial):
    """The programs in the order of their turns, and notes on the programs left out."""
    help_text = subprocess.run([str(kindling), "train", "--help"], capture_output=True, text=True, timeout=30).stdout
    words = [kindling, "train", data, "--weights", weights, "--device", device, "--quiet"]
    notes, found = [], []
    has = {option: re.search(rf"(?<![\w-]){option}(?![\w-])", help_text) for option in ["--cache", "--no-cache"]}
    found.append(Program(KINDLING, words, ["--no-cache"] if has["--no-cache"] else [], accuracy_of_run))
    if has["--cache"]:
        found.append(Program(CACHED, words, ["--lr", "0.002", "--cache", cache], accuracy_of_run))
    else:
        notes.append("The second run was not measured, because this kindling has no `--cache`.")
    found.append(Program(PYTORCH, [sys.executable, HERE / "pytorch_job.py", data, weights], [], accuracy_of_script))
    if with_tutorial:
        script = [sys.executable, HERE / "tutorial_job.py", data, weights]
        found.append(Program(TUTORIAL, script, [], accuracy_of_script, once=True))
    else:
        notes.append("The tutorial's loop was skipped.")
    return found, notes


def measure(rounds, kindling, data, weights, device, environment, folder, say, with_tutorial):
    """Measures all programs.

    Returns a dict: the outcomes of each round, the peak of the process tree and the failure by
    program, and also notes.
    """
    cache = folder / "cache"
    cache.mkdir()
    found, notes = programs(kindling, data, weights, device, cache, with_tutorial)
    outcomes, trees, failed = {program.name: [] for program in found}, {}, {}

    def attempt(program, what, arguments=(), sample_tree=False):
        if program.name in failed:
            return None
        say(f"job: {program.name}, {what}")
        try:
            return run(program, list(arguments), environment, folder, sample_tree)
        except JobFailed as error:
            failed[program.name] = str(error)
            say(f"job: {program.name} {error}")
            return None

    for program in found:
        if program.name == CACHED:
            # This run uses the default learning rate. The measured run uses another one, on cached
            # features.
            filling = dataclasses.replace(program, options=["--cache", cache])
            attempt(filling, "filling the cache")
    # Reading the PSS takes the kernel 10 ms or more per process, every 50 ms, which slows down
    # programs with many processes. So memory is measured in a separate run, which also loads
    # programs and photos into the page cache. For the tutorial, one epoch is enough to reach the
    # peak.
    for program in found:
        outcome = attempt(program, "memory", ["--epochs", "1"] if program.once else [], tree_is_measurable())
        if outcome:
            trees[program.name] = outcome.tree_mib
    for turn in range(rounds):
        for program in found:
            if turn == 0 or not program.once:
                outcome = attempt(program, f"round {turn + 1} of {1 if program.once else rounds}")
                if outcome:
                    outcomes[program.name].append(outcome)
    outcomes = {name: rows for name, rows in outcomes.items() if name not in failed}
    return {"outcomes": outcomes, "trees": trees, "failed": failed, "notes": notes, "rounds": rounds, "device": device,
            "programs": [program.name for program in found]}


def times_as_long(measured, name, other):
    """How many times as long as `other` a program took, or None.

    This is the median over pairs of runs, or the ratio of the medians if one program ran only once.
    """
    outcomes = measured["outcomes"]
    if name not in outcomes or other not in outcomes:
        return None
    ours, theirs = ([outcome.seconds for outcome in outcomes[program]] for program in [name, other])
    if len(ours) != len(theirs):
        return statistics.median(ours) / statistics.median(theirs)
    return statistics.median(a / b for a, b in zip(ours, theirs))


def median(measured, name, field):
    values = [getattr(row, field) for row in measured["outcomes"].get(name, [])]
    values = [value for value in values if value is not None]
    return statistics.median(values) if values else None


def table(measured):
    """The job's results as a Markdown table."""
    lines = ["| program | wall | each run | × Kindling's | CPU | peak, main process | peak, tree | val accuracy |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for name, rows in measured["outcomes"].items():
        ratio = times_as_long(measured, name, KINDLING) if name != KINDLING else None
        main, tree = median(measured, name, "main_mib"), measured["trees"].get(name)
        accuracies = sorted({f"{row.accuracy:.4f}" for row in rows})
        cells = [name, f"{median(measured, name, 'seconds'):.2f} s", ", ".join(f"{row.seconds:.2f}" for row in rows),
                 f"{ratio:.2f}" if ratio is not None else "", f"{median(measured, name, 'cpu_seconds'):.2f} s",
                 f"{main:.0f} MiB" if main else "n/a", f"{tree:.0f} MiB" if tree else "n/a",
                 "–".join(dict.fromkeys([accuracies[0], accuracies[-1]]))]
        lines.append("| " + " | ".join(cells) + " |")
    for name, reason in measured["failed"].items():
        reason = reason.replace("|", "/")
        lines.append(f"| {name} | failed: {reason} | | | | | | |")
    return "\n".join(lines + [""] + measured["notes"]).rstrip()
