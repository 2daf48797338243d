"""The policy in force: layers and signatures, a serial that only grows, and the last good one that stays."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent import events
from agent.daemon.policies import LARGEST_TOGETHER, Policies
from agent.daemon.policy_file import MOST_FILES, Places, check_policy
from agent.daemon.records import Records
from agent.posture.policy import Policy
from agent.posture.policy.signing import signature_of
from agent.problems import Problem
from ike.crypto.detached import SigningKey
from tests.test_daemon_small import POLICY

KEY, OTHER = SigningKey.of(b"1" * 32), SigningKey.of(b"2" * 32)
NOW = 1_800_000_000.0
LATER = "not_before: 2030-01-01T00:00:00Z\n"


def numbered(serial: int, more: str = "") -> str:
    return POLICY.replace("serial: 1", f"serial: {serial}") + more


class Laptop:
    """A laptop's policy folders; each `boot` is a new start of the daemon on what is on the disk by then."""

    def __init__(self, folder: Path) -> None:
        self.places = Places(folder / "usr", folder / "policy.yaml", folder / "etc", folder / "keys")
        self.state = folder / "state.json"
        self.log = folder / "events.jsonl"
        self.wall = NOW
        for place in (self.places.vendor, self.places.local, self.places.keys):
            place.mkdir()

    def put(self, text: str, key: SigningKey | None = None, path: Path | None = None) -> Path:
        """Deploy a policy, by default as the single file; with a key, signed."""
        path = path or self.places.file
        path.write_text(text)
        path.chmod(0o644)
        signature = path.with_name(f"{path.name}.sig")
        signature.unlink(missing_ok=True)
        if key is not None:
            signature.write_bytes(signature_of(text.encode(), key))
        return path

    def trust(self, *keys: SigningKey) -> None:
        for path in self.places.keys.iterdir():
            path.unlink()
        for number, key in enumerate(keys):
            (self.places.keys / f"{number}.pem").write_bytes(key.public.pem)

    def boot(self) -> Policies:
        return Policies(self.places, self.state, Records(self.log, lambda: self.wall), lambda: self.wall)

    def start(self) -> Policy | Problem:
        return self.boot().start()

    def started(self) -> tuple[Policies, Policy]:
        policies = self.boot()
        policy = policies.start()
        assert isinstance(policy, Policy), policy
        return policies, policy

    @property
    def recorded(self) -> list[tuple[object, object]]:
        """What was recorded of policies: the serial of each that was accepted, why another was refused."""
        lines: list[Mapping[str, object]] = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [(line["event"], line.get("serial", line.get("why"))) for line in lines]


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    return Laptop(tmp_path)


def code(answer: Policy | Problem) -> str:
    assert isinstance(answer, Problem)
    return answer.code


def served(serial: int, more: str = "", key: SigningKey = KEY) -> tuple[bytes, bytes, str]:
    text = numbered(serial, more).encode()
    return text, signature_of(text, key), "https://policy.hospital.test/"


ACCEPTED, REFUSED = events.PolicyAccepted.name, events.PolicyRefused.name


def test_without_keys_a_file_of_roots_is_believed_and_said_to_be_unsigned(laptop: Laptop, caplog):
    laptop.put(POLICY)
    with caplog.at_level("INFO"):
        _, policy = laptop.started()
    assert (policy.serial, "unsigned" in caplog.text) == (1, True)
    assert json.loads(laptop.log.read_text())["signed"] is False


def test_the_layers_lie_over_each_other(laptop: Laptop):
    laptop.put("wifi: {at_least: wpa3}\nlanguage: en", path=laptop.places.vendor / "10-base.yaml")
    laptop.put(POLICY)
    laptop.put("language: ja", path=laptop.places.local / "b.yaml")
    laptop.put("language: en", path=laptop.places.local / "a.yaml")
    laptop.put("serial: [", path=laptop.places.local / ".hidden.yaml")
    laptop.put("serial: [", path=laptop.places.local / "notes.txt")
    _, policy = laptop.started()
    assert (policy.language, policy.wifi.at_least) == ("ja", "wpa3")


def test_nothing_anywhere_is_a_policy_that_is_missing_and_nothing_is_brought_back(laptop: Laptop):
    assert code(laptop.start()) == "policy.missing"
    laptop.put(POLICY)
    laptop.started()
    laptop.places.file.unlink()
    assert code(laptop.start()) == "policy.missing"


def test_with_a_key_the_hospitals_layer_must_be_signed_and_the_vendors_need_not(laptop: Laptop):
    laptop.trust(OTHER, KEY)
    laptop.put("language: en", path=laptop.places.vendor / "base.yaml")
    laptop.put(POLICY)
    assert code(laptop.start()) == "policy.unsigned"
    laptop.put(POLICY, KEY)
    _, policy = laptop.started()
    assert policy.serial == 1
    laptop.put("language: en", path=laptop.places.local / "more.yaml")
    assert laptop.boot().start() == policy
    assert laptop.recorded == [(REFUSED, "unsigned"), (ACCEPTED, 1), (REFUSED, "unsigned"), (ACCEPTED, 1)]


def test_a_key_that_cannot_be_used_demands_signatures_all_the_same(laptop: Laptop):
    laptop.put(POLICY)
    (laptop.places.keys / "broken.pem").write_text("no key")
    assert code(laptop.start()) == "policy.unsigned"


def test_a_key_that_cannot_be_used_takes_no_good_one_with_it(laptop: Laptop, caplog):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    (laptop.places.keys / "broken.pem").write_text("no key")
    (laptop.places.keys / "open.pem").write_bytes(OTHER.public.pem)
    (laptop.places.keys / "open.pem").chmod(0o666)
    policies, policy = laptop.started()
    assert (policy.serial, policies.warnings) == (1, ())
    assert f"{laptop.places.keys / 'broken.pem'}: it holds no public key in PEM" in caplog.text
    assert f"{laptop.places.keys / 'open.pem'} can be changed by other users" in caplog.text
    assert code(policies.accept(*served(2, key=OTHER))) == "policy.unsigned"


def test_keys_behind_a_link_to_nothing_demand_signatures_all_the_same(laptop: Laptop):
    laptop.put(POLICY)
    laptop.places.keys.rmdir()
    laptop.places.keys.symlink_to(laptop.places.keys.with_name("not-mounted"))
    assert code(laptop.start()) == "policy.unsigned"


def test_a_policy_behind_a_link_to_nothing_is_told_and_not_taken_for_none(laptop: Laptop):
    laptop.put(POLICY, path=laptop.places.vendor / "base.yaml")
    laptop.places.file.symlink_to(laptop.places.file.with_name("not-mounted"))
    assert code(laptop.start()) == "policy.invalid"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text, signature: (text, None),
        lambda text, signature: (text, signature[:-20]),
        lambda text, signature: (text[:-1], signature),
        lambda text, signature: (text + b"\n", signature),
        lambda text, signature: (text, signature_of(text, OTHER)),
        lambda text, signature: (text, b""),
        lambda text, signature: (b"", signature),
    ],
)
def test_a_policy_of_the_server_that_is_not_signed_by_a_trusted_key_changes_nothing(laptop: Laptop, spoil):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    policies, before = laptop.started()
    text, signature, where = served(2)
    assert code(policies.accept(*spoil(text, signature), where)) == "policy.unsigned"
    assert [warning.code for warning in policies.warnings] == ["policy.kept"]
    assert policies.start() == before
    assert laptop.recorded == [(ACCEPTED, 1), (REFUSED, "unsigned")]


def test_where_no_key_is_trusted_nothing_of_a_server_is_believed(laptop: Laptop):
    laptop.put(POLICY)
    policies, _ = laptop.started()
    assert code(policies.accept(*served(2))) == "policy.unsigned"


def test_a_policy_of_the_server_lies_over_all_others_and_outlives_the_daemon(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    policies, _ = laptop.started()
    accepted = policies.accept(*served(2, "language: en\n"))
    assert isinstance(accepted, Policy)
    assert (accepted.serial, accepted.language, policies.warnings) == (2, "en", ())
    assert laptop.start() == accepted


def test_the_same_policy_again_is_no_news(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    policies, _ = laptop.started()
    assert policies.accept(*served(2)) is policies.accept(*served(2))
    assert laptop.recorded == [(ACCEPTED, 1), (ACCEPTED, 2)]


def test_an_older_serial_or_other_bytes_under_the_same_one_are_refused_also_after_a_restart(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    policies, _ = laptop.started()
    five = policies.accept(*served(5))
    for restarted in (policies, laptop.started()[0]):
        assert code(restarted.accept(*served(4))) == "policy.older"
        assert code(restarted.accept(*served(5, "language: en\n"))) == "policy.older"
    assert laptop.start() == five
    assert (REFUSED, "older") in laptop.recorded


def test_a_signed_file_of_the_machine_cannot_be_sent_back_as_the_servers(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(numbered(3), KEY)
    policies, _ = laptop.started()
    for serial in (2, 3):
        assert code(policies.accept(*served(serial))) == "policy.older"
    assert isinstance(policies.accept(*served(4)), Policy)


def test_a_newer_file_of_the_machine_below_the_servers_is_taken(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    assert isinstance(laptop.started()[0].accept(*served(2)), Policy)
    laptop.put(numbered(5, "wifi: {at_least: wpa3}\n"), KEY)
    policies, policy = laptop.started()
    assert (policy.serial, policy.wifi.at_least, policies.warnings) == (2, "wpa3", ())


def test_trouble_on_the_machine_stays_told_while_the_server_is_heard(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    laptop.started()
    laptop.put("serial: [", KEY)
    policies, _ = laptop.started()
    assert code(policies.accept(*served(2, key=OTHER))) == "policy.unsigned"
    assert len(policies.warnings) == 2
    assert isinstance(policies.accept(*served(2)), Policy)
    assert len(policies.warnings) == 1


def test_a_server_cannot_leave_its_serial_to_another_layer(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    policies, _ = laptop.started()
    text = b"language: en"
    assert code(policies.accept(text, signature_of(text, KEY), "https://policy.test/")) == "policy.invalid"


def test_a_signed_file_on_the_machine_only_grows_too(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(numbered(3), KEY)
    _, three = laptop.started()
    for older in (numbered(2), numbered(3, "language: en\n")):
        laptop.put(older, KEY)
        policies, kept = laptop.started()
        assert kept == three
        assert [warning.code for warning in policies.warnings] == ["policy.kept"]
    laptop.put(numbered(4, "language: en\n"), KEY)
    policies, four = laptop.started()
    assert (four.serial, policies.warnings) == (4, ())


def test_an_unsigned_file_of_roots_has_no_history(laptop: Laptop):
    laptop.put(numbered(3))
    laptop.started()
    laptop.put(numbered(2))
    assert laptop.started()[1].serial == 2


def test_a_policy_for_later_is_refused_until_then(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    policies, _ = laptop.started()
    assert code(policies.accept(*served(2, LATER))) == "policy.early"
    laptop.wall = 1_900_000_000.0
    assert isinstance(policies.accept(*served(2, LATER)), Policy)


def test_a_clock_set_back_takes_no_policy_out_of_force(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    laptop.wall = 1_900_000_000.0
    accepted = laptop.started()[0].accept(*served(2, LATER))
    laptop.wall = NOW
    assert laptop.start() == accepted


@pytest.mark.parametrize("bad", [POLICY[:-30], "", "serial: [", "\x00", POLICY + "nonsense: 1\n", "#" * (1 << 20 | 1)])
def test_a_policy_with_errors_leaves_the_last_good_one_in_force(laptop: Laptop, bad: str):
    laptop.put(POLICY)
    _, good = laptop.started()
    laptop.put(bad)
    policies, kept = laptop.started()
    assert kept == good
    (warning,) = policies.warnings
    assert (warning.code, bool(warning.detail)) == ("policy.kept", True)
    assert laptop.recorded[1][0] == REFUSED


def test_without_a_good_one_before_it_a_policy_with_errors_is_told(laptop: Laptop, caplog):
    laptop.put(POLICY + "nonsense: 1\nmore: 2\n")
    assert code(laptop.start()) == "policy.invalid"
    assert f"{laptop.places.file}:10:1: the policy has no key 'nonsense'" in caplog.text
    assert json.loads(laptop.log.read_text())["errors"] == 2


@pytest.mark.parametrize("who", ["file", "folder", "signature"])
def test_what_others_can_write_is_never_believed(laptop: Laptop, who: str):
    laptop.trust(KEY)
    path = laptop.put(POLICY, KEY, laptop.places.local / "policy.yaml")
    {"file": path, "folder": path.parent, "signature": path.with_name("policy.yaml.sig")}[who].chmod(0o777)
    told = laptop.start()
    assert isinstance(told, Problem)
    assert "can be changed by other users" in told.detail


def test_a_pipe_or_a_folder_in_the_place_of_a_policy_is_refused(laptop: Laptop):
    os.mkfifo(laptop.places.local / "pipe.yaml")
    assert code(laptop.start()) == "policy.invalid"
    (laptop.places.local / "pipe.yaml").unlink()
    (laptop.places.local / "folder.yaml").mkdir()
    assert code(laptop.start()) == "policy.invalid"


def test_too_many_and_too_large_files_are_refused(laptop: Laptop):
    laptop.put(POLICY)
    for number in range(3):
        laptop.put("#" * (LARGEST_TOGETHER // 3 + 1), path=laptop.places.vendor / f"{number}.yaml")
    assert code(laptop.start()) == "policy.invalid"
    for number in range(MOST_FILES + 1):
        laptop.put("", path=laptop.places.vendor / f"{number}.yaml")
    assert code(laptop.start()) == "policy.invalid"


def test_a_key_that_is_taken_away_takes_the_servers_policy_with_it_and_leaves_what_is_still_trusted(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    _, own = laptop.started()
    assert isinstance(laptop.started()[0].accept(*served(2)), Policy)
    laptop.trust(OTHER)
    laptop.put(POLICY, OTHER)
    policies, left = laptop.started()
    assert left == own
    assert [warning.code for warning in policies.warnings] == ["policy.kept"]


def test_a_key_that_is_taken_away_leaves_nothing_that_it_signed(laptop: Laptop):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    laptop.started()
    laptop.trust(OTHER)
    assert code(laptop.start()) == "policy.unsigned"


@pytest.mark.parametrize("damage", [b"", b"{", b"[" * 100_000, b'{"good": 3, "highest": []}', bytes(9 << 20)])
def test_a_damaged_memory_is_told_and_the_policy_of_the_machine_counts(laptop: Laptop, damage: bytes, caplog):
    laptop.put(POLICY)
    laptop.started()
    laptop.state.write_bytes(damage)
    assert laptop.started()[1].serial == 1
    assert "cannot be read" in caplog.text


@pytest.mark.parametrize("serial", ["true", "-1", "999999999999999999", "x"])
def test_a_strange_serial_below_a_servers_spoils_no_memory(laptop: Laptop, serial: str):
    laptop.trust(KEY)
    laptop.put(POLICY, KEY)
    assert isinstance(laptop.started()[0].accept(*served(2)), Policy)
    laptop.put(POLICY.replace("serial: 1", f"serial: {serial}"), KEY)
    assert laptop.started()[1].serial == 2
    assert code(laptop.started()[0].accept(*served(1))) == "policy.older"


def test_a_disk_that_is_full_lets_the_policy_count_and_says_that_it_is_not_kept(laptop: Laptop, caplog):
    laptop.put(POLICY)
    laptop.state = Path("/dev/full/policy.json")
    assert laptop.started()[1].serial == 1
    assert "cannot be kept" in caplog.text


def test_the_policy_of_a_machine_is_checked_as_the_daemon_reads_it(laptop: Laptop, capsys):
    laptop.trust(KEY)
    laptop.put("language: en", path=laptop.places.vendor / "base.yaml")
    laptop.put(POLICY)
    assert check_policy(laptop.places) == 1
    assert capsys.readouterr().err == f"{laptop.places.file}: it is not signed\n"
    laptop.put(POLICY, KEY)
    assert check_policy(laptop.places) == 0
    names = f"{laptop.places.vendor / 'base.yaml'}, {laptop.places.file}"
    assert capsys.readouterr().out == f"{names}: no errors; serial 1, sites: main\n"
    (laptop.places.keys / "broken.pem").write_text("no key")
    assert check_policy(laptop.places) == 1
    broken = f"{laptop.places.keys / 'broken.pem'}: it holds no public key in PEM"
    assert capsys.readouterr().err == f"A key for policies cannot be used: {broken}.\n"
