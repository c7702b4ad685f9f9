"""Writes the results section of RESULTS.md: the newest run of each processor and instruction set."""

import os
import pathlib
import re
import tempfile

BEGIN, END = "<!-- compare:begin -->", "<!-- compare:end -->"
INTRODUCTION = """## Kindling compared with other programs

Written by [compare/compare.py](compare/compare.py); [compare/README.md](compare/README.md) says what is compared. The
newest run of each processor and instruction set is kept. The best peer is the fastest other program in the same run."""


class ResultsFailed(Exception):
    """The file cannot be read or written. The message is one line."""


def read(path):
    try:
        return path.read_text()
    except FileNotFoundError:
        return "# Measured\n"
    except (OSError, UnicodeDecodeError) as error:
        raise ResultsFailed(f"cannot read {path}: {error}") from error


def split(text, path):
    """The text before, between and after the markers."""
    if text.count(BEGIN) == 1 and text.count(END) == 1 and text.index(BEGIN) < text.index(END):
        before, _, rest = text.partition(BEGIN)
        section, _, after = rest.partition(END)
        return before, section, after
    if BEGIN in text or END in text:
        raise ResultsFailed(f"{path} must contain {BEGIN} and {END} once each, in this order")
    # The introduction ends at the first section.
    heading = re.search(r"^## ", text, re.MULTILINE)
    at = heading.start() if heading else len(text)
    before, after = text[:at].rstrip("\n") + "\n\n", text[at:]
    return before, "", "\n\n" + after if after else "\n"


def machine_of(run):
    """Instruction set and processor in a run's heading, `### AVX2 on AMD EPYC, 2026-11-29 ...`, or ""."""
    found = re.match(r"### (.+), \d{4}-\d\d-\d\d ", run)
    return found.group(1) if found else ""


def with_run(text, run, path):
    """`text` with `run` at the top of the section, in place of the last run on its kind of machine."""
    before, section, after = split(text, path)
    earlier = re.split(r"^(?=### )", section, flags=re.MULTILINE)[1:]
    earlier = [block for block in earlier if machine_of(block) != machine_of(run)]
    runs = [block.strip() for block in [run] + earlier]
    return before + "\n\n".join([BEGIN, INTRODUCTION, *runs, END]) + after


def check(path):
    """Fails before the measurement if the result could not be written."""
    split(read(path), path)
    if not path.resolve().parent.is_dir():
        raise ResultsFailed(f"{path.parent} is not a folder")
    if not os.access(path.resolve().parent, os.W_OK):
        raise ResultsFailed(f"{path.parent} is not writable")


def write(path, run):
    # Replace the target of a link, not the link.
    path = pathlib.Path(path).resolve()
    text = with_run(read(path), run, path)
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o644
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        os.chmod(temporary, mode)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
