"""What a process holds, second by second, and whether it grows."""

import os
import statistics
from dataclasses import dataclass


@dataclass
class Sample:
    second: float
    rss: int  # KiB
    descriptors: int
    threads: int
    events: int


def take(pid: int, second: float, events: int) -> Sample:
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        status = dict(line.split(":", 1) for line in file)
    return Sample(second, int(status["VmRSS"].split()[0]), len(os.listdir(f"/proc/{pid}/fd")), int(status["Threads"]), events)


class Course:
    """The samples behind the warm-up, by thirds. Medians, so that one busy second decides nothing."""

    def __init__(self, samples: list[Sample]) -> None:
        assert len(samples) >= 9, f"{len(samples)} samples are too few"
        third = len(samples) // 3
        self.first, self.last = samples[:third], samples[-third:]
        self.samples = samples

    def medians(self, of: str) -> tuple[float, float]:
        return (statistics.median(getattr(one, of) for one in self.first),
                statistics.median(getattr(one, of) for one in self.last))

    def growth(self, of: str) -> float:
        before, after = self.medians(of)
        return after - before

    def per_hour(self, of: str) -> float:
        """The slope of a robust line (Theil-Sen) through the samples, an hour's worth."""
        few = self.samples[:: max(1, len(self.samples) // 300)]
        slopes = [(getattr(b, of) - getattr(a, of)) / (b.second - a.second)
                  for n, a in enumerate(few) for b in few[n + 1:] if b.second > a.second]
        return 3600 * statistics.median(slopes)

    def line(self, of: str) -> str:
        values = [getattr(one, of) for one in self.samples]
        before, after = self.medians(of)
        return (f"{of:<12} first third {before:.0f}, last third {after:.0f}, least {min(values)}, most {max(values)}, "
                f"trend {self.per_hour(of):+.0f} an hour")
