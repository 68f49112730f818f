"""`./dev oracle grants`: rounds of changes, and after each the question whether every session had exactly what it may read."""

import re
import time
from dataclasses import dataclass

from oracle.driver import Violation
from oracle.faults import inflict
from oracle.grants.clients import Session, wait_settled
from oracle.grants.judge import Answer, Stay, complete, judge
from oracle.grants.plan import Round
from oracle.grants.report import Report, keep_trace
from oracle.grants.scopes import allows
from oracle.grants.world import World
from oracle.grants.writers import Writer
from oracle.plan import Fault

PATIENCE = 30.0         # seconds within which everybody must have everything
KEPT_ROUNDS = 20        # whose events stay in `logs`
LISTENER_BOUND = 6.0    # seconds after which a relay without a slot knows of every change


@dataclass(frozen=True)
class Verdict:
    """One event as it was recorded at its commit: who may read it; in `perhaps_` also those for whom time decides."""

    place: int
    id: int
    event_type: str | None
    object_uuid: str | None
    target: str | None
    sendable: bool
    readers: frozenset[str]
    perhaps: frozenset[str]
    alive: frozenset[str]
    perhaps_alive: frozenset[str]


class Rounds:
    """Carries out rounds in one world, and judges them."""

    def __init__(self, world: World, report: Report) -> None:
        self._world = world
        self._report = report
        self._judged = 0                            # the last place that is judged
        self._exact_from = 0                        # up to this place no answer is right or wrong
        self._late: dict[str, set[int]] = {}        # by session: what it may still be sent of the last round, but need not
        self._cleaned: list[int] = []               # the greatest ids of rounds whose events are still there

    def begin(self) -> None:
        """Everybody is connected, and has what was committed until now."""
        lacking = wait_settled(self._world.clients, PATIENCE)
        if lacking:
            raise Violation(f"no answer to subscribe after {PATIENCE:g} s: {[one.name for one in lacking]}")
        self._judged = self._world.beacon()
        root = next(one for one in self._world.clients.sessions if one.name == "root")
        beacon = self._read(self._judged - 1)[-1].id
        deadline = time.monotonic() + PATIENCE
        while root.mark != beacon:
            if time.monotonic() > deadline:
                raise Violation("the administrator's session is not sent the beacon")
            time.sleep(0.01)
        time.sleep(0.1)
        self._take(beacon)
        self._late = {}

    def resume(self) -> None:
        """After a violation: begins anew with whatever state things are in."""
        self._world.clients.busy, self._world.clients.open = False, True
        self._world.mend(self._world.clients.sessions)
        self.begin()

    def play(self, plan: Round) -> None:
        """One round; throws Violation."""
        world, clients = self._world, self._world.clients
        world.configure(plan.settings)
        world.set_margin(plan)
        clients.busy = True
        writers = [Writer(world.database, transactions) for transactions in plan.writers]
        for writer in writers:
            writer.start()
        if plan.fault is not None:
            self._inflict(plan.fault, writers)
        for writer in writers:
            writer.join(60)
            if writer.is_alive():
                raise Violation("a writer hangs")
            if writer.failed:
                raise Violation(f"a writer's statement failed: {writer.failed[0]}")
        if plan.fault is not None and plan.fault.kind in ("relay-kill", "relay-term"):
            world.start_relay()
        # What a replay may send is decided where the relay stands, which must not be before what was written last.
        try:
            world.wait_until_read(PATIENCE)
        except AssertionError as late:
            self._fail(plan, writers, [str(late)])
        clients.open = True
        clients.busy = False
        began = time.monotonic()
        unsettled = wait_settled(clients, PATIENCE)
        if unsettled:
            self._fail(plan, writers, [f"{one.name}: no answer to subscribe after {PATIENCE:g} s" for one in unsettled])
        if world.relay.source == "listener":
            time.sleep(LISTENER_BOUND)
            self._exact_from = clients.place()
            world.touch_everything()
        world.beacon()
        self._judge(plan, writers)
        if plan.fault is not None:
            self._report.fault(plan.fault.kind, time.monotonic() - began)

    def _inflict(self, fault: Fault, writers: list[Writer]) -> None:
        """Kills of the relay last until the writers are done: then what a replay may send is known."""
        time.sleep(fault.at)
        world = self._world
        if fault.kind not in ("relay-kill", "relay-term"):
            inflict(world, fault)
            return
        world.clients.open = False
        if fault.kind == "relay-kill":
            world.relay.kill()
        elif (status := world.relay.stop(timeout=15)) != 0:
            raise Violation(f"the relay ended with {status} after SIGTERM")
        for writer in writers:
            writer.join(60)

    # Judging

    def _judge(self, plan: Round, writers: list[Writer]) -> None:
        world, clients = self._world, self._world.clients
        verdicts = self._read(self._judged)
        answers: dict[str, list[Answer]] = {}
        now = self._readable_now(verdicts, [one for one in clients.sessions if any(stay.due_from for stay in one.stays)])
        for one in clients.sessions:
            answers[one.name] = self._answers(one, verdicts, now)
        by_id = world.relay.source == "listener" and plan.fault is not None
        deadline = time.monotonic() + PATIENCE
        waiting = {one.name: one for one in clients.sessions}
        while waiting and time.monotonic() < deadline:
            if not world.relay.running():
                self._fail(plan, writers, [f"the relay ended by itself:\n{world.relay.log_tail()}"])
            waiting = {name: one for name, one in waiting.items() if not complete(answers[name], self._snapshot(one), by_id)}
            time.sleep(0.02)
        stays = self._take(verdicts[-1].id)
        problems: list[str] = []
        for one in clients.sessions:
            self._forgive_late(one, stays[one.name])
            found = judge(answers[one.name], stays[one.name], by_id)
            problems += [f"{one.name} ({one.user_uuid or 'root'}): {problem}" for problem in [*found, *one.problems]]
            one.problems = []
            got = {log_id for stay in stays[one.name] for log_id in stay.got}
            self._late[one.name] = {answer.id for answer in answers[one.name] if answer.may and answer.id not in got}
            self._report.deliveries += sum(len(stay.got) for stay in stays[one.name])
            self._report.denials += sum(not answer.may for answer in answers[one.name])
        self._report.round(verdicts, writers)
        self._judged = verdicts[-1].place
        if problems:
            self._fail(plan, writers, [*problems, *self._events_named(problems, verdicts)], verdicts, stays)
        dead = [one for one in clients.sessions if one.token_uuid and one.token_uuid not in verdicts[-1].alive]
        world.mend(dead)
        self._report.dead += len(dead)
        self._clean(verdicts[-1].id)
        if wait_settled(clients, PATIENCE):
            self._fail(plan, writers, ["not every session could connect again with its new token"])
        self._judged = clients.place()

    @staticmethod
    def _snapshot(one: Session) -> list[Stay]:
        return [Stay(stay.due_from, stay.resumed_after, stay.ended, list(stay.got)) for stay in list(one.stays)]

    def _take(self, mark: int) -> dict[str, list[Stay]]:
        stays = self._world.clients.take()
        for one in self._world.clients.sessions:
            one.mark = mark
        return stays

    def _forgive_late(self, one: Session, stays: list[Stay]) -> None:
        """What the session might be sent in the round before, and is sent now, once."""
        late = self._late.get(one.name, set())
        for stay in stays[:1]:
            while stay.got and stay.got[0] in late:
                late.remove(stay.got.pop(0))

    def _answers(self, one: Session, verdicts: list[Verdict], now: dict[tuple[str, int], bool]) -> list[Answer]:
        found = []
        ever = {(user, verdict.target) for verdict in verdicts for user in verdict.perhaps | verdict.readers}
        died = False            # with its token: what was on the way may be lost, what comes after must not be sent
        for verdict in verdicts:
            allowed = verdict.sendable and allows(one.scopes, verdict.target)
            if verdict.place <= self._exact_from:
                found.append(Answer(verdict.id, verdict.place, allowed, False, allowed, False))
                continue
            if not one.user_uuid:
                found.append(Answer(verdict.id, verdict.place, allowed, allowed, allowed, allowed))
                continue
            died = died or (one.token_uuid != "" and one.token_uuid not in verdict.alive)
            may = allowed and one.user_uuid in verdict.perhaps and (not one.token_uuid or one.token_uuid in verdict.perhaps_alive)
            must = allowed and one.user_uuid in verdict.readers
            later = allowed and now.get((one.user_uuid, verdict.id), False)
            # It may have been looked at in between: readable then, if any event about it was.
            between = allowed and (one.user_uuid, verdict.target) in ever
            found.append(Answer(verdict.id, verdict.place, may, must, may or later or between, must and later))
        if died:
            found = [Answer(answer.id, answer.place, answer.may, False, answer.may_replayed, False) for answer in found]
        return found

    def _read(self, after: int) -> list[Verdict]:
        rows = self._world.connected().execute(
            "select place, log_id, event_type, object_uuid, target, sendable, readers, perhaps, alive, perhaps_alive"
            " from oracle.verdicts where place > %s order by place, log_id", [after]).fetchall()
        return [Verdict(*row[:6], *(frozenset(names) for names in row[6:])) for row in rows]

    def _readable_now(self, verdicts: list[Verdict], late: list[Session]) -> dict[tuple[str, int], bool]:
        """What may be sent of the time before an answer to subscribe: nobody writes any more."""
        if not late:
            return {}
        users = {one.user_uuid for one in late}
        rows = self._world.connected().execute(
            "select target, oracle.readers(target, demo.clock()) from unnest(%s::text[]) as target",
            [list({verdict.target for verdict in verdicts if verdict.target is not None})]).fetchall()
        readers = {target: set(found) & users for target, found in rows}
        return {(user, verdict.id): True for verdict in verdicts for user in readers.get(verdict.target, ())}

    @staticmethod
    def _events_named(problems: list[str], verdicts: list[Verdict]) -> list[str]:
        """The events that the first problems are about."""
        named = {number for problem in problems[:6] for number in re.findall(r"sent (\d+)", problem)}
        return [f"event {verdict.id}: {verdict.event_type} of {verdict.object_uuid}, asked about {verdict.target}, commit"
                f" {verdict.place}, readers {sorted(name[12:] for name in verdict.readers)}" for verdict in verdicts
                if str(verdict.id) in named]

    def _clean(self, last: int) -> None:
        """Rows that everybody has are deleted, so that a long run has the pace of a short one."""
        self._cleaned.append(last)
        if len(self._cleaned) == 2 * KEPT_ROUNDS:
            connection = self._world.connected()
            connection.execute("delete from logs where id <= %s", [self._cleaned[KEPT_ROUNDS]])
            connection.execute("delete from oracle.verdicts where log_id <= %s", [self._cleaned[KEPT_ROUNDS]])
            del self._cleaned[:KEPT_ROUNDS]

    def _fail(self, plan: Round, writers: list[Writer], problems: list[str], verdicts: list[Verdict] | None = None,
              stays: dict[str, list[Stay]] | None = None) -> None:
        trace = keep_trace(self._world.directory, plan, writers, problems, verdicts or self._read(self._judged), stays or {})
        told = problems[:8] + problems[8:][-6:]
        raise Violation("\n".join(told) + (f"\n… {len(problems) - len(told)} more" if len(problems) > len(told) else "")
                        + f"\n(trace: {trace})")
