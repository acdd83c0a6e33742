"""Reading the metrics of a process under test, by Prometheus' own parser."""

from __future__ import annotations

from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """One answer of a metrics endpoint."""

    def __init__(self, text: str) -> None:
        self.types = {family.name: family.type for family in text_string_to_metric_families(text)}
        self.samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def sum(self, name: str, **labels: str) -> float:
        """The sum of the samples of this name that have these labels; 0 where there is none."""
        return sum(
            sample.value for sample in self.samples if sample.name == name and has(sample.labels, labels)
        )

    def find(self, name: str, **labels: str) -> list[dict[str, str]]:
        """The labels of those samples."""
        return [
            dict(sample.labels)
            for sample in self.samples
            if sample.name == name and has(sample.labels, labels)
        ]

    def values(self, label: str) -> set[str]:
        return {sample.labels[label] for sample in self.samples if label in sample.labels}


def has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in wanted.items())


def scrape(url: str, path: str = "/metrics") -> Scrape:
    answer = httpx.get(f"{url}{path}", timeout=30)
    answer.raise_for_status()
    return Scrape(answer.text)
