"""Where packages come from: apt's lists, packed in any way, and the order of versions."""

import asyncio
import bz2
import gzip
import lzma
import subprocess
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import lz4.frame  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.posture import policy
from agent.posture.facts import Observed, Origin, Package, Programs
from agent.probes.client import LookClient
from agent.probes.codec import Scope
from agent.probes.packages import Packages, apt_lists
from agent.probes.packages.apt_lists import Lists, Source, read_lists
from agent.probes.packages.dpkg import Installed
from agent.probes.packages.origins import Origins
from agent.probes.packages.versions import order
from tests.look_helper import serving
from tests.processes import staged
from tests.test_daemon_small import POLICY

MADE = 1_795_222_382.0  # Sat, 21 Nov 2026 00:53:02 UTC
DATE = "Sat, 21 Nov 2026 00:53:02 UTC"
DAY = 86_400.0
PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".lz4": lz4.frame.compress,
}
VIEWER = Installed("viewer", "2.0-1", "amd64", "40")


def offered(name: str = "viewer", version: str = "2.0-1", size: str = "40", architecture: str = "amd64") -> str:
    return (
        f"Package: {name}\nSource: x\nVersion: {version}\nInstalled-Size: {size}\nArchitecture: {architecture}\n"
        "Description: x\n Version: 9 forged\n\n"
    )


def write_list(
    root: Path, body: str, source: str = "host_debian_dists_stable", packing: str = "", release: str | None = None
) -> Path:
    folder = root / "var/lib/apt/lists"
    folder.mkdir(parents=True, exist_ok=True)
    told = f"Origin: Debian\nLabel: Debian\nSuite: stable\nDate: {DATE}\n" if release is None else release
    (folder / f"{source}_InRelease").write_text(f"-----BEGIN PGP SIGNED MESSAGE-----\n\n{told}SHA256:\n x 0 main\n")
    path = folder / f"{source}_main_binary-amd64_Packages{packing}"
    path.write_bytes(PACKERS[packing](body.encode()))
    return path


def describe(
    root: Path, installed: Installed = VIEWER, oldest: float | None = 30 * DAY, now: float = MADE + DAY
) -> Package:
    origins = Origins(root, lambda: now)
    origins.refresh((installed,))
    return origins.describe(installed, oldest)


@pytest.mark.parametrize("packing", PACKERS)
def test_a_version_that_a_source_offers_is_from_that_source(tmp_path: Path, packing: str) -> None:
    write_list(tmp_path, offered("other") + offered() + offered("viewer2"), packing=packing)
    assert describe(tmp_path) == Package("dpkg", "viewer", "2.0-1", Origin.EXACT, ("Debian",))


@pytest.mark.parametrize(
    ("body", "origin"),
    [
        (offered(version="2.0-2"), Origin.NAME_ONLY),
        (offered(version="1:1.0"), Origin.NAME_ONLY),
        (offered(version="1.9"), Origin.NONE),
        (offered(size="41"), Origin.NONE),
        (offered(architecture="i386"), Origin.NONE),
        (offered("viewer-data"), Origin.NONE),
        ("", Origin.NONE),
        ("no list at all", Origin.NONE),
    ],
)
def test_what_the_sources_do_not_offer_is_told_apart_from_what_they_have_newer(
    tmp_path: Path, body: str, origin: Origin
) -> None:
    write_list(tmp_path, body)
    assert describe(tmp_path).origin is origin


def test_every_source_of_a_version_is_named_and_no_other(tmp_path: Path) -> None:
    write_list(tmp_path, offered())
    write_list(tmp_path, offered(), "mirror_dists_x", release=f"Origin: Central Hospital\nDate: {DATE}\n")
    write_list(tmp_path, offered(version="3"), "vendor_dists_x", release=f"Origin: Vendor\nDate: {DATE}\n")
    assert describe(tmp_path).sources == ("Central Hospital", "Debian")


def test_the_release_file_of_a_list_is_the_one_with_the_longest_name(tmp_path: Path) -> None:
    write_list(tmp_path, "", "host_debian_dists_stable", release=f"Origin: Short\nDate: {DATE}\n")
    write_list(tmp_path, offered(), "host_debian_dists_stable_updates", release=f"Origin: Long\nDate: {DATE}\n")
    assert describe(tmp_path).sources == ("Long",)


def test_a_source_that_nobody_signed_may_call_itself_what_it_likes(tmp_path: Path) -> None:
    path = write_list(tmp_path, offered())
    signed = path.with_name("host_debian_dists_stable_InRelease")
    signed.rename(path.with_name("host_debian_dists_stable_Release"))
    assert describe(tmp_path) == Package("dpkg", "viewer", "2.0-1", Origin.EXACT, ())
    path.with_name("host_debian_dists_stable_Release.gpg").touch()
    assert describe(tmp_path).sources == ("Debian",)


@pytest.mark.parametrize(
    ("now", "version", "origin"),
    [
        (MADE + 29 * DAY, "1.0", Origin.NONE),
        (MADE + 31 * DAY, "1.0", Origin.LISTS_STALE),
        (MADE + 31 * DAY, "3.0", Origin.LISTS_STALE),
        (MADE + 31 * DAY, "2.0-1", Origin.EXACT),
        (MADE - 2 * DAY, "1.0", Origin.LISTS_STALE),
    ],
)
def test_old_lists_cannot_say_that_nobody_offers_a_package(
    tmp_path: Path, now: float, version: str, origin: Origin
) -> None:
    write_list(tmp_path, offered(version=version))
    assert describe(tmp_path, now=now).origin is origin


def test_the_newest_source_tells_how_old_the_lists_are(tmp_path: Path) -> None:
    write_list(tmp_path, "", release="Origin: Debian\nDate: Sat, 11 Jul 2026 10:16:37 UTC\n")
    write_list(tmp_path, "", "host_security", release=f"Origin: Debian\nDate: {DATE}\n")
    assert describe(tmp_path).origin is Origin.NONE


def test_without_lists_or_without_asking_the_origin_is_unchecked(tmp_path: Path) -> None:
    assert describe(tmp_path).origin is Origin.UNCHECKED
    write_list(tmp_path, offered())
    assert describe(tmp_path, oldest=None).origin is Origin.UNCHECKED
    assert Origins(tmp_path, lambda: MADE).describe(VIEWER, DAY).origin is Origin.UNCHECKED


@pytest.mark.parametrize("packing", [".gz", ".xz", ".bz2", ".lz4"])
@pytest.mark.parametrize("damage", [lambda raw: b"garbage" + raw, lambda raw: raw[: len(raw) // 2]])
def test_a_damaged_list_is_not_an_empty_one(tmp_path: Path, packing: str, damage: Callable[[bytes], bytes]) -> None:
    path = write_list(tmp_path, offered("other") * 5_000, packing=packing)
    path.write_bytes(damage(path.read_bytes()))
    assert describe(tmp_path).origin is Origin.UNCHECKED


def test_a_list_packed_in_a_way_we_do_not_know_is_not_an_empty_one(tmp_path: Path) -> None:
    path = write_list(tmp_path, offered())
    path.rename(path.with_name(path.name + ".zst"))
    assert describe(tmp_path).origin is Origin.UNCHECKED


def test_a_change_of_the_lists_and_a_new_package_are_noticed(tmp_path: Path) -> None:
    origins = Origins(tmp_path, lambda: MADE)
    origins.refresh((VIEWER,))
    assert origins.describe(VIEWER, DAY).origin is Origin.UNCHECKED
    write_list(tmp_path, offered() + offered("later"))
    origins.refresh((VIEWER,))
    assert origins.describe(VIEWER, DAY).origin is Origin.EXACT
    later = Installed("later", "2.0-1", "amd64", "")
    origins.refresh((VIEWER, later))
    assert origins.describe(later, DAY).origin is Origin.EXACT


def test_lists_are_not_read_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_list(tmp_path, offered())
    origins = Origins(tmp_path, lambda: MADE)
    origins.refresh((VIEWER,))
    monkeypatch.setattr(apt_lists, "_read_list", lambda *_: pytest.fail("read again"))
    origins.refresh((VIEWER,))


def test_a_long_list_is_streamed_and_only_what_is_asked_for_is_kept(tmp_path: Path) -> None:
    body = "".join(offered(f"package-{number}") for number in range(200_000))
    write_list(tmp_path, body, packing=".lz4")
    size = len(body)
    del body
    tracemalloc.start()
    lists = read_lists(tmp_path, {"package-777"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [len(offers) for offers in lists.offers.values()] == [1]
    assert peak < 8 << 20 < size


def test_a_list_without_an_end_of_its_paragraph_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apt_lists, "LONGEST_STANZA", 1_000)
    monkeypatch.setattr(apt_lists, "PIECE", 500)
    write_list(tmp_path, "Package: viewer\n" + " x\n" * 1_000)
    assert read_lists(tmp_path, {"viewer"}).unread == 1


@given(st.binary(max_size=400), st.sampled_from(sorted(PACKERS)))
def test_any_bytes_in_a_list_are_read_or_told(tmp_path_factory: pytest.TempPathFactory, raw: bytes, end: str) -> None:
    root = tmp_path_factory.mktemp("lists")
    write_list(root, "").with_name(f"a_Packages{end}").write_bytes(raw)
    assert read_lists(root, {"viewer"}).unread in (0, 1)


@given(st.text(max_size=80))
def test_any_release_file_is_read(tmp_path_factory: pytest.TempPathFactory, said: str) -> None:
    root = tmp_path_factory.mktemp("lists")
    write_list(root, "", release=f"Date: {said}\n".encode("utf-8", "replace").decode())
    (source,) = read_lists(root, ()).sources
    assert source.date is None or source.date > -1e12


def test_the_lists_of_this_machine_name_its_own_packages() -> None:
    asked = subprocess.run(
        ["/usr/bin/apt-cache", "madison", "coreutils"], capture_output=True, text=True, env={"LC_ALL": "C"}
    )
    versions = {line.split("|")[1].strip() for line in asked.stdout.splitlines() if "Packages" in line}
    offers = read_lists(Path("/"), {"coreutils"}).offers.get("coreutils", ())
    assert {offer.version for offer in offers} == versions


VERSION = st.from_regex(r"(?:[0-9]{1,2}:)?[0-9][A-Za-z0-9.+~]{0,6}(?:-[A-Za-z0-9.+~]{1,4})?", fullmatch=True)


@settings(max_examples=20)
@given(st.lists(st.tuples(VERSION, VERSION), min_size=8, max_size=8))
def test_versions_are_ordered_as_dpkg_orders_them(pairs: list[tuple[str, str]]) -> None:
    script = "\n".join(
        f"/usr/bin/dpkg --compare-versions '{left}' {relation} '{right}' && echo {place} {relation}"
        for place, (left, right) in enumerate(pairs)
        for relation in ("lt", "eq", "gt")
    )
    asked = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True)
    ours = [
        f"{place} {'lt' if order(left) < order(right) else 'gt' if order(left) > order(right) else 'eq'}"
        for place, (left, right) in enumerate(pairs)
    ]
    assert asked.stdout.split("\n")[:-1] == ours


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ("1.0~rc1", "1.0"),
        ("1.0", "1.0a"),
        ("1.0a", "1.0+b"),
        ("1.9", "1.10"),
        ("9" * 5_000, "1:1"),
        ("1.0-1", "1.0-1+b1"),
        ("1.0-1", "1.0-1.1"),
        ("1.0~~", "1.0~"),
        ("2.0-1~deb12u1", "2.0-1"),
    ],
)
def test_the_known_pitfalls_of_the_order(less: str, more: str) -> None:
    assert order(less) < order(more)
    assert not order(more) < order(less)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_has_a_place_in_the_order(left: str, right: str) -> None:
    assert (order(left) < order(right)) + (order(left) > order(right)) + (order(left) == order(right)) == 1


def test_nothing_is_newest_of_no_sources() -> None:
    assert Lists().newest is None
    assert Lists(sources=(Source(),)).newest is None


def test_a_policy_that_asks_for_origins_has_them_read_and_another_does_not() -> None:
    def asked(line: str) -> float | None:
        return policy.oldest_lists(policy.load(POLICY + line, "policy.yaml"))

    assert asked("") is None
    assert asked("apps: {approved: {lists: 7d}}\n") is None
    assert asked("apps: {approved: {origin: known}}\n") == 30 * DAY
    assert asked("apps: {approved: {sources: Central Hospital, lists: 7d}}\n") == 7 * DAY


@pytest.mark.lab
def test_the_first_look_that_asks_for_origins_tells_them(tmp_path: Path) -> None:
    packages = Packages(Path("/"), time.time)
    packages.refresh()
    packages.refresh_origins()

    async def look(socket: Path, scope: Scope) -> list[Package | None]:
        client = await LookClient.connect(socket)
        programs = (await client.look(scope))["programs"]
        await client.close()
        assert isinstance(programs, Observed)
        assert isinstance(programs.value, Programs)
        return [program.package for program in programs.value.running]

    with staged(tmp_path) as stage, serving(tmp_path) as helper:
        stage.start("/usr/bin/sleep", "60")
        scope = Scope(frozenset({stage.uid}), origins=30 * DAY)
        assert asyncio.run(look(helper.socket, scope)) == [packages.owner(b"/usr/bin/sleep", 30 * DAY)]
        (unasked,) = asyncio.run(look(helper.socket, replace(scope, origins=None)))
        assert unasked is not None
        assert unasked.origin is Origin.UNCHECKED


@pytest.mark.parametrize("date", ["Sat, 21 Nov 0000 00:53:02 UTC", "Sat, 21 Nuv 2026 00:53:02 UTC", "21 Nov 2026", ""])
def test_a_date_that_is_none_is_not_known(tmp_path: Path, date: str) -> None:
    write_list(tmp_path, offered(version="1"), release=f"Origin: Debian\nDate: {date}\n")
    assert read_lists(tmp_path, ()).newest is None
    assert describe(tmp_path).origin is Origin.LISTS_STALE
