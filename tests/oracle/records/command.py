"""The command line of `./dev oracle records`, which describes it."""

import sys

from oracle.driver import conclude, fresh_directory, kinds_of, parse, parser_of, play
from oracle.records.plan import FAULTS, Round, plan_round
from oracle.records.report import Report
from oracle.records.rounds import Rounds
from oracle.records.world import World
from support.clock import LIBRARY
from support.paths import POSTGRES_BIN


def main() -> int:
    parser = parser_of("records")
    parser.add_argument("--often", type=float, default=0.6)
    parser.add_argument("--stand-in", action="store_true")
    parser.add_argument("--epoch", type=int)
    chosen = parse(parser)
    if chosen.source != "slot":
        sys.exit("dev oracle: records need the slot")
    kinds = tuple(kind for kind in kinds_of(chosen.faults, FAULTS) if kind != "clock-step" or LIBRARY.exists())
    directory = fresh_directory(f"records-{chosen.seed}")
    report = Report()
    epoch = chosen.epoch if chosen.epoch is not None else chosen.seed % 2 if (POSTGRES_BIN / "pg_resetwal").exists() else 0
    world = World(directory, chosen.seed, chosen.stand_in, epoch, "clock-step" in kinds)
    print(f"PostgreSQL {world.postgres.version()}, transaction ids of epoch {epoch}")

    def violated(plan: Round, number: int, done: int) -> str:
        again = (f"./dev oracle records --pg {world.postgres.version()} --seed {chosen.seed} --epoch {epoch}"
                 f" --faults={','.join(kinds) or 'none'} --often {chosen.often:g} --first {number} --rounds 20 --same")
        return f"faults: {plan.faults}\nthe relay's log and the trace: {directory}\nagain: {again}"

    try:
        seconds = play(chosen, Rounds(world, report), report, violated=violated,
                       plan_of=lambda number: plan_round(chosen.seed, number, kinds, chosen.often),
                       played=lambda plan: ", ".join(fault.kind for fault in plan.faults) or "no fault")
    finally:
        world.close()
    return conclude(report, seconds)
