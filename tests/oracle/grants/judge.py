"""Compares what a session was sent with what its user might read. Pure: no clock, no connection."""

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Answer:
    """One committed event as one session may see it. Both differ where it is not known which answer is right."""

    id: int
    place: int                  # of its transaction in the commit order
    may: bool                   # being sent it is no leak
    must: bool                  # not being sent it is a loss
    may_replayed: bool = False  # the same if a replay sends it: judged by what may be read at that time
    must_replayed: bool = False


@dataclass
class Stay:
    """One connection: what it was sent, and from which place on events are due.

    What was committed before the server's answer to subscribe is not due, but may come, and is decided by what may be read
    when it is looked at: a relay that could not ask the database for seconds answers before it knows. After `last_log_id` it
    is due, as a replay has it. What came when the connection had ended is not due either, as it may have been lost on the way: only
    what goes before the last one that was read.
    """

    due_from: int = 0                   # places greater than this: read when the answer had come
    resumed_after: int | None = None    # last_log_id
    ended: bool = False
    got: list[int] = field(default_factory=list)


def judge(answers: Sequence[Answer], stays: Sequence[Stay], by_id: bool = False) -> list[str]:
    """What is wrong, a sentence each. `answers` are in commit order; ids of other rounds are not known here.

    `by_id`: a listener was away, so that an event may also come before one with a greater id, whichever was committed first.
    """
    problems: list[str] = []
    place = {answer.id: number for number, answer in enumerate(answers)}
    for stay in stays:
        problems += _judge_stay(answers, stay, place, by_id)
    return problems


def _judge_stay(answers: Sequence[Answer], stay: Stay, place: dict[int, int], by_id: bool) -> list[str]:
    problems = []
    replay_from = len(answers) if stay.resumed_after is None else place.get(stay.resumed_after, -1) + 1
    live_from = next((number for number, answer in enumerate(answers) if answer.place > stay.due_from), len(answers))
    last, received = -1, set()
    for log_id in stay.got:
        number = place.get(log_id)
        if number is None:
            problems.append(f"was sent {log_id}, which is no event of this round")
            continue
        if number in received:
            problems.append(f"was sent {log_id} twice")
        elif number < last and not (by_id and all(answers[other].id < log_id for other in received if other > number)):
            problems.append(f"was sent {log_id} after {answers[last].id}, which was committed later")
        received.add(number)
        last = max(last, number)
        answer = answers[number]
        replayed = replay_from <= number < live_from
        if not (answer.may_replayed if number < live_from else answer.may):
            problems.append(f"LEAK: was sent {log_id}" + (" in a replay" if replayed else ""))
    end = len(answers)
    if stay.ended:  # what had come before the last one that was read is known only if they come in one order
        end = 0 if by_id else last + 1
    for number in range(min(replay_from, live_from), end):
        answer = answers[number]
        if number not in received and (answer.must if number >= live_from else answer.must_replayed):
            problems.append(f"MISSING: was not sent {answer.id}" + (" in a replay" if number < live_from else ""))
    return problems


def complete(answers: Sequence[Answer], stays: Sequence[Stay], by_id: bool = False) -> bool:
    """Whether nothing is missing any more: the time to judge."""
    return not any(problem.startswith("MISSING") for problem in judge(answers, stays, by_id))
