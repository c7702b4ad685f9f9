"""Measures the backbone alone, with long-lived workers that take turns.

A worker prints `ready` when it is warm. Then, for every line it reads, it runs one forward and
prints its seconds. It exits when stdin is closed. Kindling's worker may also answer the line
`roofline` with one JSON object.
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
    """A worker failed. The message is one line."""


class Worker:
    def __init__(self, name, command, environment, stderr_path):
        self.name, self.stderr_path = name, stderr_path
        with open(stderr_path, "wb") as stderr:
            try:
                self.process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment,
                    # In a new session, Ctrl-C reaches only the driver, which then stops the
                    # workers.
                    start_new_session=True)
            except OSError as error:
                raise WorkerFailed(f"cannot start {command[0]}: {error.strerror}") from error
        # A thread reads lines into a queue, because a pipe cannot be read with a timeout.
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
            raise WorkerFailed(f"did not answer within {seconds} s") from None
        if line is None:
            code = self.process.wait()
            stderr = pathlib.Path(self.stderr_path).read_text(errors="replace").strip()
            if stderr:
                print(f"--- stderr of {self.name}\n{stderr}\n---", file=sys.stderr)
            last = stderr.splitlines()[-1] if stderr else "nothing on stderr"
            raise WorkerFailed(f"exited with code {code}: {last}")
        return line

    def wait_until_ready(self):
        line = self.answer(READY_SECONDS)
        if line != "ready":
            raise WorkerFailed(f"printed {line!r} instead of 'ready'")

    def ask(self, line):
        try:
            self.process.stdin.write(line + "\n")
            self.process.stdin.flush()
        except OSError:
            pass  # The worker exited. `answer` reports its exit code.
        return self.answer(ANSWER_SECONDS)

    def forward(self):
        """The seconds that the worker reports, and the seconds until its answer arrived."""
        start = time.perf_counter()
        line = self.ask("forward")
        waited = time.perf_counter() - start
        try:
            seconds = float(line)
        except ValueError:
            raise WorkerFailed(f"printed {line!r} instead of seconds") from None
        # A forward cannot take longer than the driver waited. 1 ms allows for different clocks.
        if not (math.isfinite(seconds) and 0 < seconds <= waited + 1e-3):
            raise WorkerFailed(f"reported {line!r} seconds, but its answer came after {waited:.4f} s")
        return seconds, waited

    def roofline(self):
        """An object with ROOFLINE_KEYS, or None if this worker does not give one."""
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
            # Kill the whole process group: the worker may be a script that starts the program.
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()


def kindling(device):
    return f"Kindling, {device}"


def commands(weights, batch, worker, devices):
    """Name and command of every program for one batch size, in the order of their turns."""
    python = [sys.executable]
    pytorch = python + [HERE / "pytorch_backbone.py", weights, batch]
    modes = ["contiguous", "channels_last", "fused"]
    programs = {name: pytorch + [mode] for name, mode in zip(PYTORCH + [PYTORCH_FUSED], modes)}
    programs[ONNX_RUNTIME] = python + [HERE / "onnxruntime_backbone.py", weights, batch]
    for device in devices:
        programs[kindling(device)] = worker + [weights, batch, device]
    return {name: [str(word) for word in command] for name, command in programs.items()}


def more_forwards(batch):
    """The number of forwards in a turn after the first one, which runs with cold caches."""
    return 9 if batch < 4 else 2 if batch < 16 else 0


def turn_of(worker, more):
    """Seconds of a turn: the first forward, the mean of the following forwards, and the overhead.

    The overhead is the time between the end of a forward and the arrival of the answer.
    """
    first, waited = worker.forward()
    late = waited - first
    following = []
    for _ in range(more):
        taken, waited = worker.forward()
        following.append(taken)
        late = waited - taken
    return first, statistics.fmean(following) if following else first, late


def measure(batch, rounds, weights, worker, devices, environment, folder, say, with_roofline):
    """Measures all programs at one batch size.

    Returns a dict: per program the seconds of each round (`seconds` for consecutive forwards,
    `firsts` for the first forward after a pause) and the failures, and also the warnings and the
    roofline or None.
    """
    workers, failed, seconds, firsts, overhead = {}, {}, {}, {}, {}
    # ONNX Runtime's threads spin for about 35 ms of CPU time after a forward of one photo, or 100
    # ms on a busy machine. The pause lets them stop before the next program's turn.
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
        # The first round warms the caches and is dropped.
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
    warnings = [f"{name} at batch {batch} answered {late[name] * 1e3:.1f} ms later than the time it reported."
                for name, rows in seconds.items() if late[name] > 0.1 * statistics.median(rows) + 2e-3]
    return {"batch": batch, "rounds": rounds, "seconds": seconds, "firsts": firsts, "failed": failed, "warnings": warnings,
            "roofline": roofline}


def fastest_pytorch(measured):
    """The name of the faster of PyTorch's two layouts by the median over the rounds, or None."""
    names = [name for name in PYTORCH if name in measured["seconds"]]
    return min(names, key=lambda name: statistics.median(measured["seconds"][name]), default=None)


def ratios(measured, name, other, which="seconds"):
    """How many times as fast as `other` the program was in each round.

    None if one of them was not measured. `which` is `firsts` for the first forward after a pause.
    """
    seconds = measured[which]
    if name == other or name not in seconds or other not in seconds:
        return None
    return [theirs / ours for ours, theirs in zip(seconds[name], seconds[other])]


def spread(values):
    """The median, followed by the interquartile range in parentheses."""
    if values is None:
        return ""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def table(all_measured):
    """The backbone's results as a Markdown table."""
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
    """Kindling's speed as a share of the CPU's roofline, if the worker gives one."""
    name = kindling(device)
    if name not in measured["seconds"]:
        return ""
    bounds = measured["roofline"]
    if not bounds:
        return f"{name}, roofline: not measured, because the worker does not report one."
    reached = measured["batch"] / statistics.median(measured["seconds"][name])
    direct, winograd = bounds["direct_images_per_s"], bounds["winograd_images_per_s"]
    return (f"{name}, roofline at batch {measured['batch']}: measured peak {bounds['peak_gflops']:.0f} GFLOP/s, "
            f"direct bound {direct:.1f} photos/s, Winograd bound {winograd:.1f} photos/s; "
            f"reached {reached:.1f} photos/s, {100 * reached / direct:.0f} % of the direct bound and "
            f"{100 * reached / winograd:.0f} % of Winograd's.")
