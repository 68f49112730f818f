"""The command line of `./dev oracle events`, which describes it."""

import argparse
import shutil
import sys
import time
from pathlib import Path

from oracle.events import Events, Violation
from oracle.plan import FAULTS, SLOT_FAULTS, plan_round
from oracle.report import Report
from oracle.statements import Statements
from oracle.world import World
from support.paths import ROOT

def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev oracle events", add_help=False)
    parser.add_argument("what", choices=["events"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--same", action="store_true")
    parser.add_argument("--faults", default="all")
    parser.add_argument("--source", choices=["slot", "listener"], default="slot")
    parser.add_argument("--keep-going", action="store_true")
    chosen = parser.parse_args()
    if chosen.rounds is None and chosen.seconds is None:
        chosen.rounds = 50
    return chosen


def kinds_of(chosen: argparse.Namespace) -> tuple[str, ...]:
    """--faults names kinds, `all`, or `none`; -KIND takes one away from all."""
    names = [name for name in chosen.faults.split(",") if name]
    kinds = () if "none" in names else FAULTS if "all" in names or all(name.startswith("-") for name in names) else \
        tuple(name for name in names if not name.startswith("-"))
    kinds = tuple(kind for kind in kinds if f"-{kind}" not in names)
    unknown = {name.lstrip("-") for name in names} - set(FAULTS) - {"all", "none"}
    if unknown:
        sys.exit(f"dev oracle: there is no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if chosen.source == "listener":
        kinds = tuple(kind for kind in kinds if kind not in SLOT_FAULTS)
    return kinds


def main() -> int:
    chosen = arguments()
    kinds = kinds_of(chosen)
    directory: Path = ROOT / f"build/oracle/{chosen.source}-{chosen.seed}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    report = Report()
    world = World(directory, chosen.source, chosen.seed)
    statements = Statements(world.database)
    began = time.monotonic()
    try:
        rounds = Events(world, chosen.source, statements, report)
        rounds.begin()
        began = time.monotonic()
        number = chosen.first - 1
        done = 0
        while (chosen.rounds is None or done < chosen.rounds) and (
                chosen.seconds is None or time.monotonic() - began < chosen.seconds):
            number, done = (chosen.first if chosen.same else number + 1), done + 1
            plan = plan_round(chosen.seed, number, kinds, chosen.source)
            at = time.monotonic()
            try:
                rounds.play(plan)
            except Violation as violation:
                report.violations.append((number, str(violation)))
                again = (f"./dev oracle events --source {chosen.source} --seed {chosen.seed} --faults={','.join(kinds) or 'none'}"
                         f" --first {number} --rounds 20 --same")
                print(f"VIOLATION in round {number} of seed {chosen.seed}: {violation}\n"
                      f"faults: {plan.faults}\nthe relay's log and the trace: {directory}\nagain: {again}", flush=True)
                if not chosen.keep_going:
                    break
                rounds.resume()
            else:
                print(f"round {number}: {', '.join(fault.kind for fault in plan.faults) or 'no fault'};"
                      f" {time.monotonic() - at:.2f} s", flush=True)
    finally:
        seconds = time.monotonic() - began
        statements.close()
        world.close()
    print(report.table())
    print(f"Arvados' statements: {statements.done} scripts run, the longest wait for the relay {statements.longest_wait:.2f} s")
    print(report.summary(seconds))
    good = report.rounds - len(report.violations)
    print(f"{max(good, 0)} passed, {len(report.violations)} failed")
    return 1 if report.violations else 0


