"""`./dev oracle records`: rounds of faults, and after each the question whether everybody's records are those of the database."""

import time

from oracle.driver import Violation
from oracle.infliction import Inflicted, inflict_all
from oracle.records.clients import Client, Held
from oracle.records.faults import ACTS, end_stall
from oracle.records.judge import Course, Wrong
from oracle.records.judge_events import Gap
from oracle.records.plan import Round
from oracle.records.report import Report, keep_trace
from oracle.records.tape import Fact
from oracle.records.world import World
from oracle.records.writers import Writer
from oracle.writers import finish_all
from support.records import read_record

CHECKPOINT_ROUNDS = 4       # so that a crash is not followed by seconds of recovery, which would say nothing about the relay
FORGOTTEN_ROUNDS = 20       # after so many no token is kept any more
PATIENCE = 60.0             # seconds after the last fault, within which everybody must be whole
COMPARED = 12               # records that are read from the tables after each round: it is the history's own test


class Rounds:
    """Carries out rounds in one world, and judges them."""

    def __init__(self, world: World, report: Report) -> None:
        self._world = world
        self._report = report
        self._number = 0                    # of rounds that were played, by which tokens are aged
        self._begin = 0                     # the last commit before the round
        self._dropped = -1                  # the last round in which the slot was dropped
        self._gap: Gap | None = None        # ... and the time without it
        self._commits: list[int] = []       # the last commit of each round

    def begin(self) -> None:
        self._await(self._world.beacon(), "the first beacon", [])
        self._judge(None, [], [])

    def resume(self) -> None:
        """After a violation: everybody begins anew, with whatever state things are in."""
        end_stall(self._world)
        finish_all(self._world.connected())
        self._world.clients.restart()
        self._await(self._world.beacon(), "a beacon after a violation", [])
        self._judge(None, [], [])

    def play(self, plan: Round) -> None:
        """One round; throws Violation."""
        world = self._world
        self._number += 1
        world.configure(plan.settings)
        world.clients.round = self._number
        world.clients.hurry = False
        writers = [Writer(world.database, transactions) for transactions in plan.writers]
        inflicted = inflict_all(world, ACTS, plan.faults, writers)
        if any(one.fault.kind == "slot-drop" for one in inflicted):
            self._dropped = self._number
        if not inflicted:
            for writer in writers:
                writer.join(60)
        over = time.time()
        world.clients.hurry = True
        if inflicted:
            end_stall(world)
            self._await(world.beacon(), "a beacon after the faults", writers)
            if self._dropped == self._number:
                world.history.read()
                self._gap = Gap(self._begin, world.history.last)
            self._report.gap([one.fault.kind for one in inflicted], time.time() - over)
        for writer in writers:
            writer.join(60)
            if writer.failed:
                raise Violation(f"a writer's statement failed: {writer.failed[0]}")
        finish_all(world.connected())
        self._await(world.beacon(), "the last beacon", [])
        self._judge(plan, inflicted, writers)
        if self._number % CHECKPOINT_ROUNDS == 0:
            world.connected().execute("checkpoint")

    def _await(self, beacon: str, what: str, writers: list[Writer]) -> None:
        """Until everybody has it, and all subscriptions are live. What an outage left prepared holds up new slots, so it ends first."""
        world, deadline = self._world, time.monotonic() + PATIENCE
        while unsettled := world.clients.unsettled(beacon):
            if not world.relay.running():
                raise Violation(f"the relay ended by itself:\n{world.relay.log_tail()}")
            if wrong := world.clients.wrong():
                raise Violation("\n".join(wrong[:10]))
            if writers and not any(writer.is_alive() for writer in writers):
                finish_all(world.connected())
                writers = []
            if time.monotonic() > deadline:
                raise Violation(f"NOT WHOLE: {PATIENCE:g} s after {what}: " + "; ".join(unsettled)[:2000]
                                + f"\nthe relay says: {self._relay_status()}")
            time.sleep(0.005)

    def _relay_status(self) -> str:
        try:
            return str(self._world.relay.status())
        except (OSError, AttributeError, AssertionError) as error:
            return f"nothing: {error}"

    def _judge(self, plan: Round | None, inflicted: list[Inflicted], writers: list[Writer]) -> None:
        world = self._world
        world.history.read()
        problems = [*world.problems, *self._compare()]
        world.problems = []
        courses: list[tuple[str, Held, list[Fact]]] = []
        late = self._take(problems, courses)
        # A session that is behind may be told of one subscription before it is told of others: these follow.
        deadline = time.monotonic() + PATIENCE
        while late and not problems and time.monotonic() < deadline:
            time.sleep(0.05)
            late = self._take(problems, courses)
        for client, held, tape, wrong in late:
            problems.append(f"client {client.habit.name}, {held.title}: {wrong}")
            courses.append((client.habit.name, held, tape))
        self._begin = world.history.last
        self._commits.append(self._begin)
        if len(self._commits) > FORGOTTEN_ROUNDS:
            world.history.forget(self._commits.pop(0))
        if plan is not None:
            self._report.round(world.history, writers)
        if problems:
            trace = keep_trace(world.directory, plan, inflicted, problems, courses, world.history)
            raise Violation("\n".join(problems[:20]) + f"\n(trace: {trace})")

    def _take(self, problems: list[str], courses: list[tuple[str, Held, list[Fact]]]) -> list[tuple[Client, Held, list[Fact], str]]:
        """Walks what was told since last time; returns those that have not been told everything yet."""
        late = []
        for client, held, tape, going in self._world.clients.take():
            problems += [f"client {client.habit.name}: {problem}" for problem in client.problems]
            client.problems = []
            self._report.count(held, tape)
            try:
                for fact in tape:
                    self._walk(held, fact)
            except Wrong as wrong:
                problems.append(f"client {client.habit.name}, {held.title}: {wrong}")
                courses.append((client.habit.name, held, tape))
                continue
            try:
                if going:
                    self._finish(held)
            except Wrong as wrong:
                late.append((client, held, tape, str(wrong)))
        return late

    def _walk(self, held: Held, fact: Fact) -> None:
        history, course = self._world.history, held.course
        if isinstance(course, Course):
            course.take(history.story(held.about), fact, self._begin, self._dropped)
        else:
            course.take(history.events, history.rights, fact, self._dropped, self._gap)

    def _finish(self, held: Held) -> None:
        history, course = self._world.history, held.course
        if isinstance(course, Course):
            course.finish(history.story(held.about), history.last)
        else:
            course.finish(history.events, history.rights)

    def _compare(self) -> list[str]:
        """The history against the tables, and the rights against the predicate of `grants`: nobody writes now."""
        connection = self._world.connected()
        stories = self._world.history.stories
        some = sorted(stories)[self._number % 7::max(1, len(stories) // COMPARED)]
        wrong = [f"the history of {uuid} is not what the table has" for uuid in some
                 if read_record(connection, uuid) != stories[uuid].row(len(stories[uuid]))]
        rights = self._world.history.rights
        pairs = list(rights.shown)[self._number % 4::4]
        may = [row[0] for row in connection.execute(
            "select coalesce(oracle.readable(who, what, true, now()::timestamp), false)"
            " from unnest(%s::text[], %s::text[]) with ordinality as pair (who, what, place) order by place",
            [[who for who, _ in pairs], [what for _, what in pairs]]).fetchall()]
        return wrong + [f"by the predicate {user} may {'' if readable else 'not '}read {uuid}, and not by the history"
                        for (user, uuid), readable in zip(pairs, may, strict=True) if rights.may_read(user, uuid) is not readable]
