"""Kindling's performance goals and the measured values."""

import statistics

import backbone
import job


def verdict(measured, goal, at_least):
    """Whether a goal was met, and by how many percent."""
    if measured is None:
        return "not measured"
    share = measured / goal - 1
    met = share >= 0 if at_least else share <= 0
    return f"{'**met**' if met else '**missed**'} by {abs(share) * 100:.0f} %"


def backbone_rows(all_measured, device):
    rows = []
    by_batch = {measured["batch"]: measured for measured in all_measured}
    for batch, beside_onnx, beside_pytorch in [(32, 1.3, 2.0), (1, 1.0, 1.0)]:
        measured = by_batch.get(batch)
        ours = backbone.kindling(device)

        def middle(other, which="seconds"):
            found = backbone.ratios(measured, ours, other, which) if measured else None
            return statistics.median(found) if found else None

        ratio = middle(backbone.ONNX_RUNTIME)
        text = f"backbone, batch {batch}: ≥ {beside_onnx:g} × ONNX Runtime"
        rows.append((text, times(ratio) + cold(middle(backbone.ONNX_RUNTIME, "firsts"), measured),
                     verdict(ratio, beside_onnx, True)))
        ratio = middle(backbone.fastest_pytorch(measured)) if measured else None
        fused = middle(backbone.PYTORCH_FUSED)
        shown = times(ratio) + (f" ({times(fused)} PyTorch, fused)" if ratio and fused else "")
        text = f"backbone, batch {batch}: ≥ {beside_pytorch:g} × PyTorch"
        rows.append((text, shown, verdict(ratio, beside_pytorch, True)))
    return rows


def job_rows(measured):
    rows = []
    for text, goal, other in [("the tutorial's loop", 10.0, job.TUTORIAL), ("the best PyTorch", 2.0, job.PYTORCH)]:
        ratio = job.times_as_long(measured, other, job.KINDLING) if measured else None
        rows.append((f"job: ≥ {goal:g} × as fast as {text}", times(ratio), verdict(ratio, goal, True)))
    ratio, shown = None, ""
    if measured and job.KINDLING in measured["outcomes"] and job.PYTORCH in measured["outcomes"]:
        trees = [measured["trees"].get(name) for name in [job.KINDLING, job.PYTORCH]]
        # If process trees cannot be measured, compare the main processes, without PyTorch's loading
        # processes.
        peaks, of = (trees, "tree") if all(trees) else (
            [job.median(measured, name, "main_mib") for name in [job.KINDLING, job.PYTORCH]], "main process")
        ratio = peaks[0] / peaks[1]
        shown = f"{ratio:.2f} ({peaks[0]:.0f} of {peaks[1]:.0f} MiB, {of})"
    rows.append(("job: peak memory ≤ 1/3 of the best PyTorch's", shown, verdict(ratio, 1 / 3, False)))
    seconds = job.median(measured, job.CACHED, "seconds") if measured else None
    shown = f"{seconds:.2f} s" if seconds else ""
    rows.append(("job: second run, features cached, < 2 s", shown, verdict(seconds, 2.0, False)))
    return rows


def cold(ratio, measured):
    """The same ratio for the first forward after a pause, if it was measured separately."""
    if ratio is None or not backbone.more_forwards(measured["batch"]):
        return ""
    return f" ({times(ratio)} right after a pause)"


def times(ratio):
    return f"{ratio:.2f} ×" if ratio is not None else ""


def table(all_backbones, whole_job, device):
    lines = ["| goal | measured | |", "| --- | --- | --- |"]
    for cells in backbone_rows(all_backbones, device) + job_rows(whole_job):
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
