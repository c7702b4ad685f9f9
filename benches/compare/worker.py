"""A long-lived process that measures one program, one forward per line that it is sent.

A worker prints `ready` when it is warm. Then, for every line `forward` that it reads, it runs one
forward and prints its seconds. compare.py's help has the other lines. It exits when stdin is closed.
"""

import json
import math
import os
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time

import numpy

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

    def features(self, path):
        """The features of the worker's photos, flat."""
        answer = self.ask(f"features {path}")
        try:
            features = numpy.fromfile(path, numpy.float32)
        except OSError as error:
            raise WorkerFailed(f"wrote no features: {error.strerror}") from error
        if str(features.size) != answer:
            raise WorkerFailed(f"wrote {features.size} features and printed {answer!r}")
        return features

    def instructions(self):
        """The instruction set that the program reports, or "unknown"."""
        return self.ask("instructions")[:40]

    def roofline(self):
        """An object with ROOFLINE_KEYS, or None if this worker does not give one."""
        found = self._object("roofline")
        numbers = found is not None and all(
            isinstance(found.get(key), (int, float)) and found[key] > 0 for key in ROOFLINE_KEYS)
        return found if numbers else None

    def steps(self):
        """The time and cost of each step of the network, or None if this worker does not give them."""
        found = self._object("steps")
        return found if found and found.get("steps") else None

    def _object(self, line):
        try:
            found = json.loads(self.ask(line))
        except (WorkerFailed, ValueError):
            return None
        return found if isinstance(found, dict) else None

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
