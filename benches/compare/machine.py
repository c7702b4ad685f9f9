"""Describes the machine and warns about anything that makes the numbers unreliable."""

import importlib.metadata
import os
import pathlib
import platform
import re
import resource
import subprocess
import sys

import programs

REQUIREMENTS = pathlib.Path(__file__).with_name("requirements.txt")
REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
SIMD = {"avx2": "AVX2", "avx512f": "AVX-512F", "neon": "NEON", "asimd": "NEON"}
# These variables could give the programs different thread settings than users have.
THREAD_VARIABLES = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "OMP_WAIT_POLICY", "KMP_BLOCKTIME"]


def output_of(*command):
    """The output of a command, or "" if it is missing or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def usable_cores():
    """The number of cores available to this process, which can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def processor():
    """The CPU's name, and its SIMD extensions out of those in `SIMD`."""
    if platform.system() == "Darwin":
        name = output_of("sysctl", "-n", "machdep.cpu.brand_string")
        words = output_of("sysctl", "-n", "machdep.cpu.leaf7_features").lower().split()
        if platform.machine() == "arm64":
            words.append("neon")
    else:
        try:
            text = pathlib.Path("/proc/cpuinfo").read_text()
        except OSError:
            text = ""
        name = re.search(r"^model name\s*: *(.*)$", text, re.MULTILINE)
        name = name.group(1) if name else platform.machine()
        words = re.search(r"^(?:flags|Features)\s*: *(.*)$", text, re.MULTILINE)
        words = words.group(1).split() if words else []
    simd = [label for word, label in SIMD.items() if word in words]
    return name or platform.machine(), simd


def memory_gib():
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    except (ValueError, OSError, AttributeError):
        return None


def peak_mib(usage):
    """The peak memory of a process that the driver started, from its resource usage, or None.

    Linux counts the driver's own peak when it starts a process. A peak that is no larger says nothing
    about the process.
    """
    # Linux counts ru_maxrss in KiB, macOS in bytes.
    unit = 2**20 if sys.platform == "darwin" else 2**10
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return usage.ru_maxrss / unit if usage.ru_maxrss > own or sys.platform == "darwin" else None


def versions():
    """Each pinned package: (name, required version, installed version or None)."""
    rows = []
    for line in REQUIREMENTS.read_text().split():
        name, _, wanted = line.partition("==")
        try:
            # Ignore local version labels such as +cpu.
            found = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            found = None
        rows.append((name, wanted, found))
    return rows


def warnings():
    """Warnings for readers of the results, one sentence each."""
    found = [f"{name} is version {installed}, but {REQUIREMENTS.name} requires {wanted}."
             for name, wanted, installed in versions() if installed and installed != wanted]
    if hasattr(os, "getloadavg"):
        load = os.getloadavg()[0]
        if load > 0.2 * usable_cores():
            found.append(f"The load average was {load:.2f} on {usable_cores()} cores before the start: "
                         "other programs were running.")
    set_here = [name for name in THREAD_VARIABLES if name in os.environ]
    if set_here:
        found.append(f"{', '.join(set_here)} was set in the environment.")
    return found


def description(kindling):
    """Describes the machine and versions in Markdown. `kindling` is the program's path, or None."""
    name, simd = processor()
    memory = memory_gib()
    cores = usable_cores()
    parts = [
        f"{name}, {cores} of {os.cpu_count()} cores" if cores != os.cpu_count() else f"{name}, {cores} cores",
        f"{memory:.0f} GiB" if memory else "",
        ", ".join(simd) or "neither AVX2, AVX-512F nor NEON",
        f"{platform.system()} {platform.release()}",
        f"Python {platform.python_version()}",
        ", ".join(f"{name} {installed or 'missing'}" for name, _, installed in versions()),
        output_of(str(kindling), "--version") if kindling else "",
    ]
    return "; ".join(filter(None, parts)) + "."


def instruction_sets(reported, limited):
    """Which instruction set each program used, as far as it is known, in Markdown. "" if none is."""
    if not reported:
        return ""
    # PyTorch and OpenVINO are measured in several ways.
    reported = {name if programs.is_kindling(name) else name.partition(",")[0]: found
                for name, found in reported.items()}
    known = {name: found for name, found in reported.items() if found != "unknown"}
    silent = [name for name in reported if name not in known]
    by_set = {}
    for name, found in known.items():
        by_set.setdefault(found, []).append(name)
    text = "Instruction sets: " + "; ".join(f"{found} in {' / '.join(names)}" for found, names in by_set.items())
    if silent:
        text += f"; not reported by {' / '.join(silent)}, which choose from what the processor has"
    if limited:
        variables = " ".join(f"{name}={value}" for name, value in programs.LIMITED_TO_AVX2.items())
        text += (f". Kindling was limited to AVX2 by its worker, PyTorch and OpenVINO by `{variables}`. "
                 f"{', '.join(programs.CANNOT_BE_LIMITED)} cannot be limited and were left out")
    return text + "."


def commit():
    """The checkout's commit, as text for a heading."""
    head = output_of("git", "-C", str(REPOSITORY), "rev-parse", "--short", "HEAD")
    if not head:
        return ""
    # Ignore RESULTS.md: earlier runs changed it, but not the measured code.
    changed = output_of("git", "-C", str(REPOSITORY), "status", "--porcelain", "--", ":/", ":/!benches/RESULTS.md")
    return f", commit {head}" + (" with uncommitted changes" if changed else "")
