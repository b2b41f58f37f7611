"""Writes the tables of docs/performance.md from what the races have measured.

    cd benchmarks/results && python ../report.py models.json ops.json inference.json models-avx2.json ops-avx2.json \
        models-zen4.json ops-zen4.json

The text around the tables stays as it is: each is put between its two marker lines, which carry the name of the file.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from machine import least
from run import PHASES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"


def about(data: dict) -> str:
    a = data["about"]
    near = f", while the cores were within {a['near ns']:.0f} ns" if "near ns" in a else ""
    return (
        f"{a['processor']}, {a['threads']} threads, {a['rounds']} rounds, commit {a['commit']}, {a['date']}; "
        f"{a['peak GFLOP/s']:.0f} GFLOP/s, copies at {a['copy GB/s']:.0f} GB/s{near}."
    )


def floors(data: dict, work: dict) -> tuple[float, float]:
    """The seconds that the arithmetic and the traffic of some work take at the machine's limits, its own if given."""
    return least(work["flops"], work["bytes"], data["about"] | work)


def models(data: dict) -> list[str]:
    head = ["model", "fit, ms/step", "arithmetic, ms", "traffic, ms", "times the floor", "best peer", *PHASES]
    lines = [about(data), "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, rows in data["results"].items():
        own = rows["addax"]
        arithmetic, traffic = (1e3 * seconds for seconds in floors(data, own))
        times = own["fit"] / max(arithmetic, traffic)
        peers = [e for e in rows if e != "addax"]
        best = min(peers, key=lambda e: rows[e]["fit"])
        ratios = [own[p] / min(rows[e][p] for e in peers) for p in PHASES]
        lines.append(
            f"| {name} | {own['fit']:.3f} | {arithmetic:.3f} | {traffic:.3f} | {times:.2f} |"
            f" {best} {rows[best]['fit']:.3f} |" + "".join(f" {r:.2f} |" for r in ratios)
        )
    return lines


def ops(data: dict) -> list[str]:
    lines = [about(data), "", "| op | ms | best peer, ms | ratio | of the floor |", "|---|---|---|---|---|"]
    for name, times in data["seconds"].items():
        peers = {e: t for e, t in times.items() if e != "addax"}
        best = min(peers, key=peers.get)
        own, peer, work = times["addax"], peers[best], data["floors"][name]
        part = work.get("of the floor", max(floors(data, work)) / own)
        lines.append(f"| {name} | {1e3 * own:.3f} | {best} {1e3 * peer:.3f} | {own / peer:.2f} | {part:.2f} |")
    return lines


def inference(data: dict) -> list[str]:
    lines = [
        about(data),
        "",
        "| model | runner | p50, us | p99, us | examples/s in batches of 32 |",
        "|---|---|---|---|---|",
    ]
    for name, rows in data["results"].items():
        for runner, r in rows.items():
            lines.append(f"| {name} | {runner} | {r['p50']:.1f} | {r['p99']:.1f} | {r['throughput']:,.0f} |")
            name = ""
    load = data["loading"]
    return [
        *lines,
        "",
        "A file of 100 MB, in the system's cache: " + ", ".join(f"{k} {v:.3g}" for k, v in load.items()),
    ]


def put(page: str, marker: str, lines: list[str]) -> str:
    start, end = f"<!-- {marker} -->\n", f"<!-- end of {marker} -->\n"
    before, rest = page.split(start)
    after = rest.split(end)[1]
    return before + start + "\n".join(lines) + "\n" + end + after


def main() -> None:
    page = PAGE.read_text()
    for file in sys.argv[1:]:
        data = json.loads(Path(file).read_text())
        kind = inference if "loading" in data else models if "results" in data else ops
        page = put(page, Path(file).stem, kind(data))
    PAGE.write_text(page)


if __name__ == "__main__":
    main()
