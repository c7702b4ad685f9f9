"""The time of each kind of layer in Kindling, beside the least that its arithmetic and bytes need."""


def kinds(steps):
    """The steps of one batch size, added up by kernel and windows, in order of their first step."""
    found = {}
    for step in steps["steps"]:
        kind = found.setdefault(f"{step['kernel']} {step['windows']}".strip(), dict(
            steps=0, seconds=0.0, direct=0, winograd=0, bytes=0.0))
        kind["steps"] += 1
        kind["seconds"] += step["microseconds"] / 1e6
        kind["direct"] += 2 * step["direct_multiplications"]
        kind["winograd"] += 2 * step["winograd_multiplications"]
        # The weights are read at least once for each batch.
        kind["bytes"] += step["activation_bytes"] + step["weight_bytes"] / steps["batch"]
    return found


def bounds(kind, peak, copied):
    """Seconds that the arithmetic and the bytes of a kind need at least."""
    return kind["winograd"] / peak / 1e9, kind["bytes"] / copied / 1e9


def cells(kind, total, peak, copied):
    """The cells of one kind at one batch size: time, rates, share of the bound."""
    seconds = kind["seconds"]
    computing, moving = bounds(kind, peak, copied)
    return [f"{seconds * 1e3:.2f} ({100 * seconds / total:.0f} %)",
            f"{kind['direct'] / seconds / 1e9:.0f}; {kind['bytes'] / seconds / 1e9:.0f}",
            f"{100 * max(computing, moving) / seconds:.0f} %, {'arithmetic' if computing >= moving else 'bytes'}"]


def table(all_measured, roofline):
    """All batch sizes of one network, or "" if the worker gave no steps or no roofline."""
    peak, copied = (roofline or {}).get("peak_gflops"), (roofline or {}).get("copied_gb_per_s")
    if not peak or not copied:
        return ""
    columns = [(measured.batch, kinds(measured.steps)) for measured in all_measured if measured.steps]
    if not columns:
        return ""
    head = ["kernel", "steps"]
    for batch, _ in columns:
        head += [f"batch {batch}: ms a photo", "GFLOP/s; GB/s", "of its bound"]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " --- |" * (len(head) - 1)]
    for label in dict.fromkeys(label for _, found in columns for label in found):
        counts = dict.fromkeys(str(found[label]["steps"]) for _, found in columns if label in found)
        row = [label, ", ".join(counts)]
        for _, found in columns:
            total = sum(kind["seconds"] for kind in found.values())
            row += cells(found[label], total, peak, copied) if label in found else ["", "", ""]
        lines.append("| " + " | ".join(row) + " |")
    totals = [{key: sum(kind[key] for kind in found.values()) for key in next(iter(found.values()))}
              for _, found in columns]
    # Each kind has its own bound, so the whole network's is their sum.
    row = ["all steps", ", ".join(dict.fromkeys(str(total["steps"]) for total in totals))]
    for (_, found), total in zip(columns, totals):
        bound = sum(max(bounds(kind, peak, copied)) for kind in found.values())
        row += [*cells(total, total["seconds"], peak, copied)[:2], f"{100 * bound / total['seconds']:.0f} %"]
    return "\n".join([*lines, "| " + " | ".join(row) + " |"])
