"""Other load on the machine: processes that compute without a pause."""

import subprocess
import sys

# Ends by itself if the driver is killed, because then its parent changes.
LOOP = """\
import os
parent = os.getppid()
while os.getppid() == parent:
    for _ in range(100_000):
        pass
"""


class BusyLoops:
    """Keeps `count` processes busy inside a `with` block."""

    def __init__(self, count):
        self.count, self.processes = count, []

    def __enter__(self):
        for _ in range(self.count):
            self.processes.append(subprocess.Popen(
                [sys.executable, "-c", LOOP], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                start_new_session=True))
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        self.processes = []

    def running(self):
        return sum(process.poll() is None for process in self.processes)
