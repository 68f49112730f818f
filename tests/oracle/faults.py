"""What can be broken, and how each is mended again."""

import signal
import time
from collections.abc import Callable
from contextlib import suppress

import psycopg

from fault_proxy import FaultProxy
from oracle.plan import PROXY_FAULTS, SIDES, Fault
from oracle.scene import Scene
from oracle.world import World

Act = Callable[[Scene, Fault], None]


def inflict(world: Scene, fault: Fault) -> None:
    """Does it and undoes it; back when it is over."""
    ACTS[fault.kind](world, fault)


def _proxy_fault(proxy: FaultProxy, kind: str, fault: Fault) -> None:
    """The longer ones last two seconds at most: the point is that they end at an awkward moment, not that they are long."""
    if kind == "cut":
        proxy.cut()
    elif kind == "drop":
        proxy.drop_after(int(20_000 * fault.amount ** 3))
        time.sleep(fault.lasts)
        proxy.drop_after(None)
    elif kind == "stop":
        proxy.stop()
        time.sleep(fault.lasts)
        proxy.go()
    elif kind == "swallow":
        proxy.swallow()
        time.sleep(fault.lasts)
        proxy.spit()
    elif kind == "delay":
        proxy.delay(0.002 + 0.05 * fault.amount)
        time.sleep(fault.lasts)
        proxy.delay(0)
    elif kind == "throttle":
        proxy.throttle(20_000 + 500_000 * fault.amount)
        time.sleep(fault.lasts)
        proxy.throttle(0)
    elif kind == "half-close":
        proxy.half_close()
        time.sleep(fault.lasts)
        proxy.heal()
    elif kind == "refuse":
        proxy.refuse()
        if fault.amount < 0.7:
            proxy.cut()
        time.sleep(fault.lasts)
        proxy.accept()


def _on_proxy(side: str, kind: str) -> Act:
    return lambda world, fault: _proxy_fault(world.proxies[side], kind, fault)


def _relay_kill(world: Scene, fault: Fault) -> None:
    world.relay.kill()
    time.sleep(fault.lasts)
    world.start_relay()


def _relay_term(world: Scene, fault: Fault) -> None:
    status = world.relay.stop(timeout=15)
    if status != 0:
        world.problems.append(f"the relay ended with {status} after SIGTERM")
    time.sleep(fault.lasts)
    world.start_relay()


def _relay_stop(world: Scene, fault: Fault) -> None:
    """Frozen: its sockets stay open, and nobody is behind them."""
    world.relay.signal(signal.SIGSTOP)
    time.sleep(2 * fault.lasts)
    world.relay.signal(signal.SIGCONT)


def _pg_kill(world: Scene, fault: Fault) -> None:
    world.postgres.kill()
    time.sleep(fault.lasts)
    world.start_postgres()


def _pg_fast(world: Scene, fault: Fault) -> None:
    world.postgres.stop(signal.SIGINT)
    time.sleep(fault.lasts)
    world.start_postgres()


def _pg_immediate(world: Scene, fault: Fault) -> None:
    world.postgres.stop(signal.SIGQUIT)
    time.sleep(fault.lasts)
    world.start_postgres()


def _sql(statement: str) -> Act:
    """Where PostgreSQL is away there is nothing to break."""
    def act(world: Scene, _: Fault) -> None:
        with suppress(psycopg.Error), world.database.connect() as connection:
            connection.execute(statement.encode(), [world.slot] if "%s" in statement else None)

    return act


def drop_slot(world: Scene) -> bool:
    """Ends whoever reads the slot and drops it, faster than they come back. False if there was none, or no PostgreSQL."""
    deadline = time.monotonic() + 5
    with suppress(psycopg.Error), world.database.connect() as connection:
        while time.monotonic() < deadline:
            connection.execute("select pg_terminate_backend(active_pid) from pg_replication_slots"
                               " where slot_name = %s and active", [world.slot])
            try:
                connection.execute("select pg_drop_replication_slot(%s)", [world.slot])
                return True
            except psycopg.errors.ObjectInUse:
                pass
            except psycopg.errors.UndefinedObject:
                return False
    return False


def _slot_drop(world: Scene, _: Fault) -> None:
    assert isinstance(world, World)
    gap = world.open_gap()
    if drop_slot(world):
        gap.watch(world)


ACTS: dict[str, Act] = {
    **{f"{side}-{kind}": _on_proxy(side, kind) for side in SIDES for kind in PROXY_FAULTS},
    "relay-kill": _relay_kill,
    "relay-term": _relay_term,
    "relay-stop": _relay_stop,
    "pg-kill": _pg_kill,
    "pg-fast": _pg_fast,
    "pg-immediate": _pg_immediate,
    "terminate-walsender": _sql("select pg_terminate_backend(active_pid) from pg_replication_slots"
                                " where slot_name = %s and active"),
    "terminate-queries": _sql("select pg_terminate_backend(pid) from pg_stat_activity"
                              " where application_name = 'walcast' and backend_type = 'client backend'"),
    "slot-drop": _slot_drop,
}
