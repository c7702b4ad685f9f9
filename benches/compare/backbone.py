"""The backbone alone: long-lived workers that take turns, one forward each.

A worker prints `ready` when it is warm. For every line that it reads it then runs one forward and prints its seconds; it
ends when stdin does. Kindling's worker may also answer the line `roofline` with one JSON object.
"""

import json
import math
import os
import pathlib
import queue
import signal
import statistics
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent / "workers"
ONNX_RUNTIME = "ONNX Runtime"
PYTORCH = ["PyTorch, contiguous", "PyTorch, channels_last"]
PYTORCH_FUSED = "PyTorch, fused"
READY_SECONDS, ANSWER_SECONDS = 300, 180
ROOFLINE_KEYS = ["peak_gflops", "direct_images_per_s", "winograd_images_per_s"]


class WorkerFailed(Exception):
    """One line that names what went wrong."""


class Worker:
    def __init__(self, name, command, environment, stderr_path):
        self.name, self.stderr_path = name, stderr_path
        with open(stderr_path, "wb") as stderr:
            try:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment,
                    # A session of its own: Ctrl-C reaches the driver alone, which then ends the workers in order.
                    start_new_session=True)
            except OSError as error:
                raise WorkerFailed(f"cannot start {command[0]}: {error.strerror}") from error
        # Lines come through a queue, because a pipe by itself cannot be read with a time limit.
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.strip())
        self.lines.put(None)

    def answer(self, seconds):
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise WorkerFailed(f"no answer in {seconds} s") from None
        if line is None:
            code = self.process.wait()
            stderr = pathlib.Path(self.stderr_path).read_text(errors="replace").strip()
            if stderr:
                print(f"--- stderr of {self.name}\n{stderr}\n---", file=sys.stderr)
            last = stderr.splitlines()[-1] if stderr else "nothing on stderr"
            raise WorkerFailed(f"ended with exit code {code}: {last}")
        return line

    def wait_until_ready(self):
        line = self.answer(READY_SECONDS)
        if line != "ready":
            raise WorkerFailed(f"said {line!r} in place of 'ready'")

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # It is gone; reading says with which exit code.
        return self.answer(ANSWER_SECONDS)

    def forward(self):
        """(the seconds that the worker says, the seconds until its answer was here)."""
        start = time.perf_counter()
        line = self.ask("forward")
        waited = time.perf_counter() - start
        try:
            seconds = float(line)
        except ValueError:
            raise WorkerFailed(f"said {line!r} in place of seconds") from None
        # A forward cannot have taken longer than the driver waited for it; 1 ms is for differing clocks.
        if not (math.isfinite(seconds) and 0 < seconds <= waited + 1e-3):
            raise WorkerFailed(f"said {line!r} seconds, and its answer came after {waited:.4f} s")
        return seconds, waited

    def roofline(self):
        """The object of ROOFLINE_KEYS, or None where this worker has none."""
        try:
            found = json.loads(self.ask("roofline"))
        except (WorkerFailed, ValueError):
            return None
        numbers = isinstance(found, dict) and all(
            isinstance(found.get(key), (int, float)) and found[key] > 0 for key in ROOFLINE_KEYS)
        return found if numbers else None

    def stop(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            # With whatever it started: the worker may be a script around the program.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()


def kindling(device):
    return f"Kindling, {device}"


def commands(weights, batch, worker, devices):
    """Name and command of every program of one batch size, in the order of their turns."""
    python = [sys.executable]
    pytorch = python + [HERE / "pytorch_backbone.py", weights, batch]
    modes = ["contiguous", "channels_last", "fused"]
    programs = {name: pytorch + [mode] for name, mode in zip(PYTORCH + [PYTORCH_FUSED], modes)}
    programs[ONNX_RUNTIME] = python + [HERE / "onnxruntime_backbone.py", weights, batch]
    for device in devices:
        programs[kindling(device)] = worker + [weights, batch, device]
    return {name: [str(word) for word in command] for name, command in programs.items()}


def more_forwards(batch):
    """Forwards of a turn after its first, which comes after a pause in which other programs had the caches."""
    return 9 if batch < 4 else 2 if batch < 16 else 0


def turn_of(worker, more):
    """A turn's seconds: of its first forward, of one of those that follow at once, and how much later answers came."""
    first, waited = worker.forward()
    late = waited - first
    following = []
    for _ in range(more):
        taken, waited = worker.forward()
        following.append(taken)
        late = waited - taken
    return first, statistics.fmean(following) if following else first, late


def measure(batch, rounds, weights, worker, devices, environment, folder, say, with_roofline):
    """Seconds of each round by program (of forwards one after another, and of the first after a pause), what failed by
    program, warnings, and a roofline or None."""
    workers, failed, seconds, firsts, overhead = {}, {}, {}, {}, {}
    # ONNX Runtime's threads were seen to spin for some 35 ms of processor time after a forward of one photo, which is
    # 100 ms where other work takes its share: the next program's turn comes after that.
    pause = 0.15 if batch >= 8 else 0.1

    def fail(name, error):
        failed[name] = str(error)
        say(f"batch {batch}: {name} {error}")
        if name in workers:
            workers.pop(name).stop()

    try:
        for name, command in commands(weights, batch, worker, devices).items():
            say(f"batch {batch}: starting {name}")
            try:
                workers[name] = Worker(name, command, environment, folder / f"stderr-{len(workers) + len(failed)}")
                workers[name].wait_until_ready()
            except WorkerFailed as error:
                fail(name, error)
        seconds = {name: [] for name in workers}
        firsts = {name: [] for name in workers}
        overhead = {name: [] for name in workers}
        # The first round is the caches', and is dropped.
        for turn in range(rounds + 1):
            say(f"batch {batch}: round {turn} of {rounds}", again=True)
            for name in list(workers):
                try:
                    first, taken, late = turn_of(workers[name], more_forwards(batch))
                except WorkerFailed as error:
                    fail(name, error)
                else:
                    if turn > 0:
                        seconds[name].append(taken)
                        firsts[name].append(first)
                        overhead[name].append(late)
                time.sleep(pause)
        first = kindling(devices[0])
        roofline = workers[first].roofline() if with_roofline and first in workers else None
    finally:
        for running in workers.values():
            running.stop()
    seconds = {name: rows for name, rows in seconds.items() if name not in failed}
    late = {name: statistics.median(overhead[name]) for name in seconds}
    warnings = [f"{name} at batch {batch} answered {late[name] * 1e3:.1f} ms later than it says that it took."
                for name, rows in seconds.items() if late[name] > 0.1 * statistics.median(rows) + 2e-3]
    return {"batch": batch, "rounds": rounds, "seconds": seconds, "firsts": firsts, "failed": failed, "warnings": warnings,
            "roofline": roofline}


def fastest_pytorch(measured):
    """The faster of PyTorch's two layouts by its median over the rounds, or None."""
    names = [name for name in PYTORCH if name in measured["seconds"]]
    return min(names, key=lambda name: statistics.median(measured["seconds"][name]), default=None)


def ratios(measured, name, other, which="seconds"):
    """How many times as fast as `other` the program was, in each round; None where one of them was not measured.
    `which` is `firsts` for the first forwards after a pause."""
    seconds = measured[which]
    if name == other or name not in seconds or other not in seconds:
        return None
    return [theirs / ours for ours, theirs in zip(seconds[name], seconds[other])]


def spread(values):
    """Median and, in brackets, the interquartile range."""
    if values is None:
        return ""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def table(all_measured):
    """The backbone's part of a run, in Markdown."""
    lines = ["| batch | program | ms | photos/s | × PyTorch | × PyTorch, fused | × ONNX Runtime | after a pause, ms |",
             "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    for measured in all_measured:
        batch = measured["batch"]
        others = [fastest_pytorch(measured), PYTORCH_FUSED, ONNX_RUNTIME]
        for name, rows in measured["seconds"].items():
            median = statistics.median(rows)
            cells = [batch, name, f"{median * 1e3:.1f}", f"{batch / median:.1f}"]
            cells += [spread(ratios(measured, name, other)) for other in others]
            cells.append(f"{statistics.median(measured['firsts'][name]) * 1e3:.1f}")
            lines.append("| " + " | ".join(map(str, cells)) + " |")
        for name, reason in measured["failed"].items():
            reason = reason.replace("|", "/")
            lines.append(f"| {batch} | {name} | failed: {reason} | | | | | |")
    return "\n".join(lines)


def roofline_line(measured, device):
    """What Kindling reached of what the processor could do, as far as the worker says."""
    name = kindling(device)
    if name not in measured["seconds"]:
        return ""
    bounds = measured["roofline"]
    if not bounds:
        return f"{name}, roofline: not measured, the worker gives none."
    reached = measured["batch"] / statistics.median(measured["seconds"][name])
    direct, winograd = bounds["direct_images_per_s"], bounds["winograd_images_per_s"]
    return (f"{name}, roofline at batch {measured['batch']}: measured peak {bounds['peak_gflops']:.0f} GFLOP/s, "
            f"direct bound {direct:.1f} photos/s, Winograd bound {winograd:.1f} photos/s; "
            f"reached {reached:.1f} photos/s, {100 * reached / direct:.0f} % of the direct bound and "
            f"{100 * reached / winograd:.0f} % of Winograd's.")
