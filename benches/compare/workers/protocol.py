"""Shared by the Python workers: random photos, and one forward on them for each line on stdin."""

import sys
import time

import numpy


def random_photos(batch):
    """Normalised photos [batch, 3, 224, 224], the same each time."""
    return numpy.random.default_rng(0).standard_normal((batch, 3, 224, 224), numpy.float32)


def serve(forward):
    """Warms up, prints `ready`, and then prints the seconds of one forward for each line."""

    def seconds():
        start = time.perf_counter()
        forward()
        return time.perf_counter() - start

    for _ in range(2):
        seconds()
    print("ready", flush=True)
    for _ in sys.stdin:
        print(seconds(), flush=True)
