"""The certificates of the sites, read from files: until when each holds, and who issued it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.daemon.papers import PapersSource, read_papers
from agent.posture.facts import Grade, Observed, Papers, Told
from agent.posture.facts.device import Paper
from agent.posture.policy import Policy, load
from ike.config import Instant
from tests.certificates import FROM, UNTIL, WALL, Authority, Issued

OURS = Authority.create("Hospital Root", "ecdsa-p256")
THEIRS = Authority.create("Another Root", "ecdsa-p256")
DEVICE = OURS.issue("laptop.test", key="ecdsa-p256")
SITE = """\
  {name}:
    gateways:
      - {{address: 198.51.100.1, identity: "fqdn:gw.test", anchors: {folder}/ca.pem}}
      - {{address: 198.51.100.2, identity: "fqdn:gw.test", anchors: [{folder}/ca.pem]}}
    certificate: {folder}/{name}.pem
    key: {folder}/device.key
    networks: 10.50.0.0/24
"""


def policy(folder: Path, *devices: bytes, authorities: str = "[]") -> Policy:
    """Write the files of one site for each device, and read the policy that names them."""
    write(folder / "ca.pem", OURS.pem)
    sites = ""
    for number, device in enumerate(devices):
        write(folder / f"s{number}.pem", device)
        sites += SITE.format(name=f"s{number}", folder=folder)
    text = "serial: 1\nhelp_desk: {en: the help desk, ja: ヘルプデスク, phone: 1234}\n"
    return load(f"{text}sites:\n{sites}device:\n  identity: {{authorities: {authorities}}}\n", "policy.yaml")


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)


def read(folder: Path, device: Issued, wall: float = WALL, **named: str) -> Paper:
    (paper,) = read_papers(policy(folder, device.pem, **named), wall).papers
    return paper


def test_a_certificate_of_the_sites_own_authority_is_ours_until_it_ends(tmp_path: Path):
    paper = read(tmp_path, DEVICE)
    assert paper == Paper("s0", FROM.timestamp(), UNTIL.timestamp(), Told.YES)


@pytest.mark.parametrize("wall", [FROM.timestamp() - 1e8, UNTIL.timestamp(), UNTIL.timestamp() + 1e8])
def test_a_certificate_out_of_its_time_is_still_ours(tmp_path: Path, wall: float):
    device = OURS.issue("laptop.test", key="ecdsa-p256", not_before=datetime(2026, 1, 1, tzinfo=UTC))
    paper = read(tmp_path, device, wall)
    assert (paper.ours, paper.not_after) == (Told.YES, UNTIL.timestamp())


def test_a_certificate_of_another_authority_is_not_ours_unless_the_policy_names_that_one(tmp_path: Path):
    device = THEIRS.issue("laptop.test", key="ecdsa-p256")
    assert read(tmp_path, device).ours is Told.NO
    write(tmp_path / "devices.pem", THEIRS.pem)
    assert read(tmp_path, device, authorities=f"{tmp_path}/devices.pem").ours is Told.YES
    assert read(tmp_path, DEVICE, authorities=f"{tmp_path}/devices.pem").ours is Told.NO


def test_a_chain_holds_no_longer_than_its_weakest_certificate(tmp_path: Path):
    ends = datetime(2027, 1, 1, tzinfo=UTC)
    middle = OURS.intermediate("Hospital Issuing", "ecdsa-p256", not_after=ends)
    device = middle.issue("laptop.test", key="ecdsa-p256")
    whole = device.pem + Authority(middle.certificate, middle.key).pem
    (paper,) = read_papers(policy(tmp_path, whole), WALL).papers
    assert (paper.ours, paper.not_after) == (Told.YES, ends.timestamp())
    (paper,) = read_papers(policy(tmp_path, whole), ends.timestamp() + 1).papers
    assert (paper.ours, "has expired" in paper.why) == (Told.UNTOLD, True)


@pytest.mark.parametrize(
    "content", [b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", b"\0" * 300_000]
)
def test_what_is_no_certificate_is_untold_and_says_why_beside_one_that_is(tmp_path: Path, content: bytes):
    broken, whole = read_papers(policy(tmp_path, content, DEVICE.pem), WALL).papers
    assert (broken.ours, whole.ours) == (Told.UNTOLD, Told.YES)
    assert broken.why


def test_a_missing_file_and_anchors_that_others_can_change_are_untold(tmp_path: Path):
    named = policy(tmp_path, DEVICE.pem)
    (tmp_path / "ca.pem").chmod(0o666)
    assert "can be changed by other users" in read_papers(named, WALL).papers[0].why
    (tmp_path / "s0.pem").unlink()
    assert "No such file" in read_papers(named, WALL).papers[0].why


def test_the_source_reads_anew_at_each_look(tmp_path: Path):
    named = policy(tmp_path, DEVICE.pem)
    source = PapersSource(lambda: named, lambda: Instant(5.0, WALL))

    async def scene() -> None:
        watching = source.watch()
        assert await anext(watching) == await source.read()
        await watching.aclose()
        await source.close()

    asyncio.run(scene())
    assert source.facts == {"papers"}
    papers = Papers((Paper("s0", FROM.timestamp(), UNTIL.timestamp(), Told.YES),))
    assert asyncio.run(source.read()) == {"papers": Observed(papers, Grade.ROOT, "certificate files", 5.0)}
