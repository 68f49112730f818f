"""The command line of `./dev oracle grants`, which describes it."""

import argparse
import shutil
import sys
import time
from pathlib import Path

from oracle.grants.changes import WEIGHTS
from oracle.grants.plan import FAULTS, SLOT_ONLY, plan_round
from oracle.grants.report import Report
from oracle.grants.rounds import Rounds, Violation
from oracle.grants.world import World
from support.paths import ROOT


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./dev oracle grants", add_help=False)
    parser.add_argument("what", choices=["grants"])
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--same", action="store_true")
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--faults", default="all")
    parser.add_argument("--without", default="")
    parser.add_argument("--often", type=float, default=0.08)
    parser.add_argument("--source", choices=["slot", "listener"], default="slot")
    parser.add_argument("--keep-going", action="store_true")
    parser.add_argument("--stand-in", action="store_true")
    chosen = parser.parse_args()
    if chosen.rounds is None and chosen.seconds is None:
        chosen.rounds = 50
    unknown = {name for name in chosen.without.split(",") if name} - {of.__name__ for of in WEIGHTS}
    if unknown:
        sys.exit(f"dev oracle: there is no change {', '.join(sorted(unknown))}; there are {', '.join(of.__name__ for of in WEIGHTS)}")
    if chosen.users < 8:
        sys.exit("dev oracle: fewer than 8 users are no world")
    return chosen


def kinds_of(chosen: argparse.Namespace) -> tuple[str, ...]:
    names = chosen.faults.split(",")
    unknown = set(names) - set(FAULTS) - {"all", "none"}
    if unknown:
        sys.exit(f"dev oracle: there is no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    kinds = FAULTS if "all" in names else tuple(name for name in names if name != "none")
    return tuple(kind for kind in kinds if chosen.source == "slot" or kind not in SLOT_ONLY)


def main() -> int:
    chosen = arguments()
    kinds, without = kinds_of(chosen), tuple(name for name in chosen.without.split(",") if name)
    directory: Path = ROOT / f"build/oracle/grants-{chosen.source}-{chosen.seed}"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    report = Report()
    world = World(directory, chosen.source, chosen.seed, chosen.users, chosen.stand_in)
    began = time.monotonic()
    try:
        rounds = Rounds(world, report)
        rounds.begin()
        began = time.monotonic()
        number, done = chosen.first - 1, 0
        while (chosen.rounds is None or done < chosen.rounds) and (
                chosen.seconds is None or time.monotonic() - began < chosen.seconds):
            number, done = (chosen.first if chosen.same else number + 1), done + 1
            plan = plan_round(chosen.seed, number, world.pools, kinds, chosen.often, chosen.source, without)
            at = time.monotonic()
            try:
                rounds.play(plan)
            except Violation as violation:
                report.violations.append((number, str(violation)))
                again = (f"./dev oracle grants --source {chosen.source} --seed {chosen.seed} --users {chosen.users}"
                         f" --faults={','.join(kinds) or 'none'} --often {chosen.often:g}"
                         + (f" --without={chosen.without}" if without else ""))
                print(f"VIOLATION in round {number} of seed {chosen.seed}: {violation}\n"
                      f"fault: {plan.fault}\nthe relay's log and the trace: {directory}\nagain: {again} --rounds {done}\n"
                      f"or that round alone, in the world as it begins: {again} --first {number} --rounds 20 --same", flush=True)
                if not chosen.keep_going:
                    break
                rounds.resume()
            else:
                print(f"round {number}: {plan.fault.kind if plan.fault else 'no fault'}; {report.last};"
                      f" {time.monotonic() - at:.2f} s", flush=True)
    finally:
        seconds = time.monotonic() - began
        world.close()
    print(report.table())
    print(report.summary(seconds))
    good = report.rounds - len(report.violations)
    print(f"{max(good, 0)} passed, {len(report.violations)} failed")
    return 1 if report.violations else 0
