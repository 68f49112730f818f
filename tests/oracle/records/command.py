"""The command line of `./dev oracle records`, which describes it."""

import sys

from oracle.driver import conclude, fresh_directory, parse, parser_of, play
from oracle.records.plan import FAULTS, Round, plan_round
from oracle.records.report import Report
from oracle.records.rounds import Rounds
from oracle.records.world import World


def kinds_of(faults: str) -> tuple[str, ...]:
    """--faults names kinds, `all`, or `none`; -KIND takes one away from all."""
    names = [name for name in faults.split(",") if name]
    unknown = {name.lstrip("-") for name in names} - set(FAULTS) - {"all", "none"}
    if unknown:
        sys.exit(f"dev oracle: there is no fault {', '.join(sorted(unknown))}; there are {', '.join(FAULTS)}")
    if "none" in names:
        return ()
    all_of_them = "all" in names or all(name.startswith("-") for name in names)
    return tuple(kind for kind in FAULTS if (all_of_them or kind in names) and f"-{kind}" not in names)


def main() -> int:
    parser = parser_of("records")
    parser.add_argument("--often", type=float, default=0.6)
    parser.add_argument("--stand-in", action="store_true")
    chosen = parse(parser)
    if chosen.source != "slot":
        sys.exit("dev oracle: records need the slot")
    kinds = kinds_of(chosen.faults)
    directory = fresh_directory(f"records-{chosen.seed}")
    report = Report()
    world = World(directory, chosen.seed, chosen.stand_in)

    def violated(plan: Round, number: int, done: int) -> str:
        again = (f"./dev oracle records --seed {chosen.seed} --faults={','.join(kinds) or 'none'} --often {chosen.often:g}"
                 f" --first {number} --rounds 20 --same")
        return f"faults: {plan.faults}\nthe relay's log and the trace: {directory}\nagain: {again}"

    try:
        seconds = play(chosen, Rounds(world, report), report, violated=violated,
                       plan_of=lambda number: plan_round(chosen.seed, number, kinds, chosen.often),
                       played=lambda plan: ", ".join(fault.kind for fault in plan.faults) or "no fault")
    finally:
        world.close()
    return conclude(report, seconds)
