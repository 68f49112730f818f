"""What else can be broken than in `events`: commits hang because no standby confirms them; a slot was dropped; a clock jumps."""

import time
from contextlib import suppress

import psycopg

from oracle.faults import ACTS as EVENTS_ACTS
from oracle.faults import Act, drop_slot
from oracle.plan import Fault
from oracle.records.world import World
from oracle.scene import Scene
from oracle.writers import outage


def set_standby(world: Scene, name: str) -> bool:
    """Names the standby that must confirm commits, '' for none; takes effect at once. False if there is no PostgreSQL."""
    try:
        with world.database.connect(connect_timeout=5) as connection:
            connection.execute("set synchronous_commit = local")
            connection.execute(f"alter system set synchronous_standby_names = '{name}'".encode())
            connection.execute("select pg_reload_conf()")
        return True
    except psycopg.Error as error:
        if not outage(error):
            raise
        return False


def _sync_stall(world: Scene, fault: Fault) -> None:
    """What was committed with synchronous_commit is in the log, and nobody sees it yet."""
    if not set_standby(world, "nobody"):
        return
    time.sleep(0.1 + 1.5 * fault.lasts)
    end_stall(world)


def end_stall(world: Scene) -> None:
    deadline = time.monotonic() + 30
    while not set_standby(world, "") and time.monotonic() < deadline:
        time.sleep(0.05)


def _slot_drop(world: Scene, _: Fault) -> None:
    with suppress(psycopg.Error):
        drop_slot(world)


def _clock_step(world: Scene, fault: Fault) -> None:
    """By up to two hours, forth or back; it stays so."""
    assert isinstance(world, World)
    if world.clock is not None:
        world.clock.set(int(7200 * (2 * fault.amount - 1) ** 3))
        time.sleep(1 + fault.lasts)


ACTS: dict[str, Act] = {**EVENTS_ACTS, "slot-drop": _slot_drop, "sync-stall": _sync_stall, "clock-step": _clock_step}
