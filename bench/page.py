"""The tables: for the terminal, and for docs/performance.md."""

import datetime as dt
import os
import platform
from collections.abc import Callable
from pathlib import Path

from bench.figures import NO_PROOF, PHOENIX, Figures
from bench.measure import Measured
from bench.plan import FIRST

BEGIN = "<!-- figures: begin -->"
END = "<!-- figures: end -->"
MIB = 1 << 20


def write(target: Path, figures: Figures) -> None:
    """Put the tables between the page's two marks, in the place of earlier ones of the same sets of data."""
    _, _, rest = target.read_text().partition(BEGIN)
    kept = {text[1]: "### " + text.strip() for text in rest.partition(END)[0].split("### ")[1:]}
    kept |= {key: part(figures, key) for key in figures.parts}
    put_between(target, BEGIN, END, "\n\n".join([f"{machine()}.", *(kept[key] for key in sorted(kept))]))


def put_between(target: Path, begin: str, end: str, body: str) -> None:
    """Replace what is between two marks of a page."""
    before, _, rest = target.read_text().partition(begin)
    _, _, after = rest.partition(end)
    target.write_text(f"{before}{begin}\n{body}\n{end}{after}")


def part(figures: Figures, key: str) -> str:
    """All tables of one set of data, as Markdown."""
    of = figures.parts[key]
    tools = [tool for tool in figures.tools(key) if tool != NO_PROOF]
    lines = [f"### ({key}) {of.data.title}", "", _when(figures, key), ""]
    lines += _times("seconds, start-up excluded", figures, key, tools, lambda each: each.without_start_s)
    lines += _times("seconds, start-up included", figures, key, tools, lambda each: each.with_start_s)
    lines += _times("processor seconds", figures, key, tools, lambda each: each.cpu_s, ratios=False)
    lines += _memory(figures, key, tools)
    lines += _stored(figures, key, tools)
    lines += _proof(figures, key)
    return "\n".join(lines).rstrip()


def _times(
    title: str,
    figures: Figures,
    key: str,
    tools: list[str],
    of: Callable[[Measured], float],
    *,
    ratios: bool = True,
) -> list[str]:
    lines = table_head([title, *tools, *(["fastest peer : phoenix"] if ratios else [])])
    for row in figures.parts[key].rows:
        cells = [_number(figures.median(key, row, tool, of)) for tool in tools]
        if ratios:
            ratio = figures.ratio(key, row, of)
            cells.append(f"{ratio[0]:.2f} ({ratio[1]})" if ratio else "–")
        lines.append(table_row([row, *cells]))
    return [*lines, ""]


def _memory(figures: Figures, key: str, tools: list[str]) -> list[str]:
    roles = ("agent", "core")
    lines = table_head(["peak memory, MiB", *tools, *(f"of phoenix: {role}" for role in roles)])
    for row in figures.parts[key].rows:
        cells = [_mib(figures.peak_bytes(key, row, tool)) for tool in tools]
        cells += [_mib(figures.peak_bytes(key, row, PHOENIX, role)) for role in roles]
        lines.append(table_row([row, *cells]))
    return [*lines, ""]


def _stored(figures: Figures, key: str, tools: list[str]) -> list[str]:
    sizes = {tool: figures.stored_bytes(key, tool) for tool in tools}
    lines = table_head(["stored, MB", *tools, "phoenix : smallest peer"])
    peers = [size for tool, size in sizes.items() if tool != PHOENIX and size]
    own = sizes.get(PHOENIX)
    ratio = f"{own / min(peers):.3f}" if own and peers else "–"
    return [
        *lines,
        table_row(["after the first backup", *(f"{(size or 0) / 1e6:.1f}" for size in sizes.values()), ratio]),
        "",
    ]


def _proof(figures: Figures, key: str) -> list[str]:
    proof = figures.proof(key)
    if proof is None:
        return []
    with_it = figures.median(key, FIRST, PHOENIX, lambda each: each.wall_s)
    without = figures.median(key, FIRST, NO_PROOF, lambda each: each.wall_s)
    cost = f"{with_it / without - 1:+.1%}" if with_it and without else "–"
    head = [
        "background proof",
        "after the backup, s",
        "processor, s",
        "first backup beside it, s",
        "without it, s",
        "cost",
    ]
    row = ["of the first backup", _number(proof[0]), _number(proof[1]), _number(with_it), _number(without), cost]
    return [*table_head(head), table_row(row), ""]


def _when(figures: Figures, key: str) -> str:
    rounds = len(figures.all(key, FIRST, PHOENIX))
    of_rounds = "one round" if rounds == 1 else f"medians of {rounds} rounds"
    versions = ", ".join(f"{tool} {figures.versions[tool]}" for tool in figures.tools(key) if tool != NO_PROOF)
    return f"{today()}, {of_rounds} of {versions}."


def machine() -> str:
    """What was measured on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts = (
        f"{os.cpu_count()} processors ({_processor()})",
        f"{memory:.0f} GiB",
        f"Linux {platform.release()}",
        f"Python {platform.python_version()}",
    )
    return ", ".join(facts)


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def today() -> str:
    return dt.datetime.now(dt.UTC).date().isoformat()


def _mib(amount: int) -> str:
    return f"{amount / MIB:.0f}" if amount else "–"


def table_head(cells: list[str]) -> list[str]:
    return [table_row(cells), "|" + "---|" * len(cells)]


def table_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}" if value < 100 else f"{value:.0f}"
