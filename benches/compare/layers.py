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


def table(all_measured, roofline):
    """All batch sizes of one network, or "" if the worker gave no steps or no roofline."""
    rows = []
    peak, copied = (roofline or {}).get("peak_gflops"), (roofline or {}).get("copied_gb_per_s")
    for measured in all_measured:
        if not measured.steps or not peak or not copied:
            continue
        found = kinds(measured.steps)
        total = sum(kind["seconds"] for kind in found.values())
        for label, kind in found.items():
            computing, moving = kind["winograd"] / peak / 1e9, kind["bytes"] / copied / 1e9
            bound = max(computing, moving)
            rows.append([
                measured.batch, label, kind["steps"], f"{kind['seconds'] * 1e3:.2f} ms",
                f"{100 * kind['seconds'] / total:.0f} %", f"{kind['direct'] / kind['seconds'] / 1e9:.0f}",
                f"{kind['bytes'] / kind['seconds'] / 1e9:.1f}",
                f"{bound * 1e3:.2f} ms, {'arithmetic' if computing >= moving else 'bytes'}",
                f"{100 * bound / kind['seconds']:.0f} %"])
    if not rows:
        return ""
    lines = ["| batch | kernel | steps | per photo | of all | GFLOP/s | GB/s | bound | reached |",
             "| --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])
