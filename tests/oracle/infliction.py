"""Carries the faults of a round out while others work."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from oracle.driver import Violation
from oracle.faults import Act
from oracle.plan import Fault
from oracle.scene import Scene


@dataclass
class Inflicted:
    """A fault as it happened, in seconds since 1970."""

    fault: Fault
    began: float
    ended: float = 0.0
    error: BaseException | None = None


def inflict_all(world: Scene, acts: dict[str, Act], faults: Sequence[Fault], others: Sequence[threading.Thread]) -> list[Inflicted]:
    """Starts the others and does the faults, each at its time; back when all of them are over. Throws Violation if one went wrong."""
    def run(fault: Fault) -> None:
        time.sleep(max(0.0, began + fault.at - time.time()))
        one = Inflicted(fault, time.time())
        happened.append(one)
        try:
            acts[fault.kind](world, fault)
        except Exception as error:  # noqa: BLE001: raised again below, in the caller's thread
            one.error = error
        one.ended = time.time()

    began = time.time()
    happened: list[Inflicted] = []
    threads = [threading.Thread(target=run, args=[fault], daemon=True) for fault in faults]
    for thread in [*others, *threads]:
        thread.start()
    for thread in threads:
        thread.join(90)
        if thread.is_alive():
            raise Violation(f"a fault cannot be mended: {faults}")
    for one in happened:
        if one.error is not None:
            raise Violation(f"{one.fault.kind}: {one.error}")
    return happened
