"""What a long run used, sampled: as a table of lines, as a verdict of what grew, and as a picture."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 900, 150, 50
SETTLING_S = 300.0
"""After which nothing should grow any more."""
EDGE_S = 120.0
"""The medians of so long, after settling and at the end, are compared."""


@dataclass
class Samples:
    """Figures by name, each with the times, in seconds from the start, at which they were read."""

    times: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, at_s: float, **figures: float) -> None:
        self.times.append(at_s)
        for name, value in figures.items():
            self.figures.setdefault(name, []).append(value)

    def growth(self, name: str) -> tuple[float, float]:
        """The median after settling and that at the end."""
        values = self.figures[name]
        start = min(SETTLING_S, self.times[-1] / 4)
        early = [v for t, v in zip(self.times, values, strict=True) if start <= t < start + EDGE_S]
        late = [v for t, v in zip(self.times, values, strict=True) if t >= self.times[-1] - EDGE_S]
        return statistics.median(early), statistics.median(late)

    def as_lines(self) -> list[str]:
        lines = ["| figure | after settling | at the end | most |", "| --- | --- | --- | --- |"]
        for name, values in self.figures.items():
            early, late = self.growth(name)
            lines.append(
                f"| {name} | {early:,.0f} | {late:,.0f} ({late - early:+,.0f}) | {max(values):,.0f} |"
            )
        return lines

    def write_csv(self, path: Path) -> None:
        with path.open("w", newline="") as output:
            writer = csv.writer(output)
            writer.writerow(["seconds", *self.figures])
            for row in zip(self.times, *self.figures.values(), strict=True):
                writer.writerow(f"{value:g}" for value in row)

    def write_picture(self, path: Path, marks: Sequence[float]) -> None:
        """One curve above the other, on the same time; `marks` are the moments of switches, as thin lines."""
        height = HEIGHT * len(self.figures)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height + MARGIN}" '
            'font-family="sans-serif" font-size="12">',
            f'<rect width="{WIDTH}" height="{height + MARGIN}" fill="white"/>',
        ]
        for index, (name, values) in enumerate(self.figures.items()):
            parts += self._curve(name, values, top=index * HEIGHT, marks=marks)
        minutes = self.times[-1] / 60
        parts.append(
            f'<text x="{WIDTH - MARGIN}" y="{height + 20}" text-anchor="end">{minutes:.0f} min</text>'
        )
        path.write_text("\n".join([*parts, "</svg>"]) + "\n")

    def _curve(self, name: str, values: Sequence[float], *, top: int, marks: Sequence[float]) -> list[str]:
        most = max(*values, 1.0)
        inner = HEIGHT - MARGIN

        def x(at_s: float) -> float:
            return MARGIN + (WIDTH - 2 * MARGIN) * at_s / self.times[-1]

        def y(value: float) -> float:
            return top + MARGIN - 10 + inner * (1 - value / most)

        points = " ".join(f"{x(t):.1f},{y(v):.1f}" for t, v in zip(self.times, values, strict=True))
        bottom = y(0.0)
        return [
            f'<text x="{MARGIN}" y="{top + 25}">{name}: {values[0]:,.0f} … {values[-1]:,.0f}, '
            f"most {most:,.0f}</text>",
            *(
                f'<line x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{top + MARGIN - 10}" y2="{bottom:.1f}" '
                'stroke="#ddd"/>'
                for at in marks
            ),
            f'<line x1="{MARGIN}" x2="{WIDTH - MARGIN}" y1="{bottom:.1f}" y2="{bottom:.1f}" stroke="#888"/>',
            f'<polyline points="{points}" fill="none" stroke="#1a56db" stroke-width="1.5"/>',
        ]
