"""Runs in the guest: starts access points, joins each, and writes what our own probes see to the second serial line."""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.posture.facts import Air, Links, Observed, Saved, Unseen
from agent.probes.link_source import LinkSource
from agent.probes.nl80211 import changes, read_radios
from tests.lab.wifi import BUS_CONFIG, DBUS_DAEMON


@dataclass(frozen=True)
class Network:
    """One access point (hostapd), and how the laptop joins it (wpa_supplicant)."""

    name: str
    point: str
    join: str


def main() -> None:
    """Try every network and say when all is done."""
    root = Path(sys.argv[1])
    _start(DBUS_DAEMON, f"--config-file={_written('bus.conf', BUS_CONFIG.replace('SOCKET', BUS))}", "--nofork")
    _certificates()
    _written("users", USERS)
    announced = [(network.name, network.point) for network in NETWORKS] + [DOUBLE]
    points = [
        _written(f"ap{number}.conf", POINT.format(number=number, name=name) + rest)
        for number, (name, rest) in enumerate(announced, 1)
    ]
    _start(str(root / "usr/sbin/hostapd"), *points)
    _wait(lambda: _is_beaconing(len(points)), "the access points")
    with Path("/dev/ttyS1").open("w") as out:
        for network in NETWORKS:
            told = asyncio.run(_join(root, network))
            out.write(json.dumps({"network": network.name, **told}) + "\n")
            out.flush()
        out.write(json.dumps({"network": "managed", **asyncio.run(_have_it_managed(root))}) + "\n")
        out.write(json.dumps({"done": True}) + "\n")


async def _join(root: Path, network: Network) -> dict[str, object]:
    """Join one network, look at it by every source and by the kernel alone, and leave it."""
    heard: list[None] = []
    config = _written("join.conf", f'network={{\nssid="{network.name}"\nscan_freq=2412\n{network.join}\n}}\n')
    source = LinkSource(f"unix:path={BUS}")
    with changes(lambda: heard.append(None)):
        supplicant = _start(str(root / "sbin/wpa_supplicant"), "-u", "-i", "wlan0", "-D", "nl80211", "-c", config)
        with suppress(TimeoutError):
            async with asyncio.timeout(40):
                while not await _is_settled(source):
                    await asyncio.sleep(0.2)
        seen, radios = await source.read(), read_radios()
        await source.close()
        supplicant.terminate()
        supplicant.wait(10)
    return {
        "events": len(heard),
        "links": _plain(seen["links"]),
        "method": _method(seen["links"]),
        "air": _plain(seen["air"]),
        "kernel": [_readable(asdict(one)) for one in radios.joined],
        "idle_after": list(read_radios().idle),
    }


async def _have_it_managed(root: Path) -> dict[str, object]:
    """Let NetworkManager join the hospital's network by itself, and look at it by every source."""
    _start(str(root / "sbin/wpa_supplicant"), "-u")
    Path("/run/net/connections").mkdir()
    for name, text in CONNECTIONS.items():
        Path(_written(f"connections/{name}.nmconnection", text)).chmod(0o600)
    config = _written("NetworkManager.conf", MANAGER)
    _start("/usr/sbin/NetworkManager", "--no-daemon", "--config", config, "--config-dir", "/run/net/none")
    source = LinkSource(f"unix:path={BUS}")
    with suppress(TimeoutError):
        async with asyncio.timeout(60):
            while not await _is_settled(source, "NetworkManager"):
                await asyncio.sleep(0.2)
    seen = await source.read()
    await source.close()
    return {name: _plain(fact) for name, fact in seen.items()} | {"method": _method(seen["links"])}


async def _is_settled(source: LinkSource, first: str = "") -> bool:
    """Tell whether a network is joined by all sources: the supplicant has agreed on keys."""
    links = (await source.read())["links"]
    if not isinstance(links, Observed) or not isinstance(links.value, Links) or not links.value.wireless:
        return False
    return links.method.startswith(first) and "wpa_supplicant" in links.method


def _method(fact: Observed[object] | Unseen) -> str:
    return fact.method if isinstance(fact, Observed) else ""


def _plain(fact: Observed[object] | Unseen) -> object:
    match fact:
        case Unseen(why):
            return why
        case Observed(Links(wireless)):
            return [_readable(asdict(one)) for one in wireless]
        case Observed(Air(in_range)):
            return sorted({(one.ssid.decode(), one.security.value) for one in in_range})
        case Observed(Saved(networks)):
            return [_readable(asdict(one)) for one in networks]
    return None


def _readable(values: dict[str, object]) -> dict[str, object]:
    return {name: value.decode() if isinstance(value, bytes) else value for name, value in values.items()}


def _is_beaconing(most: int) -> bool:
    told = [Path(f"/sys/class/net/wlan{number}/operstate").read_text().strip() for number in range(1, most + 1)]
    return told == ["up"] * most


def _wait(happened: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + 60
    while not happened():
        if time.monotonic() > until:
            raise SystemExit(f"{what} did not come up")
        time.sleep(0.1)


def _start(*argv: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={BUS}"}
    return subprocess.Popen(argv, env=environment, stdin=subprocess.DEVNULL)


def _written(name: str, text: str) -> str:
    file = Path("/run/net") / name
    file.write_text(text)
    return str(file)


def _certificates() -> None:
    """Make the 802.1X server's certificate, its own authority."""
    subject = ("-subj", "/CN=radius.hospital.example", "-addext", "subjectAltName=DNS:radius.hospital.example")
    files = ("-keyout", "/run/net/server.key", "-out", "/run/net/server.pem")
    kind = ("-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    subprocess.run(("/usr/bin/openssl", "req", *kind, *subject, *files), check=True, capture_output=True)


# Our choices.
BUS = "/run/net/bus"
USERS = '"doctor" TTLS\n"doctor" TTLS-PAP "secret" [2]\n'
POINT = "interface=wlan{number}\ndriver=nl80211\nssid={name}\nhw_mode=g\nchannel=1\n"
RSN = "wpa=2\nrsn_pairwise=CCMP\n"
PASSWORD = "wpa_passphrase=long enough\n"
PSK = 'psk="long enough"'
NETWORKS = (
    Network("open", "", "key_mgmt=NONE"),
    Network("wpa2", f"{RSN}wpa_key_mgmt=WPA-PSK\n{PASSWORD}", f"key_mgmt=WPA-PSK\n{PSK}"),
    Network("tkip", f"wpa=1\nwpa_pairwise=TKIP\nwpa_key_mgmt=WPA-PSK\n{PASSWORD}", f"key_mgmt=WPA-PSK\n{PSK}"),
    Network("wpa3", f"{RSN}wpa_key_mgmt=SAE\nieee80211w=2\n{PASSWORD}", f"key_mgmt=SAE\nieee80211w=2\n{PSK}"),
    Network(
        "mixed", f"{RSN}wpa_key_mgmt=WPA-PSK SAE\nieee80211w=1\n{PASSWORD}", f"key_mgmt=WPA-PSK\nieee80211w=0\n{PSK}"
    ),
    Network(
        "hospital",
        f"{RSN}wpa_key_mgmt=WPA-EAP\nieee80211w=1\nieee8021x=1\neap_server=1\neap_user_file=/run/net/users\n"
        "server_cert=/run/net/server.pem\nca_cert=/run/net/server.pem\nprivate_key=/run/net/server.key\n",
        'key_mgmt=WPA-EAP\nieee80211w=1\neap=TTLS\nidentity="doctor"\npassword="secret"\nphase2="auth=PAP"\n'
        'ca_cert="/run/net/server.pem"\ndomain_suffix_match="radius.hospital.example"',
    ),
)
MANAGER = """\
[main]
plugins=keyfile
no-auto-default=*
auth-polkit=false
dns=none
[keyfile]
path=/run/net/connections
unmanaged-devices=except:interface-name:wlan0
"""
STAY = "[ipv4]\nmethod=manual\naddress1=192.168.77.10/24\n[ipv6]\nmethod=disabled\n"
CONNECTIONS = {
    "hospital": f"[connection]\nid=hospital\nuuid=11111111-1111-4111-8111-111111111111\ntype=wifi\n"
    "[wifi]\nssid=hospital\n[wifi-security]\nkey-mgmt=wpa-eap\n[802-1x]\neap=ttls;\nidentity=doctor\n"
    "password=secret\nphase2-auth=pap\nca-cert=/run/net/server.pem\n"
    f"domain-suffix-match=Hospital.example\n{STAY}",
    "cafe": "[connection]\nid=cafe\nuuid=22222222-2222-4222-8222-222222222222\ntype=wifi\n[wifi]\nssid=cafe\n",
    "home": "[connection]\nid=home\nuuid=33333333-3333-4333-8333-333333333333\ntype=wifi\nautoconnect=false\n"
    "[wifi]\nssid=home\n[wifi-security]\nkey-mgmt=sae\npsk=long enough\n",
}
DOUBLE = ("wpa2", "")

if __name__ == "__main__":
    main()
