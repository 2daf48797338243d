"""A site's files as an IKE session is told them: what is wrong with one is a sentence with its code."""

from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from agent.daemon.credentials import config_for, protected, read_credentials, told
from agent.posture.policy import Site, load
from agent.problems import Trouble
from ike.identity import Identity
from ike.proposal import IKE_COMPATIBLE, IKE_DEFAULT
from tests.certificates import Authority, Issued

AUTHORITY = Authority.create("Hospital Root", "ecdsa-p256")
DEVICE = AUTHORITY.issue("laptop.test", key="ecdsa-p256")
POLICY = """\
serial: 1
help_desk: {{en: the help desk, ja: ヘルプデスク, phone: 1234}}
sites:
  main:
    gateways:
      - {{address: 198.51.100.1, identity: "{identity}", anchors: {folder}/ca.pem}}
    certificate: {folder}/device.pem
    key: {folder}/device.key
    networks: {networks}
{more}
"""


def write(path: Path, content: bytes, mode: int = 0o600) -> None:
    path.write_bytes(content)
    path.chmod(mode)


@pytest.fixture
def site(tmp_path: Path) -> Callable[..., Site]:
    def make(
        device: Issued = DEVICE, identity: str = "fqdn:gw.test", networks: str = "10.50.0.0/24", more: str = ""
    ) -> Site:
        write(tmp_path / "ca.pem", AUTHORITY.pem)
        write(tmp_path / "device.pem", device.pem)
        write(tmp_path / "device.key", device.key_pem)
        text = POLICY.format(folder=tmp_path, identity=identity, networks=networks, more=more)
        return load(text, "policy.yaml").sites["main"]

    return make


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(Trouble) as caught:
        work()
    return caught.value.problem.code


def test_a_good_site_becomes_what_a_session_is_told(site):
    made = site()
    credentials = read_credentials(made)
    config = config_for(made, made.gateways[0], "198.51.100.1", credentials)
    assert (config.local_identity, config.remote_identity) == (Identity.fqdn("laptop.test"), Identity.fqdn("gw.test"))
    assert config.certificates == (DEVICE.der,)
    assert config.anchors == (AUTHORITY.der,)
    assert config.ike_proposals == IKE_DEFAULT
    assert protected(made) == (IPv4Network("10.50.0.0/24"),)


def test_the_compatible_suites_stand_behind_the_default_ones(site):
    made = site(more="    suites: compatible")
    config = config_for(made, made.gateways[0], "198.51.100.1", read_credentials(made))
    assert config.ike_proposals == IKE_COMPATIBLE
    assert config.ike_proposals[: len(IKE_DEFAULT)] == IKE_DEFAULT


@pytest.mark.parametrize(("more", "wanted"), [("", True), ("    pfs: required", True), ("    pfs: off", False)])
def test_keys_are_renewed_with_a_new_exchange_unless_the_policy_says_otherwise(site, more, wanted):
    made = site(more=more)
    assert config_for(made, made.gateways[0], "198.51.100.1", read_credentials(made)).rekey_pfs is wanted


@pytest.mark.parametrize(
    ("identity", "wanted"),
    [
        ("ip:198.51.100.1", Identity.address("198.51.100.1")),
        ("email:gw@hospital.test", Identity.email("gw@hospital.test")),
    ],
)
def test_every_kind_of_identity_reaches_the_session(site, identity, wanted):
    made = site(identity=identity)
    config = config_for(made, made.gateways[0], "198.51.100.1", read_credentials(made))
    assert config.remote_identity == wanted
    assert told(wanted) == identity


@pytest.mark.parametrize("name", ["device.pem", "device.key"])
@pytest.mark.parametrize("content", [None, b"", b"not pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END"])
def test_an_unreadable_certificate_or_key_is_the_laptops_problem(site, tmp_path, name, content):
    made = site()
    (tmp_path / name).unlink()
    if content is not None:
        write(tmp_path / name, content)
    assert code_of(lambda: read_credentials(made)) == "key.unreadable"


def test_a_key_that_others_can_read_is_refused_with_the_cure(site, tmp_path):
    made = site()
    (tmp_path / "device.key").chmod(0o644)
    with pytest.raises(Trouble, match="chmod 600"):
        read_credentials(made)


def test_a_key_of_another_certificate_is_refused(site, tmp_path):
    made = site()
    write(tmp_path / "device.key", AUTHORITY.issue("other.test", key="ecdsa-p256").key_pem)
    with pytest.raises(Trouble, match="is not the key of"):
        read_credentials(made)


def test_a_pipe_or_an_endless_file_in_place_of_a_certificate_is_refused_at_once(site, tmp_path):
    made = site()
    (tmp_path / "device.pem").unlink()
    (tmp_path / "device.pem").symlink_to("/dev/zero")
    assert code_of(lambda: read_credentials(made)) == "key.unreadable"
    (tmp_path / "device.pem").unlink()
    write(tmp_path / "device.pem", b"x" * 300_000)
    with pytest.raises(Trouble, match="larger than"):
        read_credentials(made)


def test_missing_anchors_are_the_policys_problem(site, tmp_path):
    made = site()
    credentials = read_credentials(made)
    (tmp_path / "ca.pem").unlink()
    assert code_of(lambda: config_for(made, made.gateways[0], "198.51.100.1", credentials)) == "anchors.unreadable"


def test_an_ipv6_network_is_refused_rather_than_left_out(site):
    assert code_of(lambda: protected(site(networks="[10.50.0.0/24, 2001:db8::/32]"))) == "policy.invalid"


def test_an_identity_that_no_event_can_express_is_told_by_its_digest():
    assert told(Identity.dn(b"\x30\x00")).startswith(("dn:", "sha256:"))


def test_a_signer_shows_no_key(site):
    credentials = read_credentials(site())
    assert "PRIVATE" not in repr(credentials)
    assert DEVICE.key_pem.decode().splitlines()[1] not in repr(credentials)
