"""Screen locks, logins without a password and empty passwords, by files as dconf, KDE and login screens write them."""

import os
import struct
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.posture.facts import Grade, Locking, Observed, Told, Unseen
from agent.probes.gvdb import HEADER, ITEM, GvdbError, Table, _hash
from agent.probes.locking import look_at_locking
from agent.probes.settings_files import merge, read_settings
from tests.made_machine import Machine

SCREENSAVER, SESSION = "org/gnome/desktop/screensaver", "org/gnome/desktop/session"
NOTHING_TOLD = (Told.UNTOLD, None)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture
def gnome(machine: Machine) -> Machine:
    machine.write("usr/bin/gnome-shell")
    machine.write("home/sato/.config/keep")
    return machine


def compiled(folder: Path, keys: str, locks: str = "") -> bytes:
    """Have dconf itself compile a database from a keyfile."""
    (folder / "db.d/locks").mkdir(parents=True)
    (folder / "db.d/keys").write_text(keys)
    (folder / "db.d/locks/locks").write_text(locks)
    subprocess.run(["/usr/bin/dconf", "compile", folder / "db", folder / "db.d"], check=True)
    return (folder / "db").read_bytes()


def user_sets(machine: Machine, tmp_path: Path, keys: str) -> None:
    machine.write("home/sato/.config/dconf/user", compiled(tmp_path / "user", keys))


def looked(machine: Machine, *uids: int) -> Locking:
    seen = look_at_locking(machine.root, machine.proc, lambda: 5.0, frozenset(uids or {1000}))
    assert isinstance(seen, Observed)
    assert (seen.grade, seen.at) == (Grade.HEURISTIC, 5.0)
    return seen.value


def screen(machine: Machine, *uids: int) -> tuple[Told, float | None]:
    found = looked(machine, *uids)
    return found.screen_locks, found.after


def test_gnome_without_settings_locks_as_it_usually_does(gnome: Machine):
    assert screen(gnome) == (Told.YES, 300.0)


@pytest.mark.parametrize(
    ("section", "line"),
    [
        ("org.gnome.desktop.session:GNOME", "idle-delay=0"),
        ("org.gnome.desktop.screensaver", "lock-enabled=false"),
        ("org.gnome.desktop.screensaver", "lock-delay=uint32 3600"),
    ],
)
def test_what_a_distribution_changed_of_gnomes_usual_settings_is_untold_until_somebody_sets_it(
    gnome: Machine, tmp_path: Path, section: str, line: str
):
    gnome.write("usr/share/glib-2.0/schemas/90_x.gschema.override", f"[{section}]\n{line}\n")
    gnome.write("usr/share/glib-2.0/schemas/91_y.gschema.override", "[org.gnome.desktop.session]\nsession-name='x'\n")
    assert screen(gnome) == NOTHING_TOLD
    keys = f"[{SCREENSAVER}]\nlock-enabled=true\nlock-delay=uint32 0\n[{SESSION}]\nidle-delay=uint32 600\n"
    user_sets(gnome, tmp_path, keys)
    assert screen(gnome) == (Told.YES, 600.0)


def test_gnome_locks_after_its_idle_time_and_its_delay(gnome: Machine, tmp_path: Path):
    user_sets(gnome, tmp_path, f"[{SCREENSAVER}]\nlock-delay=uint32 30\n[{SESSION}]\nidle-delay=uint32 600\n")
    assert screen(gnome) == (Told.YES, 630.0)


@pytest.mark.parametrize(
    "keys",
    [
        f"[{SCREENSAVER}]\nlock-enabled=false\n",
        f"[{SESSION}]\nidle-delay=uint32 0\n",
        "[org/gnome/desktop/lockdown]\ndisable-lock-screen=true\n",
    ],
)
def test_gnome_can_be_told_in_three_ways_never_to_lock(gnome: Machine, tmp_path: Path, keys: str):
    user_sets(gnome, tmp_path, keys)
    assert screen(gnome) == (Told.NO, None)


def test_a_value_of_the_wrong_type_sets_nothing_as_for_gnome_itself(gnome: Machine, tmp_path: Path):
    user_sets(gnome, tmp_path, f"[{SCREENSAVER}]\nlock-enabled='false'\n[{SESSION}]\nidle-delay=0\n")
    assert screen(gnome) == (Told.YES, 300.0)


def test_what_the_system_locks_overrides_what_the_user_set(gnome: Machine, tmp_path: Path):
    user_sets(gnome, tmp_path, f"[{SESSION}]\nidle-delay=uint32 0\n")
    gnome.write("etc/dconf/profile/user", "user-db:user  # his own\nsystem-db:local\nsystem-db:none\n")
    keys, lock = f"[{SESSION}]\nidle-delay=uint32 240\n", f"/{SESSION}/idle-delay\n"
    gnome.write("etc/dconf/db/local", compiled(tmp_path / "open", keys))
    assert screen(gnome) == (Told.NO, None)
    gnome.write("etc/dconf/db/local", compiled(tmp_path / "locked", keys, lock))
    assert screen(gnome) == (Told.YES, 240.0)


def test_a_database_that_is_damaged_is_untold(gnome: Machine, tmp_path: Path):
    gnome.write("home/sato/.config/dconf/user", b"GVariant" + bytes(8) + struct.pack("<II", 24, 1 << 30))
    assert screen(gnome) == NOTHING_TOLD
    user_sets(gnome, tmp_path, f"[{SESSION}]\nidle-delay=uint32 600\n")
    file = gnome.root / "home/sato/.config/dconf/user"
    item = next(place for place in range(0, file.stat().st_size, 4) if _is_value(file.read_bytes()[place:]))
    damaged = bytearray(file.read_bytes())
    damaged[item + 20 : item + 24] = struct.pack("<I", 1 << 30)
    file.write_bytes(damaged)
    assert screen(gnome) == NOTHING_TOLD


def _is_value(item: bytes) -> bool:
    """Find the entry of `idle-delay` by the length of its name and its type."""
    return item[12:15] == struct.pack("<Hc", len("idle-delay"), b"v")


def test_a_database_cannot_hide_a_setting_behind_more_than_is_read(gnome: Machine):
    key, value, fillers = b"/org/gnome/desktop/screensaver/lock-enabled", b"\0\0b", 5_000
    end = 36 + (fillers + 1) * ITEM.size
    filler = ITEM.pack(0, 0xFFFFFFFF, end, 1, b"v", end, end)
    item = ITEM.pack(_hash(key), 0xFFFFFFFF, end, len(key), b"v", end + len(key), end + len(key) + len(value))
    table = struct.pack("<III", 0, 1, 0) + fillers * filler + item
    gnome.write("home/sato/.config/dconf/user", b"GVariant" + HEADER.pack(0, 0, 24, end) + table + key + value)
    assert screen(gnome) == NOTHING_TOLD


def test_a_file_in_the_home_is_not_read_through_a_link_a_pipe_or_a_users_own_file_system(
    gnome: Machine, tmp_path: Path
):
    user_sets(gnome, tmp_path, f"[{SESSION}]\nidle-delay=uint32 600\n")
    config = gnome.root / "home/sato/.config"
    (config / "dconf").rename(config / "elsewhere")
    gnome.link("home/sato/.config/dconf", "home/sato/.config/elsewhere")
    assert screen(gnome) == NOTHING_TOLD
    (config / "dconf").unlink()
    (config / "dconf").mkdir()
    os.mkfifo(config / "dconf/user")
    assert screen(gnome) == NOTHING_TOLD
    (config / "dconf/user").unlink()
    assert screen(gnome) == (Told.YES, 300.0)
    gnome.mounted("/home/sato/.config", "0:99", "fuse.thing", "thing")
    assert screen(gnome) == NOTHING_TOLD


def test_an_endless_file_in_the_home_is_not_read(gnome: Machine):
    os.truncate(gnome.write("home/sato/.config/dconf/user"), 1 << 40)
    assert screen(gnome) == NOTHING_TOLD


def test_kde_locks_after_its_minutes_and_its_grace(machine: Machine):
    machine.write("usr/bin/plasmashell")
    machine.write("home/sato/keep")
    assert screen(machine) == (Told.YES, 305.0)
    machine.write("home/sato/.config/kscreenlockerrc", "[Daemon]\nTimeout=20\nLockGrace=0\n")
    assert screen(machine) == (Told.YES, 1200.0)
    machine.write("home/sato/.config/kscreenlockerrc", "[Daemon]\nAutolock=false\n")
    assert screen(machine) == (Told.NO, None)
    machine.write("etc/xdg/kscreenlockerrc", "[Daemon][$i]\nAutolock=true\nTimeout=10\n")
    assert screen(machine) == (Told.YES, 605.0)


def test_where_several_desktops_are_installed_the_weakest_counts(gnome: Machine):
    gnome.write("usr/bin/plasmashell")
    gnome.write("home/sato/.config/kscreenlockerrc", "[Daemon]\nTimeout=6\nLockGrace=0\n")
    assert screen(gnome) == (Told.YES, 360.0)
    gnome.write("home/sato/.config/kscreenlockerrc", "[Daemon]\nTimeout=0\n")
    assert screen(gnome) == (Told.NO, None)


def test_another_desktop_or_a_user_of_a_directory_service_is_untold(machine: Machine):
    assert screen(machine) == NOTHING_TOLD
    machine.write("usr/bin/gnome-shell")
    assert screen(machine, 4711) == NOTHING_TOLD
    assert screen(machine, 1000, 4711) == NOTHING_TOLD


def test_of_several_users_the_weakest_screen_counts(gnome: Machine, tmp_path: Path):
    accounts = (gnome.root / "etc/passwd").read_text()
    gnome.write("etc/passwd", f"{accounts}mori:x:1001:1001::/home/mori:/bin/bash\n")
    gnome.write("home/mori/keep")
    user_sets(gnome, tmp_path, f"[{SESSION}]\nidle-delay=uint32 900\n")
    assert screen(gnome, 1000, 1001) == (Told.YES, 900.0)


def test_an_account_without_a_password_is_named_only_where_it_is_judged(machine: Machine):
    machine.write("etc/passwd", "sato:x:1000:1000::/home/sato:/bin/bash\nmori:x:1001:1001::/home/mori:\n")
    machine.write("etc/shadow", "sato::19000:0:99999:7:::\nmori::19000:0:99999:7:::\n")
    assert looked(machine).empty_passwords == ("", "sato")
    assert looked(machine, 5).empty_passwords == ("",)


def test_locked_passwords_and_accounts_that_cannot_log_in_are_not_open(machine: Machine):
    names = {"a": ("x", "!", "bash"), "b": ("x", "", "nologin"), "c": ("x", "*", "sh"), "d": ("*", "", "sh")}
    passwd = [f"{name}:{field}:1:1::/:/usr/bin/{shell}" for name, (field, _, shell) in names.items()]
    machine.write("etc/passwd", "\n".join([*passwd, "e::2:2::/:/bin/sh", "broken:line", "f:x:-1:0::/:/bin/sh"]))
    machine.write("etc/shadow", "\n".join(f"{name}:{field}:::::::" for name, (_, field, _) in names.items()))
    assert looked(machine).empty_passwords == ("",)
    assert looked(machine, 2).empty_passwords == ("e",)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("etc/gdm3/daemon.conf", "[daemon]\nAutomaticLoginEnable = true\nAutomaticLogin = sato\n"),
        ("etc/gdm3/custom.conf", "[daemon]\nTimedLoginEnable=True\nTimedLogin=sato\n"),
        ("etc/lightdm/lightdm.conf.d/50-x.conf", "[Seat:*]\nautologin-user=sato\n"),
        ("etc/lightdm/lightdm.conf", "[SeatDefaults]\nautologin-user=sato\n"),
        ("etc/sddm.conf", "[Autologin]\nUser=sato\nSession=plasma\n"),
        ("usr/lib/sddm/sddm.conf.d/a.conf", "[Autologin]\nUser=sato\n"),
        (
            "etc/systemd/system/getty@tty1.service.d/auto.conf",
            "[Service]\nExecStart=\nExecStart=-/sbin/agetty --autologin sato --noclear %I $TERM\n",
        ),
    ],
)
def test_every_login_screen_can_log_somebody_in_by_itself(machine: Machine, path: str, content: str):
    machine.write(path, content)
    assert looked(machine).auto_login == ("sato",)
    assert looked(machine, 0).auto_login == ("",)


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("etc/gdm3/daemon.conf", "[daemon]\n#AutomaticLoginEnable = true\nAutomaticLogin = sato\n"),
        ("etc/gdm3/daemon.conf", "[security]\nAutomaticLoginEnable = true\nAutomaticLogin = sato\n"),
        ("etc/lightdm/lightdm.conf", "[Seat:*]\n# autologin-user=sato\nautologin-user=\n"),
        ("etc/systemd/system/getty@tty1.service", "[Service]\nExecStart=-/sbin/agetty -o '-- \\u' tty1\n"),
    ],
)
def test_a_line_that_is_off_logs_nobody_in(machine: Machine, path: str, content: str):
    machine.write(path, content)
    assert looked(machine).auto_login == ()


def test_without_a_list_of_accounts_nothing_is_claimed(machine: Machine):
    (machine.root / "etc/passwd").unlink()
    seen = look_at_locking(machine.root, machine.proc, lambda: 5.0, frozenset({1000}))
    why = "the accounts and their settings could not be read: there is no list of accounts"
    assert seen == Unseen(why, 5.0)


@pytest.mark.parametrize(
    "settings",
    [
        "Autolock[$e]=false",
        "Autolock[$ie]=false",
        "Autolock[ja]=false",
        "\\x41utolock=false",
        "Autolock=perhaps",
        "Autolock=f\\x61lse",
        "Timeout=\\x30",
        "LockGrace=-1",
        f"Timeout={'9' * 5000}",
        "[\\x44aemon]\nAutolock=false",
    ],
)
def test_what_only_kde_itself_understands_is_untold(machine: Machine, settings: str):
    machine.write("usr/bin/plasmashell")
    machine.write("home/sato/.config/kscreenlockerrc", f"[Daemon]\n{settings}\n")
    assert screen(machine) == NOTHING_TOLD


@pytest.mark.parametrize("section", ["[daemon]", "[Daemon][More]", "[Greeter][Wallpaper][org.kde.image][General]"])
def test_another_section_than_kdes_own_sets_nothing(machine: Machine, section: str):
    machine.write("usr/bin/plasmashell")
    settings = f"[Daemon] x\nAutolock=false\n{section}\nAutolock=true\nImage[$e]=file:///x\n"
    machine.write("home/sato/.config/kscreenlockerrc", settings)
    assert screen(machine) == (Told.NO, None)


@pytest.mark.parametrize("fixed", ["[Daemon][$i]\nTimeout=10", "[$i]\n[Daemon]\nTimeout=10"])
def test_a_section_that_the_system_fixes_is_the_systems_alone(machine: Machine, fixed: str):
    machine.write("usr/bin/plasmashell")
    machine.write("home/sato/.config/kscreenlockerrc", "[Daemon]\nAutolock=false\nTimeout=90\n")
    machine.write("etc/xdg/kscreenlockerrc", fixed)
    assert screen(machine) == (Told.YES, 605.0)


def test_a_layer_keeps_what_it_fixes():
    below, above = read_settings(b"[a]\nx[$i]=1\ny=1\n"), read_settings(b"[a]\nx=2\ny=2\n")
    assert {key: setting.value for key, setting in merge([below, above]).items()} == {("a", "x"): "1", ("a", "y"): "2"}
    assert merge([read_settings(b"[$i]\n[a]\nx=1\n"), above])["a", "x"].value == "1"


@given(st.binary(max_size=300))
def test_any_bytes_are_settings_or_nothing(content: bytes):
    for names, setting in read_settings(content).items():
        assert "\n" not in "".join((*names, setting.value))


@pytest.fixture(scope="session")
def database(tmp_path_factory) -> bytes:
    keys = f"[{SCREENSAVER}]\nlock-enabled=false\nlock-delay=uint32 7\n[ü/long]\nname='{'x' * 500}'\n"
    return compiled(tmp_path_factory.mktemp("dconf"), keys, f"/{SCREENSAVER}/lock-enabled\n")


def test_a_database_of_dconfs_own_is_read(database: bytes):
    table = Table.root(database)
    assert table.truth(f"/{SCREENSAVER}/lock-enabled") is False
    assert table.number(f"/{SCREENSAVER}/lock-delay") == 7
    assert (table.has("/ü/long/name"), table.has("/ü/long"), table.has("")) == (True, False, False)
    locks = table.table(".locks")
    assert locks is not None
    assert (locks.has(f"/{SCREENSAVER}/lock-enabled"), locks.has(f"/{SCREENSAVER}/lock-delay")) == (True, False)


@given(st.data())
def test_a_damaged_database_is_an_error_or_another_answer_but_never_a_crash(database: bytes, data: st.DataObject):
    damaged = bytearray(database[: data.draw(st.integers(0, len(database)))])
    for _ in range(data.draw(st.integers(0, 8))):
        if damaged:
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(GvdbError):
        table = Table.root(bytes(damaged))
        assert isinstance(table.number(f"/{SCREENSAVER}/lock-delay"), int | None)
        locks = table.table(".locks")
        assert locks is None or locks.has(f"/{SCREENSAVER}/lock-enabled") in (True, False)
