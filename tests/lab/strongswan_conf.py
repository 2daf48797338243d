"""Knows the text of strongswan.conf and swanctl.conf for the lab's gateway and for strongSwan's own client.

Never loads the plugins `resolve` (it rewrites /etc/resolv.conf), `aes` or `gcm` (slower than openssl's).
"""

from dataclasses import dataclass
from pathlib import Path

from tests.lab import namespaces
from tests.lab.pki import DEVICE_NAME, GATEWAY_NAME

CONNECTION = "hospital"
CHILD = "images"
IKE_PROPOSALS = "aes256gcm16-prfsha384-ecp384,aes256gcm16-prfsha256-curve25519,aes256gcm16-prfsha256-ecp256"
ESP_CIPHERS = ("aes256gcm16", "aes128gcm16", "chacha20poly1305")
ESP_PROPOSALS = ",".join(f"{cipher}-ecp384-curve25519-ecp256,{cipher}" for cipher in ESP_CIPHERS)


@dataclass(frozen=True)
class Charon:
    """Settings of one charon as a whole (strongswan.conf)."""

    fragment_size: int = 1280  # of a whole IP packet
    retransmit_tries: int = 5
    retransmit_timeout: float = 1.0
    cookie_threshold: int = 30  # half-open SAs from which cookies are demanded: 1 is, once there is one such SA
    plugins: str = ""  # further plugins
    more: str = ""  # further lines

    def text(self, folder: Path) -> str:
        """Write strongswan.conf."""
        return STRONGSWAN_CONF.format(
            folder=folder,
            plugins=f"{PLUGINS} {self.plugins}",
            fragment_size=self.fragment_size,
            tries=self.retransmit_tries,
            timeout=self.retransmit_timeout,
            cookies=self.cookie_threshold,
            more=self.more,
        )


@dataclass(frozen=True)
class Connection:
    """Settings of the one connection, seen from the end that loads them (swanctl.conf)."""

    identity: str = GATEWAY_NAME
    peer_identity: str = "%any"
    peer: str = "%any"
    ike_proposals: str = IKE_PROPOSALS
    esp_proposals: str = ESP_PROPOSALS
    local_ts: str = namespaces.HOSPITAL
    remote_ts: str = "dynamic"
    pool: str = namespaces.POOL  # empty: no address is handed out
    dns: str = namespaces.DNS
    ask_address: bool = False
    fragmentation: str = "yes"
    ike_rekey: str = "4h"
    child_rekey: str = "1h"
    liveness: str = "0s"
    send_certificate: str = "always"
    unique: str = "replace"
    more: str = ""  # further lines

    def text(self) -> str:
        """Write swanctl.conf."""
        return SWANCTL_CONF.format(
            connection=CONNECTION,
            child=CHILD,
            addresses=self._addresses(),
            pools=f"p {{\naddrs = {self.pool}\n{f'dns = {self.dns}' if self.dns else ''}\n}}" if self.pool else "",
            **{name: getattr(self, name) for name in TEXT_FIELDS},
        )

    def _addresses(self) -> str:
        wanted = (("pools = p", bool(self.pool)), ("vips = 0.0.0.0", self.ask_address))
        return "\n".join(line for line, is_wanted in wanted if is_wanted)


# The client's own address for the tunnel comes from the gateway, so its traffic selector is "dynamic".
GATEWAY_SIDE = Connection()
CLIENT_SIDE = Connection(
    identity=DEVICE_NAME,
    peer_identity=GATEWAY_NAME,
    peer=namespaces.GATEWAY,
    local_ts="dynamic",
    remote_ts=namespaces.HOSPITAL,
    pool="",
    ask_address=True,
)
CHARON = Charon()

# Our choices
PLUGINS = (
    "openssl random nonce sha1 sha2 curve25519 pem pkcs1 pkcs8 x509 revocation constraints pubkey hmac kdf vici "
    "kernel-libipsec kernel-netlink socket-default updown"
)
TEXT_FIELDS = (
    "identity", "peer_identity", "peer", "ike_proposals", "esp_proposals", "local_ts", "remote_ts", "fragmentation",
    "ike_rekey", "child_rekey", "liveness", "send_certificate", "unique", "more",
)  # fmt: skip
STRONGSWAN_CONF = """\
charon-systemd {{
    load = {plugins}
    install_routes = yes
    fragment_size = {fragment_size}
    retransmit_tries = {tries}
    retransmit_timeout = {timeout}
    cookie_threshold = {cookies}
    cookie_threshold_ip = {cookies}
    plugins {{
        vici {{
            socket = unix://{folder}/vici
        }}
        kernel-libipsec {{
            allow_peer_ts = yes
        }}
    }}
    filelog {{
        log {{
            path = {folder}/log
            default = 1
            ike = 2
            flush_line = yes
        }}
    }}
    {more}
}}
"""
SWANCTL_CONF = """\
connections {{
    {connection} {{
        version = 2
        remote_addrs = {peer}
        proposals = {ike_proposals}
        encap = yes
        fragmentation = {fragmentation}
        rekey_time = {ike_rekey}
        dpd_delay = {liveness}
        send_cert = {send_certificate}
        unique = {unique}
        {addresses}
        {more}
        local {{
            auth = pubkey
            certs = own.pem
            id = {identity}
        }}
        remote {{
            auth = pubkey
            cacerts = ca.pem
            id = {peer_identity}
        }}
        children {{
            {child} {{
                local_ts = {local_ts}
                remote_ts = {remote_ts}
                esp_proposals = {esp_proposals}
                rekey_time = {child_rekey}
            }}
        }}
    }}
}}
pools {{
    {pools}
}}
"""
