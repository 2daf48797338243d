"""Knows the lab hospital's policy as text; tests change single words of it, as an administrator would."""

import hashlib
import sys
from pathlib import Path

from tests.lab import fetch
from tests.lab.laptop import INTERPRETER
from tests.lab.namespaces import DNS, GATEWAY, HOSPITAL
from tests.lab.pki import GATEWAY_NAME, DeviceFiles

TEMPLATE = """\
serial: 1
language: en
help_desk:
  en: the IT help desk
  ja: 情報システム部
  phone: 03-0000-0000
control:
  users: [doctor]
sites:
  hospital:
    title: Lab Hospital
    gateways:
      - address: {gateway}
        identity: fqdn:{identity}
        anchors: {anchors}
    certificate: {certificate}
    key: {key}
    networks: {networks}
    dns:
      names: hospital.test
      servers: {dns}
apps:
  users: [doctor]
  approved:
    packages: all
    files:
{files}
"""


def hospital_policy(papers: DeviceFiles) -> str:
    """Write a policy that lets the doctor in from any protected network with packaged programs only."""
    return TEMPLATE.format(
        gateway=GATEWAY,
        identity=GATEWAY_NAME,
        anchors=papers.anchors,
        certificate=papers.certificate,
        key=papers.key,
        networks=HOSPITAL,
        dns=DNS,
        files="\n".join(map(_approve, (INTERPRETER, Path(sys.executable).parent / "sekisho", Path(fetch.__file__)))),
    )


def _approve(path: Path) -> str:
    """List one of the lab's own programs."""
    return f"      - path: {path}\n        sha256: {hashlib.sha256(path.read_bytes()).hexdigest()}"
