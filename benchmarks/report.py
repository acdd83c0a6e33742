"""What was measured, as Markdown and as JSON."""

from __future__ import annotations

import datetime
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, OfMeasurement, Round, median_over, of, ratio
from benchmarks.measuring import OpenStreams
from benchmarks.scenarios import CHAT, DIRECT, SCENARIOS

PACKAGES = ("django", "starlette", "uvicorn", "uvloop", "httptools", "aiohttp", "msgspec", "psycopg", "redis")

COLUMNS: tuple[tuple[str, OfMeasurement], ...] = (
    ("requests/s", lambda m: m.requests_per_s),
    ("tokens/s", lambda m: m.tokens_per_s),
    ("CPU µs/request", lambda m: m.cpu_us_per_request),
    ("CPU µs/token", lambda m: m.cpu_us_per_token),
    ("PostgreSQL µs/request", lambda m: m.postgres_us_per_request),
    ("Redis µs/request", lambda m: m.redis_us_per_request),
    ("all µs/request", lambda m: m.all_us_per_request),
    ("answer p50 ms", lambda m: m.answer_p50_ms),
    ("p99 ms", lambda m: m.answer_p99_ms),
    ("first token p50 ms", lambda m: m.first_token_p50_ms),
    ("p99 ms", lambda m: m.first_token_p99_ms),
    ("token transit p50 ms", lambda m: m.token_transit_p50_ms),
    ("between tokens p99 ms", lambda m: m.token_gap_p99_ms),
)


def describe_machine() -> dict[str, str]:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES)
    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "cpu": f"{os.cpu_count()} × {model}",
        "system": f"{platform.system()} {platform.release()}, Python {platform.python_version()}",
        "packages": versions,
    }


def as_markdown(rounds: list[Round], figures: list[Figure], streams: OpenStreams | None) -> str:
    lines = [*(f"- {value}" for value in describe_machine().values()), ""]
    lines += _table(["measure", "must", "aim", "measured", ""], [_figure_cells(figure) for figure in figures])
    if streams is not None and streams.database_connections is not None:
        lines += ["", f"Database connections while the streams were open: {streams.database_connections}."]
    for scenario in SCENARIOS:
        lines += _scenario_table(scenario.name, scenario.what, rounds)
    return "\n".join(lines)


def _scenario_table(name: str, what: str, rounds: list[Round]) -> list[str]:
    targets = list(dict.fromkeys(target for measured in rounds for s, target in measured if s == name))
    if not targets:
        return []
    rows = []
    for target in targets:
        cells = [_number(median_over(rounds, of(name, target, value))) for _title, value in COLUMNS]
        failures = sum(measured[name, target].failures for measured in rounds if (name, target) in measured)
        share = _number(median_over(rounds, ratio(name, target, DIRECT)))
        rows.append([target, *cells, share, str(failures)])
    titles = [title for title, _value in COLUMNS]
    return ["", f"**{name}**: {what}", "", *_table(["target", *titles, "÷ engine", "failures"], rows)]


def _table(titles: list[str], rows: list[list[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (titles, ["---"] * len(titles), *rows)]


def _figure_cells(figure: Figure) -> list[str]:
    sign, bound = "≥" if figure.bound.is_floor else "≤", figure.bound
    name = ", ".join(filter(None, (figure.name, figure.unit)))
    return [
        name,
        f"{sign} {bound.must:g}",
        f"{sign} {bound.aim:g}",
        _number(figure.value),
        bound.judge(figure.value),
    ]


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def as_json(rounds: list[Round], figures: list[Figure], streams: OpenStreams | None) -> dict[str, Any]:
    return {
        "machine": describe_machine(),
        "figures": [
            {
                "name": figure.name,
                "unit": figure.unit,
                "value": figure.value,
                "must": figure.bound.must,
                "aim": figure.bound.aim,
                "verdict": figure.bound.judge(figure.value),
            }
            for figure in figures
        ],
        "open_streams": streams.as_json() if streams else None,
        "rounds": [[m.as_json() for m in measured.values()] for measured in rounds],
        "stored_path": CHAT,
    }
