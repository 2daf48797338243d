"""The look helper as its own program: who may ask, what it answers, and what it tells unasked."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from hashlib import sha256
from io import BufferedReader
from pathlib import Path
from typing import cast

import pytest

from agent.posture.facts import Observed, Program, Programs, Unseen
from agent.probes.client import LookClient, LookedAgain, LookLost, Missed, Pushed, Scope, Started
from agent.probes.codec import LONGEST_REQUEST, Looked, Ready, Refusal, encode, encode_scope
from agent.probes.digest_store import read_hashes
from agent.probes.digests import Digests
from agent.probes.exec_events import ExecEvents
from agent.probes.packages import Packages
from agent.probes.processes import examine
from agent.probes.programs import ProgramProbe
from agent.probes.serving import Host
from agent.probes.slow_looks import SlowLooks
from tests.look_helper import LOOK, Helper, serving
from tests.processes import PYTHON, SLEEP, UNSHARE, Stage, as_user, new_uid, runs, staged, wait_for

TRUE = "/usr/bin/true"
SAID = encode_scope(Scope(frozenset({0})))


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
def helper(tmp_path: Path) -> Iterator[Helper]:
    with serving(tmp_path) as helper:
        yield helper


@asynccontextmanager
async def connected(path: Path) -> AsyncIterator[LookClient]:
    client = await LookClient.connect(path)
    try:
        yield client
    finally:
        await client.close()


async def look_at_programs(client: LookClient, scope: Scope) -> Observed[Programs] | Unseen:
    return cast(Observed[Programs] | Unseen, (await client.look(scope))["programs"])


async def hear(client: LookClient, wanted: type[Pushed], about: str = "") -> Pushed:
    """Wait for the next word of a kind, about a program whose path ends so."""
    async with asyncio.timeout(10), aclosing(client.events()) as events:
        async for pushed in events:
            if isinstance(pushed, wanted) and (not isinstance(pushed, Started) or pushed.program.path.endswith(about)):
                return pushed
    raise AssertionError


@pytest.mark.lab
def test_a_look_tells_the_programs_of_the_users_in_scope(helper: Helper, stage: Stage) -> None:
    stage.start(stage.copy("strange"), "60")

    async def look() -> Observed[Programs] | Unseen:
        async with connected(helper.socket) as client:
            assert client.blind is None
            return await look_at_programs(client, Scope(frozenset({stage.uid})))

    observed = asyncio.run(look())
    assert isinstance(observed, Observed)
    assert [Path(program.path).name for program in observed.value.running] == ["strange"]
    assert 0 <= time.clock_gettime(time.CLOCK_BOOTTIME) - observed.at < 60


@pytest.mark.lab
def test_a_program_that_starts_is_told_with_its_hash(helper: Helper, stage: Stage) -> None:
    async def follow() -> Program:
        async with connected(helper.socket) as client:
            await client.look(Scope(frozenset({stage.uid})))
            await asyncio.to_thread(stage.start, stage.copy("strange"), "60")
            told = await hear(client, Started, "strange")
            assert isinstance(told, Started)
            return told.program

    program = asyncio.run(follow())
    assert (program.uid, program.package) == (stage.uid, None)
    assert program.sha256 is not None


@pytest.mark.lab
def test_a_program_is_told_when_its_process_becomes_a_judged_user(helper: Helper, stage: Stage) -> None:
    python = stage.copy("late-python", PYTHON)

    async def follow() -> Program:
        async with connected(helper.socket) as client:
            await client.look(Scope(frozenset({stage.uid})))
            code = f"import os; os.setresuid(-1, {stage.uid}, -1); input()"
            await asyncio.to_thread(stage.launch, str(python), "-c", code, until="late-python")
            told = await hear(client, Started, "late-python")
            assert isinstance(told, Started)
            return told.program

    assert asyncio.run(follow()).uid == stage.uid


@pytest.mark.lab
def test_a_program_that_starts_a_hundred_times_is_not_told_a_hundred_times_but_again_after_a_look(
    helper: Helper, stage: Stage
) -> None:
    twin = stage.copy("twin")

    async def follow() -> list[int]:
        async with connected(helper.socket) as client:
            scope = Scope(frozenset({stage.uid}))
            heard = []
            for marker in ("first", "second"):
                await client.look(scope)
                await asyncio.to_thread(start_and_end, stage, twin, 100)
                await asyncio.to_thread(stage.start, stage.copy(marker), "60")
                heard.append((await names_until(client, marker)).count("twin"))
            return heard

    times_told = asyncio.run(follow())
    assert all(1 <= times < 10 for times in times_told), times_told  # in the middle of its start it has another name


def start_and_end(stage: Stage, program: Path, times: int) -> None:
    for _ in range(times):
        with subprocess.Popen([program, "60"], user=stage.uid) as process:
            wait_for(partial(runs, process.pid, program.name), "the program to run")
            process.kill()


async def names_until(client: LookClient, last: str) -> list[str]:
    """List the names of what starts, up to a program."""
    heard: list[str] = []
    async with asyncio.timeout(10), aclosing(client.events()) as events:
        async for pushed in events:
            heard += [Path(pushed.program.path).name] if isinstance(pushed, Started) else []
            if last in heard:
                break
    return heard


@pytest.mark.lab
def test_in_a_storm_of_starts_a_new_program_is_told_all_the_same(helper: Helper, stage: Stage) -> None:
    strange = stage.copy("strange")

    async def follow() -> str:
        async with connected(helper.socket) as client:
            await client.look(Scope(frozenset({stage.uid})))
            storm = asyncio.create_task(asyncio.to_thread(start_many, 400))
            await asyncio.to_thread(stage.start, strange, "60")
            told = await hear(client, Started, "strange")
            await storm
            await asyncio.to_thread(stage.start, stage.copy("after"), "60")
            assert isinstance(await hear(client, Started, "after"), Started)
            assert isinstance(told, Started)
            return told.program.path

    assert asyncio.run(follow()) == str(strange)


@pytest.mark.lab
def test_hashes_of_the_systems_programs_outlive_the_helper(tmp_path: Path, stage: Stage) -> None:
    cache = tmp_path / "cache"
    stage.start(SLEEP, "60")

    async def look(path: Path) -> None:
        async with connected(path) as client:
            await client.look(Scope(frozenset({stage.uid}), hash="all"))

    for _ in range(2):
        with serving(tmp_path, "--cache", str(cache)) as helper:
            asyncio.run(look(helper.socket))
        state = examine(SLEEP.encode())
        assert state is not None
        assert read_hashes(cache)[state] == sha256(Path(SLEEP).read_bytes()).hexdigest()


@pytest.mark.lab
def test_a_cache_that_cannot_be_written_is_told_and_the_helper_serves_on(tmp_path: Path, stage: Stage) -> None:
    stage.start(SLEEP, "60")

    async def look(path: Path) -> None:
        async with connected(path) as client:
            await client.look(Scope(frozenset({stage.uid}), hash="all"))
            client.rest()
            await client.look(Scope(frozenset()))

    with serving(tmp_path, "--cache", str(tmp_path / "none" / "cache")) as helper:
        asyncio.run(look(helper.socket))
        assert is_served(helper.socket)
        assert helper.process.stderr is not None
        assert "serving" in helper.process.stderr.readline()
        assert helper.process.stderr.readline() == (
            "sekisho-look: the cache cannot be written (No such file or directory).\n"
        )


@pytest.mark.lab
def test_the_same_process_that_runs_another_script_is_told_anew(helper: Helper, stage: Stage) -> None:
    second = stage.folder / "second.sh"
    second.write_text("read x")
    first = stage.folder / "first.sh"
    first.write_text(f"read x; exec /usr/bin/dash {second}")

    async def follow() -> tuple[str | None, ...]:
        async with connected(helper.socket) as client:
            scope = Scope(frozenset({stage.uid}))
            await client.look(scope)
            process = await asyncio.to_thread(stage.begin, "/usr/bin/dash", first)
            assert process.stdin is not None
            await script_heard(client, first)
            process.stdin.write(b"go on\n")
            process.stdin.flush()
            await script_heard(client, second)
            looked = await look_at_programs(client, scope)
            assert isinstance(looked, Observed)
            return tuple(script.path for program in looked.value.running for script in program.scripts)

    assert asyncio.run(follow()) == (str(second),)


async def script_heard(client: LookClient, script: Path) -> None:
    while True:
        told = await hear(client, Started, "/dash")
        if isinstance(told, Started) and [one.path for one in told.program.scripts] == [str(script)]:
            return


@pytest.mark.lab
def test_programs_that_ended_too_soon_are_counted_not_forgotten(helper: Helper, stage: Stage) -> None:
    pause = 50

    async def follow() -> tuple[int, int]:
        async with connected(helper.socket) as client:
            await client.look(Scope(frozenset({stage.uid})))
            os.kill(helper.process.pid, signal.SIGSTOP)
            for _ in range(pause):
                subprocess.run([TRUE], user=stage.uid)
            os.kill(helper.process.pid, signal.SIGCONT)
            vanished = unreadable = 0
            while vanished < pause:  # what others of this machine missed may be told first
                told = await hear(client, Missed)
                assert isinstance(told, Missed)
                vanished, unreadable = vanished + told.vanished, unreadable + told.unreadable
            return vanished, unreadable

    vanished, unreadable = asyncio.run(follow())
    assert vanished >= pause
    assert unreadable == 0


@pytest.mark.lab
def test_events_that_the_kernel_dropped_lead_to_a_whole_new_look(stage: Stage, tmp_path: Path) -> None:
    async def follow(probe: ProgramProbe, events: ExecEvents, listener: socket.socket) -> LookedAgain:
        stop = asyncio.Event()
        host = asyncio.create_task(
            Host(probe, SlowLooks({}, time.monotonic), events, frozenset({os.getuid()})).serve(listener, stop)
        )
        async with connected(tmp_path / "own.sock") as client:
            await client.look(Scope(frozenset({stage.uid})))
            stage.start(stage.copy("unheard"), "60")
            told: object = None
            while "unheard" not in names(told):  # the first new look may have been made before it started
                for _ in range(40):
                    subprocess.run([TRUE])
                told = await hear(client, LookedAgain)
        stop.set()
        assert await host is None
        assert isinstance(told, LookedAgain)
        return told

    with contextlib.ExitStack() as undo:
        probe = ProgramProbe(Packages(Path("/"), time.time), Digests(time.time_ns), time.monotonic, Path("/proc"))
        undo.callback(probe.close)
        events = ExecEvents.open()
        undo.callback(events.close)
        with socket.socket(fileno=os.dup(events.fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        listener = undo.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(str(tmp_path / "own.sock"))
        listener.listen()
        programs = asyncio.run(follow(probe, events, listener)).programs
    assert isinstance(programs, Observed)
    assert [Path(program.path).name for program in programs.value.running] == ["unheard"]


def names(told: object) -> list[str]:
    if not isinstance(told, LookedAgain) or not isinstance(told.programs, Observed):
        return []
    return [Path(program.path).name for program in told.programs.value.running]


@pytest.mark.lab
def test_a_helper_outside_the_root_network_namespace_looks_and_says_that_it_is_blind(
    stage: Stage, tmp_path: Path
) -> None:
    async def look() -> tuple[str | None, int]:
        async with connected(tmp_path / "look.sock") as client:
            observed = await look_at_programs(client, Scope(frozenset({stage.uid})))
            assert isinstance(observed, Observed)
            return client.blind, len(observed.value.running)

    stage.start(SLEEP, "60")
    with serving(tmp_path, enter=(UNSHARE, "--net")):
        assert asyncio.run(look()) == ("the kernel answers only in the root network namespace", 1)


@pytest.mark.lab
def test_another_user_is_refused_unless_allowed(tmp_path: Path) -> None:
    allowed, other = new_uid(), new_uid()
    with staged(tmp_path), serving(tmp_path, "--user", str(allowed)) as helper:
        assert b'"ready"' in first_line(helper, allowed)
        assert first_line(helper, other) == encode(Refusal(f"user {other} may not use the look helper"))


@pytest.mark.lab
@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"garbage\n", "not JSON"),
        (b'{"look":{}}\n', "missing"),
        (SAID.replace(b"unowned", b"md5"), "unknown value"),
        (SAID.replace(b"[0]", b"[-1]"), "whole number"),
        (SAID.replace(b"programs", b"weather"), "unknown value"),
        (b"x" * (LONGEST_REQUEST + 2), "longer than"),
    ],
)
def test_what_is_not_understood_is_refused_and_the_next_client_served(helper: Helper, said: bytes, why: str) -> None:
    with raw(helper) as (connection, lines):
        lines.readline()
        connection.sendall(said)
        refusal = json.loads(lines.readline())
        assert why in refusal["refused"]["why"]
        assert lines.readline() == b""
    with raw(helper) as (_, lines):
        assert lines.readline() == encode(Ready(None))


@pytest.mark.lab
def test_a_client_that_hangs_up_in_the_middle_disturbs_nobody(helper: Helper) -> None:
    for said in (b"", b'{"look":', SAID):
        with raw(helper) as (connection, _):
            connection.sendall(said)
    with raw(helper) as (_, lines):
        assert lines.readline() == encode(Ready(None))


@pytest.mark.lab
def test_more_clients_than_there_are_daemons_are_refused(helper: Helper) -> None:
    with contextlib.ExitStack() as open_clients:
        for _ in range(4):
            _, lines = open_clients.enter_context(raw(helper))
            assert lines.readline() == encode(Ready(None))
        with raw(helper) as (_, lines):
            assert lines.readline() == encode(Refusal("the look helper already serves 4 clients"))


@pytest.mark.lab
def test_a_second_helper_is_refused_and_the_first_serves_on(helper: Helper) -> None:
    second = subprocess.run([*LOOK, "--socket", str(helper.socket)], capture_output=True, text=True)
    assert (second.returncode, second.stderr) == (
        1,
        f"sekisho-look: another sekisho-look already serves {helper.socket}.\n",
    )
    with raw(helper) as (_, lines):
        assert lines.readline() == encode(Ready(None))


@pytest.mark.lab
def test_what_a_killed_helper_left_is_replaced(tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        first.process.kill()
        first.process.wait()
        assert first.socket.exists()
        with serving(tmp_path) as second:
            wait_for(lambda: is_served(second.socket), "the second helper")


@pytest.mark.lab
def test_asked_to_end_it_removes_its_socket_and_ends_well(helper: Helper) -> None:
    with raw(helper) as (_, lines):
        lines.readline()
        helper.process.terminate()
        assert lines.readline() == b""
        assert helper.process.wait(timeout=10) == 0
    assert not helper.socket.exists()


@pytest.mark.lab
def test_it_keeps_three_rights_and_can_gain_none(helper: Helper) -> None:
    with raw(helper) as (_, lines):
        lines.readline()
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{helper.process.pid}/status").read_text().splitlines())
    rights = f"{1 << 2 | 1 << 12 | 1 << 19:016x}"
    assert (status["CapPrm"], status["CapEff"]) == (rights, rights)
    assert (status["CapInh"], status["CapBnd"], status["CapAmb"]) == ("0" * 16, "0" * 16, "0" * 16)
    assert status["NoNewPrivs"] == "1"


@pytest.mark.lab
def test_it_loads_neither_the_daemons_libraries_nor_much_memory(helper: Helper) -> None:
    with raw(helper) as (connection, lines):
        connection.sendall(SAID)
        lines.readline()
        lines.readline()
    code = "import sys, agent.probes.look; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {"pyroute2", "pydantic", "dbus_fast", "cryptography", "yaml", "psutil"}.isdisjoint(loaded)
    pages = int(Path(f"/proc/{helper.process.pid}/statm").read_text().split()[1])
    assert pages * os.sysconf("SC_PAGE_SIZE") < 60 << 20


@pytest.mark.lab
def test_without_its_rights_it_says_which_it_lacks(tmp_path: Path) -> None:
    powerless = ("/usr/bin/setpriv", "--bounding-set=-all", "--inh-caps=-all")
    argv = (*powerless, *LOOK, "--socket", str(tmp_path / "look.sock"))
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == (
        "sekisho-look: it lacks the right CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE; "
        "start it as root or by its systemd unit.\n"
    )


@pytest.mark.lab
def test_a_socket_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "none" / "look.sock"
    done = subprocess.run([*LOOK, "--socket", str(path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr == f"sekisho-look: the socket's lock {path}.lock cannot be opened (No such file or directory).\n"


@pytest.mark.lab
def test_once_prints_what_is_seen(stage: Stage) -> None:
    pid = stage.start(stage.copy("strange"), "60")
    done = subprocess.run([*LOOK, "--once", "--uid", str(stage.uid)], capture_output=True, text=True, check=True)
    assert [program["pid"] for program in json.loads(done.stdout)["programs"]["value"]["running"]] == [pid]


def test_once_answers_for_each_fact_that_is_asked_for() -> None:
    done = subprocess.run([*LOOK, "--once", "--fact", "clock", "--fact", "boot"], capture_output=True, text=True)
    assert sorted(json.loads(done.stdout)) == ["boot", "clock"]


def test_wrong_usage_is_told() -> None:
    for wrong in (
        ["--once", "--fact", "weather"],
        [],
        ["--once", "--uid", "nobody-has-this-name"],
        ["--once", "--socket", "x"],
    ):
        assert subprocess.run([*LOOK, *wrong], capture_output=True).returncode == 2
    assert "--socket PATH" in subprocess.run([*LOOK, "--help"], capture_output=True, text=True).stdout


@pytest.mark.lab
def test_looks_at_the_same_time_each_get_their_answer_and_one_may_be_given_up(helper: Helper, stage: Stage) -> None:
    stage.start(SLEEP, "60")

    async def look() -> list[int]:
        async with connected(helper.socket) as client:
            given_up = asyncio.create_task(client.look(Scope(frozenset({stage.uid + 1}))))
            await asyncio.sleep(0)
            given_up.cancel()
            scopes = [Scope(frozenset({uid})) for uid in (stage.uid, stage.uid + 1, stage.uid)]
            looks = await asyncio.gather(*(look_at_programs(client, scope) for scope in scopes))
            return [len(look.value.running) for look in looks if isinstance(look, Observed)]

    assert asyncio.run(look()) == [1, 0, 1]


@pytest.mark.lab
def test_a_helper_that_is_killed_is_lost_to_whoever_listens_and_asks(helper: Helper) -> None:
    async def follow() -> None:
        async with connected(helper.socket) as client:
            helper.process.kill()
            with pytest.raises(LookLost, match="the look helper hung up"):
                await anext(client.events())
            with pytest.raises(LookLost, match="the look helper hung up"):
                await client.look(Scope(frozenset()))

    asyncio.run(follow())


@pytest.mark.lab
def test_a_helper_that_nobody_asks_to_watch_does_nothing_when_programs_start(helper: Helper) -> None:
    async def follow() -> tuple[int, int]:
        async with connected(helper.socket) as client:
            await client.look(Scope(frozenset({0})))
            client.rest()
            assert await client.look(Scope(frozenset())) is not None
            before = switches(helper)
            await asyncio.to_thread(start_many, 200)
            return before, switches(helper)

    before, after = asyncio.run(follow())
    assert after - before < 20


@pytest.mark.lab
def test_a_helper_that_rested_tells_what_starts_from_the_next_look_on_and_nothing_from_before(
    helper: Helper, stage: Stage
) -> None:
    scope = Scope(frozenset({stage.uid}))

    async def follow() -> tuple[list[str], list[str]]:
        async with connected(helper.socket) as client:
            await client.look(scope)
            client.rest()
            await client.look(Scope(frozenset()))
            await asyncio.to_thread(stage.start, stage.copy("meanwhile"), "60")
            looked = await look_at_programs(client, scope)
            assert isinstance(looked, Observed)
            await asyncio.to_thread(stage.start, stage.copy("later"), "60")
            heard = []
            async with asyncio.timeout(10), aclosing(client.events()) as events:
                async for pushed in events:
                    heard += [Path(pushed.program.path).name] if isinstance(pushed, Started) else []
                    if "later" in heard:
                        break
            return [Path(program.path).name for program in looked.value.running], heard

    seen, heard = asyncio.run(follow())
    assert seen == ["meanwhile"]
    assert {"later"} <= set(heard) <= {"later", "setpriv"}


@pytest.mark.lab
def test_one_client_that_rests_does_not_deafen_another_and_one_that_goes_lets_the_helper_rest(
    helper: Helper, stage: Stage
) -> None:
    async def follow() -> int:
        async with connected(helper.socket) as resting:
            async with connected(helper.socket) as watching:
                await resting.look(Scope(frozenset({0})))
                await watching.look(Scope(frozenset({stage.uid})))
                resting.rest()
                await asyncio.to_thread(stage.start, stage.copy("strange"), "60")
                await hear(watching, Started, "strange")
            await resting.look(Scope(frozenset()))
            before = switches(helper)
            await asyncio.to_thread(start_many, 200)
            return switches(helper) - before

    assert asyncio.run(follow()) < 20


def start_many(programs: int) -> None:
    for _ in range(programs):
        subprocess.run([TRUE])


def switches(helper: Helper) -> int:
    """Count how often the helper went to sleep: once for each thing that woke it."""
    status = Path(f"/proc/{helper.process.pid}/status").read_text()
    return int(status.partition("\nvoluntary_ctxt_switches:\t")[2].split()[0])


@pytest.mark.lab
def test_to_rest_never_raises_even_when_the_helper_is_gone(helper: Helper) -> None:
    async def follow() -> None:
        async with connected(helper.socket) as client:
            client.rest()
            await client.look(Scope(frozenset({0})))
            helper.process.kill()
            client.rest()
            with pytest.raises(LookLost):
                async for _ in client.events():
                    pass
            client.rest()

    asyncio.run(follow())


@pytest.mark.lab
def test_another_users_program_on_the_socket_is_no_helper(tmp_path: Path) -> None:
    stranger = new_uid()
    path = tmp_path / "look.sock"
    code = f"import socket,sys; s=socket.socket(1); s.bind({str(path)!r}); s.listen(); c,_=s.accept(); "
    code += f"c.sendall({encode(Ready(None))!r}); sys.stdin.read()"
    tmp_path.chmod(0o777)
    with staged(tmp_path) as stage:
        stage.launch(*as_user(stranger, PYTHON, "-c", code), until=lambda _: path.exists())
        wait_for(lambda: is_listening(path), "the stand-in to listen")
        with pytest.raises(LookLost, match=f"user {stranger} answers in the look helper's place"):
            asyncio.run(LookClient.connect(path))


@pytest.mark.lab
def test_a_helper_that_runs_as_a_configured_user_is_believed(tmp_path: Path) -> None:
    own = new_uid()
    path = tmp_path / "look.sock"
    code = f"import socket,sys; s=socket.socket(1); s.bind({str(path)!r}); s.listen(); c,_=s.accept(); "
    code += f"c.sendall({encode(Ready('all is well'))!r}); sys.stdin.read()"
    tmp_path.chmod(0o777)

    async def meet() -> str | None:
        client = await LookClient.connect(path, helpers=frozenset({own}))
        await client.close()
        return client.blind

    with staged(tmp_path) as stage:
        stage.launch(*as_user(own, PYTHON, "-c", code), until=lambda _: path.exists())
        wait_for(lambda: is_listening(path), "the stand-in to listen")
        assert asyncio.run(meet()) == "all is well"


def is_listening(path: Path) -> bool:
    """Tell whether a socket listens, from the kernel's table, without connecting to it."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return any(line[-1] == str(path) and line[3] == "00010000" for line in lines)


def test_an_error_of_our_own_while_listening_is_a_loss_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = asyncio.Event()

    def fail(line: bytes) -> None:
        raise ZeroDivisionError

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Ready(None)))
        await reader.readline()
        writer.write(encode(Missed(1, 0, 0.0)))
        await reader.read()
        writer.close()
        left.set()

    async def listen() -> None:
        async with await asyncio.start_unix_server(speak, tmp_path / "look.sock"):
            try:
                async with connected(tmp_path / "look.sock") as client:
                    monkeypatch.setattr("agent.probes.client.decode", fail)
                    await client.look(Scope(frozenset({0})))
            finally:
                await left.wait()

    with pytest.raises(LookLost, match=r"an error of our own \(ZeroDivisionError\)"):
        asyncio.run(listen())


def test_a_helper_that_is_not_there_is_lost_with_its_reason(tmp_path: Path) -> None:
    with pytest.raises(LookLost, match=r"the look helper cannot be reached \(No such file or directory\)"):
        asyncio.run(LookClient.connect(tmp_path / "none"))


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (b"", "hung up"),
        (b"{}\n", "not understood"),
        (encode(Refusal("it is closed")), "it is closed"),
        (encode(Missed(1, 0, 0.0)), "did not greet"),
        (encode(Ready(None)) + encode(Ready(None)), "greeted twice"),
        (encode(Ready(None)) + encode(Looked({})), "answered what was not asked"),
        (encode(Ready(None)) + b"\xff\n", "not understood"),
        (encode(Ready(None)) + encode(Missed(1, 0, 0.0)) * 5_000, "faster than it is heard"),
        (encode(Ready(None)) + b"x" * (17 << 20), "a line longer than"),
    ],
)
def test_a_helper_that_says_what_it_should_not_is_lost(tmp_path: Path, says: bytes, why: str) -> None:
    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            writer.write(says)
            await writer.drain()
        writer.close()

    async def listen() -> None:
        async with await asyncio.start_unix_server(speak, tmp_path / "look.sock"):
            async with connected(tmp_path / "look.sock") as client:
                async with asyncio.timeout(10), aclosing(client.events()) as events:
                    async for _ in events:
                        pass

    with pytest.raises(LookLost, match=why):
        asyncio.run(listen())


@pytest.mark.parametrize("greets", [True, False])
def test_a_helper_that_never_answers_is_lost_in_time(tmp_path: Path, greets: bool) -> None:
    left = asyncio.Event()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode(Ready(None)) if greets else b"")
        await reader.read()
        writer.close()
        left.set()

    async def ask() -> None:
        async with await asyncio.start_unix_server(speak, tmp_path / "look.sock"):
            try:
                client = await LookClient.connect(tmp_path / "look.sock", seconds=0.2)
                await client.look(Scope(frozenset()), seconds=0.2)
            finally:
                await left.wait()

    with pytest.raises(LookLost, match="in time" if greets else "does not answer"):
        asyncio.run(ask())


@contextlib.contextmanager
def raw(helper: Helper) -> Iterator[tuple[socket.socket, BufferedReader]]:
    """Talk to the helper by hand."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(helper.socket))
        with connection.makefile("rb") as lines:
            yield connection, lines


def first_line(helper: Helper, uid: int) -> bytes:
    """Read the helper's first line as another user."""
    code = "import socket,sys; s=socket.socket(1); s.connect(sys.argv[1]); print(s.makefile().readline(), end='')"
    return subprocess.run(as_user(uid, PYTHON, "-c", code, str(helper.socket)), capture_output=True, timeout=10).stdout


def is_served(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return stat.S_ISSOCK(path.stat().st_mode) and connection.connect_ex(str(path)) == 0
