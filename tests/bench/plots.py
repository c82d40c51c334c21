"""Plots of a result: the bars, the ratios to all peers, and the processor time of a request."""

import math
import statistics

import report

BLUE, RED, GREY = "#33608c", "#b6423c", "#9a9a9a"


def _pyplot():
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as pyplot

    return pyplot


def _save(pyplot, figure, path):
    figure.savefig(path, dpi=110, bbox_inches="tight")
    pyplot.close(figure)


def _spread(values):
    middle = statistics.median(values)
    return middle, middle - min(values), max(values) - middle


def draw_bars(result, path):
    """What was measured in multiples of what was wanted."""
    bars = report.of_bars(result["figures"])
    if not bars:
        return
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(10, 1 + 0.34 * len(bars)))
    for row, (bar, values) in enumerate(reversed(bars)):
        middle, below, above = (value / bar.wanted for value in _spread(values))
        color = BLUE if middle >= 1 else RED
        axes.barh(row, middle - 1, left=1, color=color, xerr=[[below], [above]], ecolor=GREY, height=0.7)
        axes.text(1.02, row, f"{middle * bar.wanted:.2f} of {bar.wanted:g}", va="center", fontsize=8, color=color,
                  transform=axes.get_yaxis_transform())
    axes.set_yticks(range(len(bars)), [bar.what for bar, _ in reversed(bars)], fontsize=8)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("measured / wanted: medians of ratios, lowest and highest")
    axes.set_title("The bars")
    _save(pyplot, figure, path)


def draw_ratios(result, path):
    """A field for each load and peer: blue where varve is faster, red where it is slower."""
    table = report.versus(result["figures"])
    peers = list(dict.fromkeys(peer for by_peer in table.values() for peer in by_peer))
    if not peers:
        return
    pyplot = _pyplot()
    figure, axes = pyplot.subplots(figsize=(3 + 0.95 * len(peers), 1.5 + 0.32 * len(table)))
    middle = [
        [statistics.median(by_peer[peer]) if peer in by_peer else math.nan for peer in peers] for by_peer in table.values()
    ]
    shown = [[math.log2(min(max(value, 1 / 4), 4)) if value == value else math.nan for value in row] for row in middle]
    axes.imshow(shown, cmap="RdBu", vmin=-2, vmax=2, aspect="auto")
    for row, values in enumerate(middle):
        for column, value in enumerate(values):
            if value == value:
                dark = value > 2.5 or value < 0.4
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if dark else "black")
    axes.set_xticks(range(len(peers)), peers, rotation=35, ha="left", fontsize=8)
    axes.set_yticks(range(len(table)), list(table), fontsize=8)
    axes.xaxis.tick_top()
    axes.set_title("varve / peer: medians of ratios of the rate (1: equal, above 1: varve is faster)", fontsize=10, pad=14)
    _save(pyplot, figure, path)


def draw_processor(result, path):
    """Small requests only: of large ones it is the copying."""
    rows = [
        (scenario, by_peer) for scenario, by_peer in result["figures"].items()
        if "4k" in scenario and "," not in scenario and any(f.cpu_us for figures in by_peer.values() for f in figures)
    ]
    if not rows:
        return
    pyplot = _pyplot()
    peers = ["varve", "nbdkit file", "qemu-nbd qcow2", "nbdkit memory"]
    colors = [BLUE, "#d08c2f", "#6f9a3e", GREY]
    figure, axes = pyplot.subplots(figsize=(10, 1.2 + 0.55 * len(rows)))
    for row, (_, by_peer) in enumerate(reversed(rows)):
        for place, (peer, color) in enumerate(zip(peers, colors)):
            if peer in by_peer:
                middle, below, above = _spread([figure.cpu_us for figure in by_peer[peer]])
                axes.barh(row + 0.3 - 0.2 * place, middle, height=0.19, color=color, xerr=[[below], [above]],
                          label=peer, ecolor="#555555")
    labels = dict(zip(*reversed(axes.get_legend_handles_labels())))
    axes.legend(labels.values(), labels.keys(), fontsize=8)
    axes.set_yticks(range(len(rows)), [scenario for scenario, _ in reversed(rows)], fontsize=8)
    axes.set_xlabel("processor time of the server for one request, µs (less is better)")
    axes.set_title("Processor time")
    _save(pyplot, figure, path)


def draw_all(result, folder):
    draw_bars(result, folder / "bars.png")
    draw_ratios(result, folder / "ratios.png")
    draw_processor(result, folder / "processor.png")
