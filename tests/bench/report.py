"""Tables of medians. A ratio is made inside one round, between runs that lie next to each other in time."""

import statistics


def ratios(figures, baseline):
    return [mine.rate / theirs.rate for mine, theirs in zip(figures, baseline)]


def _ratio_cell(values):
    middle = statistics.median(values)
    return f"{middle:.2f} ({min(values):.2f}-{max(values):.2f})"


def _raw_cell(load, figures):
    rate = statistics.median(figure.rate for figure in figures)
    p99 = statistics.median(figure.p99_us for figure in figures)
    cpu = statistics.median(figure.cpu_us for figure in figures)
    unit = "MB/s" if load.in_bytes else "/s"
    return f"{rate:,.0f} {unit}, p99 {p99:,.0f} us, cpu {cpu:.1f} us"


def print_table(title, head, rows):
    print(f"\n{title}\n")
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    for number, row in enumerate(table):
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())
        if number == 0:
            print("  ".join("-" * width for width in widths))


def print_loads(results, targets, baseline):
    """`results` maps a load to a map from a target to its figures, one for each round."""
    rounds = len(next(iter(next(iter(results.values())).values())))
    others = [target for target in targets if target != baseline]
    if baseline in targets:
        print_table(
            f"Ratios to {baseline}: median of {rounds} rounds (lowest-highest); more is better",
            ["load", *others],
            [[load.name, *(_ratio_cell(ratios(by_target[t], by_target[baseline])) for t in others)]
             for load, by_target in results.items()],
        )
    print_table(
        f"Raw figures: medians of {rounds} rounds (rate, 99th percentile of latency, server's CPU time per request)",
        ["load", "server", "figures"],
        [[load.name, target, _raw_cell(load, by_target[target])]
         for load, by_target in results.items() for target in targets],
    )
