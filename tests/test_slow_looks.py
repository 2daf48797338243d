"""Slow looks beside the event loop: one at a time, each answered, and none waited for without end."""

import asyncio
import os
import threading

from agent.posture.facts import Observed, Unseen
from agent.posture.facts.device import Boot
from agent.posture.facts.observed import Grade, Told
from agent.probes.codec import Scope, Seen
from agent.probes.slow_looks import SlowLooks

ALL = Scope(frozenset({1000}), facts=frozenset({"programs", "boot", "clock", "usb"}))
BOOT = Observed(Boot(Told.YES, "none", False), Grade.ROOT, "efi", 1.0)


def boot() -> float:
    return 7.0


def fail(scope: Scope) -> Seen:
    raise ZeroDivisionError


def test_every_fact_that_was_asked_for_is_answered_whatever_its_probe_does() -> None:
    looks = SlowLooks({"boot": lambda _: BOOT, "clock": fail}, boot)
    assert asyncio.run(looks.look(ALL)) == {
        "boot": BOOT,
        "clock": Unseen("an error of our own (ZeroDivisionError)", 7.0),
        "usb": Unseen("this helper does not look at it", 7.0),
    }


def test_the_event_loop_turns_while_a_probe_works() -> None:
    may_end = threading.Event()

    def wait(scope: Scope) -> Seen:
        return BOOT if may_end.wait(10) else Unseen("the event loop stood still", 0.0)

    async def look() -> dict[str, Seen]:
        looking = asyncio.create_task(SlowLooks({"boot": wait}, boot).look(scope("boot")))
        await asyncio.sleep(0.01)
        may_end.set()
        return dict(await looking)

    assert asyncio.run(look()) == {"boot": BOOT}


def test_two_looks_at_once_take_turns() -> None:
    one, alone = threading.Lock(), []

    def count(scope: Scope) -> Seen:
        alone.append(one.acquire(blocking=False))
        os.sched_yield()
        one.release()
        return BOOT

    async def look() -> None:
        looks = SlowLooks({"boot": count, "clock": count}, boot)
        await asyncio.gather(*(looks.look(scope("boot", "clock")) for _ in range(3)))

    asyncio.run(look())
    assert alone == [True] * 6


def test_a_probe_that_never_comes_back_is_told_and_blocks_nobody_until_it_does() -> None:
    may_end = threading.Event()

    def hang(scope: Scope) -> Seen:
        may_end.wait()
        return BOOT

    async def look() -> list[dict[str, Seen]]:
        looks = SlowLooks({"boot": hang, "clock": lambda _: BOOT}, boot, longest=0.05)
        told = [dict(await looks.look(scope("boot"))), dict(await looks.look(scope("clock")))]
        may_end.set()
        while (last := dict(await looks.look(scope("clock")))) != {"clock": BOOT}:
            await asyncio.sleep(0)
        return [*told, last]

    assert asyncio.run(look()) == [
        {"boot": Unseen("it took too long", 7.0)},
        {"clock": Unseen("an earlier look has not come back", 7.0)},
        {"clock": BOOT},
    ]


def test_a_probe_that_comes_back_after_the_program_has_left_disturbs_nobody() -> None:
    may_end, ended = threading.Event(), threading.Event()

    def late(scope: Scope) -> Seen:
        may_end.wait()
        ended.set()
        return BOOT

    asyncio.run(SlowLooks({"boot": late}, boot, longest=0.01).look(scope("boot")))
    may_end.set()
    assert ended.wait(10)


def scope(*names: str) -> Scope:
    return Scope(frozenset({1000}), facts=frozenset(names))  # type: ignore[arg-type]  # a test's own words
