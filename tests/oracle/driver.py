"""What the command lines of both oracles do: the options that they share, and one round after the other."""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from support.paths import ROOT


class Violation(Exception):
    """What a round found wrong."""


class Report(Protocol):
    """What both reports have."""

    rounds: int
    violations: list[tuple[int, str]]

    def table(self) -> str: ...

    def summary(self, seconds: float) -> str: ...


class Rounds(Protocol):
    """What carries rounds out; `play` raises Violation, after which `resume` begins with a new world."""

    def begin(self) -> None: ...

    def play(self, plan: Any) -> None: ...

    def resume(self) -> None: ...


def parser_of(what: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"./dev oracle {what}", add_help=False)
    parser.add_argument("what", choices=[what])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--same", action="store_true")
    parser.add_argument("--faults", default="all")
    parser.add_argument("--source", choices=["slot", "listener"], default="slot")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--pg", choices=["15", "16", "17", "18"])     # run.sh looks at it
    return parser


def parse(parser: argparse.ArgumentParser) -> argparse.Namespace:
    chosen = parser.parse_args()
    if chosen.rounds is None and chosen.seconds is None:
        chosen.rounds = 50
    return chosen


def kinds_of(faults: str, known: Sequence[str]) -> tuple[str, ...]:
    """--faults names kinds, `all`, or `none`; -KIND takes one away from all."""
    names = [name for name in faults.split(",") if name]
    unknown = {name.lstrip("-") for name in names} - set(known) - {"all", "none"}
    if unknown:
        sys.exit(f"dev oracle: there is no fault {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    if "none" in names:
        return ()
    all_of_them = "all" in names or all(name.startswith("-") for name in names)
    return tuple(kind for kind in known if (all_of_them or kind in names) and f"-{kind}" not in names)


def fresh_directory(name: str) -> Path:
    directory: Path = ROOT / "build/oracle" / name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    return directory


def play(chosen: argparse.Namespace, rounds: Rounds, report: Report, *, plan_of: Callable[[int], Any],
         played: Callable[[Any], str], violated: Callable[[Any, int, int], str]) -> float:
    """Plays as many rounds as were asked for; returns the seconds that they took, without those before the first.

    `played` says in a few words what a round was; `violated` gets the plan, the round's number, and how many rounds
    were played, and says what there is to look at and how to have it again.
    """
    rounds.begin()
    began = time.monotonic()
    number, done = chosen.first - 1, 0
    while (chosen.rounds is None or done < chosen.rounds) and (
            chosen.seconds is None or time.monotonic() - began < chosen.seconds):
        number, done = (chosen.first if chosen.same else number + 1), done + 1
        plan = plan_of(number)
        at = time.monotonic()
        try:
            rounds.play(plan)
        except Violation as violation:
            report.violations.append((number, str(violation)))
            print(f"VIOLATION in round {number} of seed {chosen.seed}: {violation}\n{violated(plan, number, done)}", flush=True)
            if not chosen.keep_going:
                break
            rounds.resume()
        else:
            print(f"round {number}: {played(plan)}; {time.monotonic() - at:.2f} s", flush=True)
    return time.monotonic() - began


def conclude(report: Report, seconds: float, *lines: str) -> int:
    """Prints the end; returns the exit status."""
    print(report.table())
    for line in (*lines, report.summary(seconds)):
        print(line)
    good = report.rounds - len(report.violations)
    print(f"{max(good, 0)} passed, {len(report.violations)} failed")
    return 1 if report.violations else 0
