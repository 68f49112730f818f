"""Prometheus' text format, as much of it as tests ask about."""

import re

Labels = dict[str, str]


class Metrics:
    """`types` by name; values by name and labels."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.types: dict[str, str] = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
        self._samples: list[tuple[str, Labels, float]] = [
            (name, dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels)), float(value))
            for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)(?: \d+)?$", text, re.MULTILINE)]

    def samples(self, name: str) -> list[tuple[Labels, float]]:
        return [(labels, value) for found, labels, value in self._samples if found == name]

    def value(self, name: str, **labels: str) -> float:
        """The one sample with these labels (it may have others too)."""
        found = [value for has, value in self.samples(name) if labels.items() <= has.items()]
        assert len(found) == 1, f"{name}{labels or ''}: {len(found)} values in\n{self.text[:3000]}"
        return found[0]
