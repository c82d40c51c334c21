"""Tables of medians. A ratio is made inside one round, between runs that lie next to each other in time."""

import statistics

import scenarios

PEERS_IN_A_TABLE = 6


def ratios(figures, baseline):
    return [mine.rate / theirs.rate for mine, theirs in zip(figures, baseline)]


def ratio_text(values):
    middle = statistics.median(values)
    return f"{middle:.2f} ({min(values):.2f}-{max(values):.2f})"


def _raw_row(scenario, in_bytes, peer, figures):
    unit = "MB/s" if in_bytes else "/s"
    rates = [figure.rate for figure in figures]
    p99 = statistics.median(figure.p99_us for figure in figures)
    cpu = statistics.median(figure.cpu_us for figure in figures)
    return [
        scenario, peer, f"{statistics.median(rates):,.0f} {unit}", f"{min(rates):,.0f}-{max(rates):,.0f}",
        f"{p99:,.0f}" if p99 else "", f"{cpu:.1f}" if cpu and not scenario.startswith("fs-") else "",
    ]


def print_table(title, head, rows):
    print(text_table(title, head, rows))


def text_table(title, head, rows):
    table = [head, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in table]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(["", title, "", *lines])


def markdown_table(title, head, rows):
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    lines.insert(1, "|" + "---|" * len(head))
    return "\n".join([f"\n## {title}\n", *lines])


def of_bars(results):
    """(bar, ratios) of those whose two sides were measured."""
    found = []
    for bar in scenarios.BARS:
        sides = [results.get(name, {}).get(peer) for peer, name in (bar.of, bar.to)]
        if all(sides):
            found.append((bar, ratios(*sides)))
    return found


def versus(results, name="varve"):
    """By scenario, a map from a peer to the ratios of varve to it."""
    return {
        scenario: {peer: ratios(by_peer[name], figures) for peer, figures in by_peer.items() if peer != name}
        for scenario, by_peer in results.items() if name in by_peer and len(by_peer) > 1
    }


def _ratio_tables(results, rounds):
    table = versus(results)
    peers = list(dict.fromkeys(peer for by_peer in table.values() for peer in by_peer))
    for first in range(0, len(peers), PEERS_IN_A_TABLE):
        some = peers[first : first + PEERS_IN_A_TABLE]
        rows = [
            [scenario, *(ratio_text(by_peer[peer]) if peer in by_peer else "" for peer in some)]
            for scenario, by_peer in table.items() if any(peer in by_peer for peer in some)
        ]
        yield (f"varve to its peers: median of {rounds} rounds (lowest-highest); more is better", ["load", *some], rows)


def tables(result):
    """(title, head, rows) of all that a result has."""
    results, rounds = result["figures"], result["rounds"]
    bars = of_bars(results)
    if bars:
        rows = [
            [bar.what, f"{bar.wanted:g}", ratio_text(values), "yes" if statistics.median(values) >= bar.wanted else "no"]
            for bar, values in bars
        ]
        yield ("The bars", ["ratio", "wanted", "measured", "reached"], rows)
    yield from _ratio_tables(results, rounds)
    if results:
        rows = [
            _raw_row(scenario, scenario.startswith("seq"), peer, figures)
            for scenario, by_peer in results.items() for peer, figures in by_peer.items()
        ]
        head = ["load", "server", "rate", "lowest-highest", "p99 us", "cpu us/request"]
        yield (f"Raw figures: medians of {rounds} rounds; processor time is the server's", head, rows)
    if result["measures"]:
        yield ("Beside the loads", ["measure", "server", "value"], result["measures"])


def write(result, folder):
    """table.txt and table.md; returns the text."""
    machine = "".join(f"{name}: {value}\n" for name, value in result["machine"].items())
    text = machine + "\n".join(text_table(*table) for table in tables(result)) + "\n"
    (folder / "table.txt").write_text(text)
    listed = "".join(f"- {name}: {value}\n" for name, value in result["machine"].items())
    pictures = "".join(f"\n![{path.stem}]({path.name})\n" for path in sorted(folder.glob("*.png")))
    body = "\n".join(markdown_table(*table) for table in tables(result))
    (folder / "table.md").write_text(f"# varve beside its peers\n\n{listed}{pictures}{body}\n")
    return text
