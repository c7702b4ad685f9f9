"""Measures the networks alone, with long-lived workers that take turns."""

import statistics
import time

import numpy

import machine
import programs
from busy import BusyLoops
from worker import Worker, WorkerFailed

# Of the largest feature. MNN's and ncnn's Winograd are off by up to 1e-4 and 1e-3; a network with
# other padding or normalisation is off by 1e-1.
TOLERANCE = 5e-3


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


class Measurement:
    """One network at one batch size, on an idle and on a busy machine."""

    def __init__(self, network, batch):
        self.network, self.batch = network, batch
        # Rounds, and seconds of each round by program: consecutive forwards, the first forward after
        # a pause, and consecutive forwards on the busy machine.
        self.rounds, self.busy_rounds = 0, 0
        self.seconds, self.firsts, self.busy = {}, {}, {}
        # By program: why it failed, the instruction set, the largest difference between its features
        # and those of `reference`, as a share of the largest feature.
        self.failed, self.instructions, self.differences = {}, {}, {}
        self.reference = None
        self.roofline, self.steps, self.warnings = None, None, []

    def best_peer(self, which="seconds"):
        """The name of the fastest other program by the median over the rounds, or None."""
        seconds = getattr(self, which)
        names = [name for name in seconds if not programs.is_kindling(name)]
        return min(names, key=lambda name: statistics.median(seconds[name]), default=None)

    def ratios(self, name, ours, which="seconds"):
        """How many times as fast as the program `name` Kindling (`ours`) was in each round.

        None if one of them was not measured.
        """
        seconds = getattr(self, which)
        if name == ours or name not in seconds or ours not in seconds:
            return None
        return [theirs / mine for mine, theirs in zip(seconds[ours], seconds[name])]


class Runner:
    """Starts the workers of a measurement and lets them take turns."""

    def __init__(self, measured, environment, folder, say):
        self.measured, self.environment, self.folder = measured, environment, folder
        self.workers, self.overhead, self.reference = {}, {}, None
        self.what = f"{measured.network.title()}, batch {measured.batch}"
        self.say = lambda text, again=False: say(f"{self.what}: {text}", again)

    def start(self, program):
        name = program.name
        self.say(f"starting {name}")
        try:
            if program.failed:
                raise WorkerFailed(program.failed)
            path = self.folder / f"stderr-{len(self.workers) + len(self.measured.failed)}"
            self.workers[name] = Worker(name, program.command, self.environment | program.variables, path)
            self.workers[name].wait_until_ready()
            self.compare_features(name)
            self.measured.instructions[name] = self.workers[name].instructions()
        except WorkerFailed as error:
            self.fail(name, error)

    def compare_features(self, name):
        """Fails unless the program computes the same features as the first one."""
        features = self.workers[name].features(self.folder / "features")
        if not (features.size and numpy.isfinite(features).all() and features.any()):
            raise WorkerFailed("computes features that are empty, all 0, NaN or infinite")
        if self.reference is None:
            self.reference, self.measured.reference = features, name
            return
        if features.size != self.reference.size:
            raise WorkerFailed(f"computes {features.size} features, not {self.reference.size}")
        difference = float(numpy.abs(features - self.reference).max() / numpy.abs(self.reference).max())
        if difference > TOLERANCE:
            raise WorkerFailed(f"computes other features than {self.measured.reference}: the largest difference "
                               f"is {difference:.1e} of the largest feature")
        self.measured.differences[name] = difference

    def fail(self, name, error):
        self.measured.failed[name] = str(error)
        self.say(f"{name} {error}")
        if name in self.workers:
            self.workers.pop(name).stop()

    def rounds(self, count, names, record, what):
        """`count` rounds of turns. `record` gets the name and what `turn_of` returns."""
        # ONNX Runtime's threads spin for about 35 ms of CPU time after a forward of one photo, or 100
        # ms on a busy machine, and OpenMP's (PyTorch, ncnn) for some ms. The pause lets them stop
        # before the next program's turn.
        pause = 0.15 if self.measured.batch >= 8 else 0.1
        # The first round warms the caches and is dropped.
        for turn in range(count + 1):
            self.say(f"{what} {turn} of {count}", again=True)
            for name in [name for name in names if name in self.workers]:
                try:
                    taken = turn_of(self.workers[name], more_forwards(self.measured.batch))
                except WorkerFailed as error:
                    self.fail(name, error)
                else:
                    if turn > 0:
                        record(name, *taken)
                time.sleep(pause)

    def stop(self):
        for running in self.workers.values():
            running.stop()


def measure(network, batch, rounds, busy_rounds, worker, devices, instructions, environment, folder, say,
            with_roofline):
    """Measures all programs at one batch size. Either number of rounds may be 0."""
    measured = Measurement(network, batch)
    measured.rounds, measured.busy_rounds = rounds, busy_rounds
    runner = Runner(measured, environment, folder, say)
    overhead = {}

    def record(name, first, taken, late):
        measured.seconds.setdefault(name, []).append(taken)
        measured.firsts.setdefault(name, []).append(first)
        overhead.setdefault(name, []).append(late)

    try:
        found = programs.of(network, batch, worker, devices, instructions)
        for program in found:
            if rounds or program.is_busy_peer:
                runner.start(program)
        if rounds:
            runner.rounds(rounds, [program.name for program in found], record, "round")
        ours = programs.kindling(devices[0])
        if rounds and ours in runner.workers:
            measured.roofline = runner.workers[ours].roofline() if with_roofline else None
            measured.steps = runner.workers[ours].steps()
        if busy_rounds:
            names = [program.name for program in found if program.is_busy_peer]
            with BusyLoops(machine.usable_cores()) as loops:
                runner.rounds(busy_rounds, names,
                              lambda name, first, taken, late: measured.busy.setdefault(name, []).append(taken),
                              "busy round")
                if loops.running() < loops.count:
                    measured.busy = {}
                    measured.warnings.append(f"{runner.what}: the busy machine was not measured, because a busy loop "
                                             "ended too early.")
    finally:
        runner.stop()
    for seconds in [measured.seconds, measured.firsts, measured.busy]:
        for name in measured.failed:
            seconds.pop(name, None)
    for name, rows in measured.seconds.items():
        late = statistics.median(overhead[name])
        if late > 0.1 * statistics.median(rows) + 2e-3:
            measured.warnings.append(f"{name} at batch {batch} answered {late * 1e3:.1f} ms later than the time it "
                                     "reported.")
    return measured


def spread(values):
    """The median, followed by the interquartile range in parentheses."""
    if len(values) < 2:
        return f"{values[0]:.2f}"
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def milliseconds(values):
    median = statistics.median(values) * 1e3
    return f"{median:.1f}" if median < 100 else f"{median:.0f}"


def table(all_measured, device):
    """The results of one network: a row for each program, a column for each batch size and load."""
    ours = programs.kindling(device)
    columns = []
    for measured in all_measured:
        for which, title in [("seconds", f"batch {measured.batch}"), ("firsts", f"{measured.batch}, after a pause"),
                             ("busy", f"{measured.batch}, busy")]:
            has_firsts = which != "firsts" or measured.batch == 1
            if getattr(measured, which) and has_firsts:
                columns.append((measured, which, title))
    names = list(dict.fromkeys(name for measured in all_measured
                               for name in [*measured.seconds, *measured.busy, *measured.failed]))
    # In the order in which they are started.
    lines = ["| program | " + " | ".join(title for _, _, title in columns) + " |", "| --- |" + " --- |" * len(columns)]
    for name in names:
        cells = []
        for measured, which, _ in columns:
            rows = getattr(measured, which).get(name)
            if rows is None:
                cells.append("failed" if name in measured.failed else "")
                continue
            ratios = measured.ratios(name, ours, which)
            cell = milliseconds(rows) + (f"; {spread(ratios)}" if ratios else "")
            cells.append(f"**{cell}**" if name == measured.best_peer(which) else cell)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def failures(all_measured):
    """One line for each program that failed."""
    found = {}
    for measured in all_measured:
        for name, reason in measured.failed.items():
            found.setdefault(f"{name} failed: {reason}", []).append(f"{measured.network.title()} at batch {measured.batch}")
    return "\n".join(f"- {reason} ({', '.join(where)})." for reason, where in found.items())


def differences_line(all_measured):
    """How far each program's features are from the first one's."""
    largest = {}
    for measured in all_measured:
        for name, difference in measured.differences.items():
            largest[name] = max(largest.get(name, 0.0), difference)
    if not largest:
        return ""
    found = "; ".join(f"{name} {difference:.1e}" for name, difference in largest.items())
    references = " or ".join(dict.fromkeys(measured.reference for measured in all_measured if measured.reference))
    return (f"Every program's features were compared before its first turn. The largest difference from {references}, "
            f"as a share of the largest feature: {found}.")


def roofline_line(measured, device):
    """Kindling's speed as a share of the CPU's roofline, if the worker gives one."""
    name = programs.kindling(device)
    if name not in measured.seconds:
        return ""
    share = bound_share(measured, device)
    title = measured.network.title()
    if share is None:
        return f"{title}, roofline: not measured, because the worker does not report one."
    bounds = measured.roofline
    reached = measured.batch / statistics.median(measured.seconds[name])
    direct, winograd = bounds["direct_images_per_s"], bounds["winograd_images_per_s"]
    text = (f"{title}, roofline at batch {measured.batch}: measured peak {bounds['peak_gflops']:.0f} GFLOP/s, direct "
            f"bound {direct:.0f} photos/s")
    if winograd > 1.01 * direct:
        text += f", Winograd bound {winograd:.0f} photos/s"
    text += f"; reached {reached:.0f} photos/s, {100 * reached / direct:.0f} % of the direct bound"
    if winograd > 1.01 * direct:
        text += f" and {100 * share:.0f} % of Winograd's"
    return text + "."


def bound_share(measured, device):
    """Kindling's speed as a share of the bound with Winograd where it applies, or None."""
    name = programs.kindling(device)
    if name not in measured.seconds or not measured.roofline:
        return None
    reached = measured.batch / statistics.median(measured.seconds[name])
    return reached / measured.roofline["winograd_images_per_s"]
