"""`./dev oracle events`: rounds of faults, and after each the question whether every client has exactly what was committed."""

import time
from dataclasses import asdict

from oracle.clients import Follower
from oracle.driver import Violation
from oracle.faults import ACTS
from oracle.infliction import Inflicted, inflict_all
from oracle.judge import Event, Order, judge
from oracle.plan import Round
from oracle.report import Report, keep_trace
from oracle.statements import Statements
from oracle.witness import Commit
from oracle.world import World
from oracle.writers import Writer, finish_all

CLEANED_ROUNDS = 40
CHECKPOINT_ROUNDS = 4       # so that a crash is not followed by seconds of recovery, which would say nothing about the relay
PATIENCE = 60.0     # seconds after the last fault, within which everybody must be whole


class Events:
    """Carries out rounds in one world, and judges them."""

    def __init__(self, world: World, source: str, statements: Statements, report: Report) -> None:
        self._world = world
        self._source = source
        self._statements = statements
        self._report = report
        self._pending: list[Commit] = []            # committed behind the last beacon that was judged
        self._stretch = 0
        self._floor = 0                             # rows up to this id are deleted
        self._seen: set[int] = set()                # ids above it, as the witness told them
        self._old: list[int] = []                   # the last beacons of rounds since the last cleaning

    def begin(self) -> None:
        """Beacons until every client follows; what each was sent up to the last of them is no round's."""
        deadline = time.monotonic() + 30
        clients = self._world.clients
        while any(one.beacon == 0 for one in clients.followers):
            assert time.monotonic() < deadline, "not every client gets events; see the relay's log"
            self._world.beacon()
            time.sleep(0.1)
        last = self._world.beacon()
        self._await_beacon(last, [])
        commits, _ = self._read()
        self._pending = commits[[commit.id for commit in commits].index(last) + 1:]
        for one in clients.followers:
            one.judged = one.ids.index(last) + 1

    def resume(self) -> None:
        """After a violation: begins anew with whatever state things are in."""
        for one in self._world.clients.followers:
            one.beacon = 0
        self.begin()

    def play(self, plan: Round) -> None:
        """One round; throws Violation."""
        world = self._world
        world.configure(plan.settings)
        world.gaps.clear()
        world.clients.hurry = False
        began = time.time()
        writers = [Writer(world.database, pieces) for pieces in plan.writers]
        inflicted = inflict_all(world, ACTS, plan.faults, writers)
        over = time.time()
        world.clients.hurry = True
        self._await_beacon(world.beacon(), writers)
        if inflicted:
            self._report.gap([one.fault.kind for one in inflicted], time.time() - over)
        for writer in writers:
            writer.join(60)
            if writer.failed:
                raise Violation(f"a writer's statement failed: {writer.failed[0]}")
        finish_all(world.connected())
        last = world.beacon()
        self._await_beacon(last, [])
        self._judge(plan, inflicted, began, last)
        self._clean(last)

    def _await_beacon(self, beacon: int, writers: list[Writer]) -> None:
        """Until all clients have it. A prepared transaction that an outage orphaned holds up new slots, so it ends first."""
        deadline = time.monotonic() + PATIENCE
        while lacking := self._world.clients.lacking(beacon):
            if not self._world.relay.running():
                raise Violation(f"the relay ended by itself:\n{self._world.relay.log_tail()}")
            if writers and not any(writer.is_alive() for writer in writers):
                finish_all(self._world.connected())
                writers = []
            if time.monotonic() > deadline:
                raise Violation(f"not whole after {PATIENCE:g} s: " + "; ".join(
                    f"{one.habit.name} has {len(one.ids)} events, the last one {one.ids[-1:]}, {one.connects} connections,"
                    f" ends {one.closes[-2:]}" for one in lacking))
            time.sleep(0.005)

    # Judging

    def _judge(self, plan: Round, inflicted: list[Inflicted], began: float, last: int) -> None:
        world = self._world
        for gap in world.gaps:
            gap.join()
        fresh, problems = self._read()
        commits = self._pending + fresh
        behind = [commit.id for commit in commits].index(last) + 1
        commits, self._pending = commits[:behind], commits[behind:]
        events = self._demands(commits, inflicted)
        self._report.rounds += 1
        self._report.events += len(events)
        problems += self._statements.take_failures() + world.problems
        world.problems = []
        got: dict[str, list[int]] = {}
        for one in world.clients.followers:
            end = one.ids.index(last, one.judged) + 1
            got[one.habit.name] = one.ids[one.judged:end]
            one.judged = end
            expected = [event for event in events if one.habit.wanted(event.event_type, event.object_uuid)]
            self._report.deliveries += len(expected)
            problem = judge(expected, got[one.habit.name])
            if problem is not None:
                problems.append(f"client {one.habit.name}: {problem}")
            problems += self._manners(one, inflicted)
        if problems:
            trace = keep_trace(world.directory, plan.number, {
                "problems": problems, "plan": asdict(plan), "began": began, "inflicted": inflicted,
                "commits": [asdict(commit) for commit in commits], "demands": [(e.id, e.order.name, e.stretch) for e in events],
                "got": got, "closes": {one.habit.name: one.closes[-20:] for one in world.clients.followers}})
            raise Violation("\n".join(problems) + f"\n(trace: {trace})")

    def _demands(self, commits: list[Commit], inflicted: list[Inflicted]) -> list[Event]:
        """What order is asked of each commit."""
        self._stretch += 1
        kinds = {one.fault.kind for one in inflicted}
        if self._source == "listener" and any(not kind.startswith("client-") for kind in kinds):
            return [Event(one.id, one.event_type, one.object_uuid, Order.IDS, self._stretch) for one in commits]
        if not self._world.gaps:
            return [Event(one.id, one.event_type, one.object_uuid, Order.COMMIT, self._stretch) for one in commits]
        gap = self._world.gaps[0]
        ends = {one.id: one.end for one in commits}
        after = min(ends.get(log_id, 0) for log_id in gap.after)
        events = []
        for one in commits:
            part = 0 if one.end <= after else 1 if gap.until is None or one.end <= gap.until else 2
            events.append(Event(one.id, one.event_type, one.object_uuid, Order.ANY if part == 1 else Order.COMMIT,
                                self._stretch + part))
        self._stretch += 2
        return events

    def _manners(self, one: Follower, inflicted: list[Inflicted]) -> list[str]:
        """A client that nobody cut stays connected, whatever becomes of the database; and what it is sent is well-formed."""
        problems, one.faults = [f"client {one.habit.name}: {fault}" for fault in one.faults], []
        closes, one.closes = one.closes, []
        ended = any(fault.fault.kind in ("relay-kill", "relay-term") for fault in inflicted)
        if closes and not ended and not one.habit.through_proxy:
            problems.append(f"client {one.habit.name}: the relay ended its connection: {closes}")
        return problems

    def _read(self) -> tuple[list[Commit], list[str]]:
        """What was committed since last time, and what is wrong with the witness: the table, read before, has no row more."""
        rows = self._world.connected().execute("select id from logs where id > %s", [self._floor]).fetchall()
        commits = self._world.witness.read()
        self._seen.update(commit.id for commit in commits)
        unseen = {row[0] for row in rows} - self._seen
        return commits, [f"rows of the table that the witness did not see: {sorted(unseen)[:10]}"] if unseen else []

    def _clean(self, last: int) -> None:
        """Rows that everybody has are deleted now and then, as Arvados does, so that a long run has the pace of a short one."""
        self._old.append(last)
        if len(self._old) % CHECKPOINT_ROUNDS == 0:
            self._world.connected().execute("checkpoint")
        if len(self._old) == CLEANED_ROUNDS:
            self._floor = self._old[CLEANED_ROUNDS // 2]
            self._world.connected().execute("delete from logs where id <= %s", [self._floor])
            self._seen = {log_id for log_id in self._seen if log_id > self._floor}
            self._old.clear()
            for one in self._world.clients.followers:
                one.forget()
