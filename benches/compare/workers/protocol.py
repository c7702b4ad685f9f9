"""Shared by the Python workers: the photos, and one forward on them for each line on stdin."""

import os
import sys
import time

import numpy

SIDE = 224
# Libraries print to stdout, where the driver expects answers. So the answers get a copy of it, and
# everything else goes to stderr.
ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


def photos(batch):
    """Normalised photos [batch, 3, 224, 224], the same as those of Kindling's worker."""
    index = numpy.arange(batch * 3 * SIDE * SIDE, dtype=numpy.int64)
    values = (index * 7919 % 1009).astype(numpy.float32) / numpy.float32(252) - numpy.float32(2)
    return values.reshape(batch, 3, SIDE, SIDE)


def cores():
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def answer(value):
    print(value, file=ANSWERS, flush=True)


def serve(forward, instructions="unknown"):
    """Warms up, prints `ready`, and then prints the seconds of one forward for each line.

    `forward` returns the features. The line `features FILE` writes them to FILE as f32 and prints
    how many there are; `instructions` prints the instruction set that the program reports.
    """

    def seconds():
        start = time.perf_counter()
        forward()
        return time.perf_counter() - start

    for _ in range(2):
        seconds()
    answer("ready")
    for line in sys.stdin:
        word, _, path = line.strip().partition(" ")
        if word == "features":
            features = numpy.ascontiguousarray(forward(), numpy.float32)
            features.tofile(path)
            answer(features.size)
        elif word == "instructions":
            answer(instructions)
        else:
            answer(seconds())
