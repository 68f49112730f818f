"""The command line of `./dev oracle grants`, which describes it."""

import argparse
import sys

from oracle.driver import conclude, fresh_directory, parse, parser_of, play
from oracle.grants.changes import WEIGHTS
from oracle.grants.plan import FAULTS, SLOT_ONLY, Round, plan_round
from oracle.grants.report import Report
from oracle.grants.rounds import Rounds
from oracle.grants.world import World


def arguments() -> argparse.Namespace:
    parser = parser_of("grants")
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--without", default="")
    parser.add_argument("--often", type=float, default=0.08)
    parser.add_argument("--stand-in", action="store_true")
    chosen = parse(parser)
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
    directory = fresh_directory(f"grants-{chosen.source}-{chosen.seed}")
    report = Report()
    world = World(directory, chosen.source, chosen.seed, chosen.users, chosen.stand_in)

    def violated(plan: Round, number: int, done: int) -> str:
        again = (f"./dev oracle grants --source {chosen.source} --seed {chosen.seed} --users {chosen.users}"
                 f" --faults={','.join(kinds) or 'none'} --often {chosen.often:g}"
                 + (f" --without={chosen.without}" if without else ""))
        return (f"fault: {plan.fault}\nthe relay's log and the trace: {directory}\nagain: {again} --rounds {done}\n"
                f"or that round alone, in the world as it begins: {again} --first {number} --rounds 20 --same")

    try:
        seconds = play(chosen, Rounds(world, report), report, violated=violated,
                       plan_of=lambda number: plan_round(chosen.seed, number, world.pools, kinds, chosen.often, chosen.source,
                                                         without),
                       played=lambda plan: f"{plan.fault.kind if plan.fault else 'no fault'}; {report.last}")
    finally:
        world.close()
    return conclude(report, seconds)
