"""Kindling's performance goals and the measured values."""

import statistics

import backbone
import job
import networks
import photos
import predict
import programs

LITE0, RESNET18 = "efficientnet-lite0", "resnet18"
# Network, batch size, on a busy machine, times as fast as the best peer.
BESIDE_PEERS = [
    (LITE0, 8, False, 1.3), (LITE0, 32, False, 1.3), (LITE0, 1, False, 1.1),
    (RESNET18, 32, False, 1.5), (RESNET18, 8, False, 1.8), (RESNET18, 1, False, 1.4),
    (LITE0, 1, True, 1.1), (LITE0, 32, True, 1.1), (RESNET18, 1, True, 1.1), (RESNET18, 32, True, 1.1),
]
WINOGRAD_SHARE, JOB_TIMES, JOB_MIB, PREDICT_SECONDS, PHOTO_TIMES = 0.78, 3.3, 220.0, 0.10, 1.5
# Of the first comparisons.
TUTORIAL_TIMES, CACHED_SECONDS = 10.0, 2.0


def verdict(measured, goal, at_least):
    """Whether a goal was met, and by how many percent."""
    if measured is None:
        return "not measured"
    share = measured / goal - 1
    met = share >= 0 if at_least else share <= 0
    return f"{'**met**' if met else '**missed**'} by {abs(share) * 100:.0f} %"


def times(ratio):
    return f"{ratio:.2f} ×" if ratio is not None else ""


def backbone_rows(all_measured, device):
    rows, ours = [], programs.kindling(device)
    found = {(measured.network.name, measured.batch): measured for measured in all_measured}
    for network, batch, is_busy, goal in BESIDE_PEERS:
        measured, which = found.get((network, batch)), "busy" if is_busy else "seconds"
        if not measured or not (measured.busy_rounds if is_busy else measured.rounds):
            continue  # Not asked for.
        peer = measured.best_peer(which)
        ratios = measured.ratios(peer, ours, which) if peer else None
        ratio = statistics.median(ratios) if ratios else None
        shown = f"{backbone.spread(ratios)} × {peer}" if ratios else ""
        text = f"{networks.TITLES[network]}, batch {batch}{', busy machine' if is_busy else ''}: ≥ {goal:g} × the best peer"
        rows.append((text, shown, verdict(ratio, goal, True)))
    measured = found.get((RESNET18, 32))
    if measured and measured.rounds:
        share = backbone.bound_share(measured, device)
        rows.append((f"{networks.TITLES[RESNET18]}, batch 32: ≥ {100 * WINOGRAD_SHARE:.0f} % of Winograd's bound",
                     f"{100 * share:.0f} %" if share is not None else "", verdict(share, WINOGRAD_SHARE, True)))
    return rows


def job_rows(measured):
    rows = []
    for text, goal, other in [("the best PyTorch script", JOB_TIMES, job.PYTORCH),
                              ("the tutorial's loop (earlier goal)", TUTORIAL_TIMES, job.TUTORIAL)]:
        ratio = job.times_as_long(measured, other, job.KINDLING)
        if other in measured["programs"]:
            rows.append((f"job: ≥ {goal:g} × as fast as {text}", times(ratio), verdict(ratio, goal, True)))
    peak, theirs = (measured["trees"].get(name) or job.median(measured, name, "main_mib")
                    for name in [job.KINDLING, job.PYTORCH])
    shown = (f"{peak:.0f} MiB" if peak else "") + (f" (PyTorch: {theirs:.0f} MiB)" if peak and theirs else "")
    rows.insert(1, (f"job: peak memory ≤ {JOB_MIB:.0f} MiB", shown, verdict(peak, JOB_MIB, False)))
    seconds = job.median(measured, job.CACHED, "seconds")
    rows.append((f"job: second run, features cached, ≤ {CACHED_SECONDS:g} s (earlier goal)",
                 f"{seconds:.2f} s" if seconds else "", verdict(seconds, CACHED_SECONDS, False)))
    return rows


def predict_rows(measured):
    model = RESNET18, predict.RUN
    seconds, auto = (predict.seconds(measured, model, kind) for kind in [predict.LATER, predict.AUTO])
    shown = f"{seconds:.3f} s" + (f" ({auto:.3f} s with `--device auto`)" if auto else "") if seconds else ""
    return [(f"`predict` on one photo with {predict.title(model)}, whole process: ≤ {PREDICT_SECONDS:.2f} s", shown,
             verdict(seconds, PREDICT_SECONDS, False))]


def photo_rows(measured):
    found = photos.ratios(measured, "bytes")
    ratio = statistics.median(found) if found else None
    return [(f"decoding and resizing on one core: ≥ {PHOTO_TIMES:g} × torchvision", times(ratio),
             verdict(ratio, PHOTO_TIMES, True))]


def table(all_backbones, whole_job, predicted, decoded, device):
    """The goals of what was asked for."""
    rows = backbone_rows(all_backbones, device)
    for measured, rows_of in [(whole_job, job_rows), (predicted, predict_rows), (decoded, photo_rows)]:
        rows += rows_of(measured) if measured else []
    if not rows:
        return ""
    return "\n".join(["| goal | measured | |", "| --- | --- | --- |", *("| " + " | ".join(cells) + " |" for cells in rows)])
