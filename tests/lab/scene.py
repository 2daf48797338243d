"""Knows the whole scene in which Sekisho works: road, gateway, laptop and Wi-Fi, set once and shared.

Never starts Sekisho itself.
"""

from dataclasses import dataclass, field
from typing import Self

from tests.lab import road
from tests.lab.endpoint import Endpoint
from tests.lab.laptop import Laptop
from tests.lab.namespaces import Topology
from tests.lab.pki import DeviceFiles, Papers
from tests.lab.policy import hospital_policy
from tests.lab.run import Run
from tests.lab.strongswan import StrongSwan
from tests.lab.wifi import AccessPoint, Security, Wifi


@dataclass
class Scene:
    """A doctor's laptop on protected Wi-Fi, a hotel's router, and a hospital's gateway that answers."""

    run: Run = field(repr=False)
    town: Topology
    papers: Papers = field(repr=False)
    files: DeviceFiles
    gateway: StrongSwan
    laptop: Laptop
    wifi: Wifi
    home: AccessPoint

    @classmethod
    def set(cls, run: Run) -> Self:
        """Build it all; about two seconds."""
        town, papers = Topology.up(run), Papers.issue()
        gateway, laptop = StrongSwan.gateway(run, town.gateway, papers), Laptop.boot(run, town.laptop)
        wifi = Wifi.start(run, laptop)
        scene = cls(run, town, papers, papers.write_device(run), gateway, laptop, wifi, wifi.protected_network("Home"))
        scene.calm()
        return scene

    @property
    def policy(self) -> str:
        """The hospital's policy; tests change single words of it."""
        return hospital_policy(self.files)

    def endpoint(self, name: str, policy: str | None = None) -> Endpoint:
        """Install Sekisho with a policy and a folder of its own; nothing of it runs yet."""
        return Endpoint.install(
            self.run, self.laptop, name, self.policy if policy is None else policy, self.wifi.address
        )

    def calm(self) -> None:
        """Make the road good and the Wi-Fi protected again."""
        road.heal(self.town)
        if self.wifi.manager is None or not self.wifi.manager.alive:
            self.wifi.start_manager()
            self.home = self.wifi.protected_network("Home")
        self.wifi.set_security(self.home, Security.WPA3_SAE)
        if self.wifi.joined != self.home:
            self.wifi.switch_to(self.home)
