"""The command line of `./dev oracle events`, which describes it."""

from oracle.driver import conclude, fresh_directory, kinds_of, parse, parser_of, play
from oracle.events import Events
from oracle.plan import FAULTS, SLOT_FAULTS, Round, plan_round
from oracle.report import Report
from oracle.statements import Statements
from oracle.world import World


def main() -> int:
    chosen = parse(parser_of("events"))
    kinds = kinds_of(chosen.faults, FAULTS)
    if chosen.source == "listener":
        kinds = tuple(kind for kind in kinds if kind not in SLOT_FAULTS)
    directory = fresh_directory(f"{chosen.source}-{chosen.seed}")
    report = Report()
    world = World(directory, chosen.source, chosen.seed)
    statements = Statements(world.database)

    def violated(plan: Round, number: int, _: int) -> str:
        again = (f"./dev oracle events --source {chosen.source} --seed {chosen.seed} --faults={','.join(kinds) or 'none'}"
                 f" --first {number} --rounds 20 --same")
        return f"faults: {plan.faults}\nthe relay's log and the trace: {directory}\nagain: {again}"

    try:
        seconds = play(chosen, Events(world, chosen.source, statements, report), report, violated=violated,
                       plan_of=lambda number: plan_round(chosen.seed, number, kinds, chosen.source),
                       played=lambda plan: ", ".join(fault.kind for fault in plan.faults) or "no fault")
    finally:
        statements.close()
        world.close()
    return conclude(report, seconds, f"Arvados' statements: {statements.done} scripts run, the longest wait for the relay"
                    f" {statements.longest_wait:.2f} s")
