"""The network around the laptop: what interferes is refused, what is only awkward is told, no more is claimed."""

from ipaddress import ip_address, ip_network

import pytest

from agent import events
from agent.events import Outcome
from agent.posture.checks.hostile import Hostile
from agent.posture.facts import Facts, Grade, Neighbourhood, Observed, Place, Places, Told, Unseen
from agent.posture.facts.network import DhcpServer, Gateway, OnLink, Route
from agent.posture.verdict import Finding, Who
from agent.words import Words

HELP = Words("the help desk (1234)", "ヘルプデスク(1234)")
HOSPITAL = ip_network("10.20.0.0/16")
ROUTER = ip_address("192.168.77.1")
LAN = OnLink("wlan0", ip_network("192.168.77.0/24"))
DEFAULT = Route("wlan0", ip_network("0.0.0.0/0"), ROUTER)
CALM = Gateway("wlan0", ROUTER, ("02:00:00:00:00:01",), Told.NO)


def pushed(prefix: str) -> Route:
    return Route("wlan0", ip_network(prefix), ROUTER, pushed=True)


def server(
    last: int, *, interface: str = "wlan0", routers: tuple[int, ...] = (1,), resolvers: tuple[int, ...] = (1,)
) -> DhcpServer:
    here, *named = (tuple(ip_address(f"192.168.77.{byte}") for byte in part) for part in ((last,), routers, resolvers))
    return DhcpServer(interface, here[0], *named)


def around(*, on_link=(LAN,), routes=(DEFAULT,), gateways=(CALM,), **more) -> Neighbourhood:
    told = {"portal": Told.NO, "canary": Told.YES} | more
    return Neighbourhood(tuple(on_link), tuple(routes), tuple(gateways), **told)


def judged(neighbourhood: Neighbourhood, *, protected=(HOSPITAL,), may_overlap: bool = True) -> Finding:
    seen = Observed(neighbourhood, Grade.ROOT, "netlink", 1.0)
    return Hostile(HELP, tuple(protected), may_overlap).judge(Facts(neighbourhood=seen))


def test_a_calm_network_passes_and_no_more_is_claimed_than_was_seen():
    finding = judged(around())
    assert (finding.outcome, finding.evidence.marks) == (Outcome.PASS, ())
    assert finding.seen == Words(
        "No sign of interference was seen on this network.", "このネットワークに妨害の兆候は見られませんでした。"
    )


def test_what_nobody_could_tell_fails_nothing_and_is_named():
    quiet = Gateway("wlan0", ROUTER, CALM.macs)
    finding = judged(around(gateways=[quiet], portal=Told.UNTOLD, canary=Told.UNTOLD))
    assert finding.outcome is Outcome.PASS
    assert finding.seen.en.endswith(
        "Not checked: whether two devices answer as the router, whether names are answered truthfully, "
        "whether a login page is in the way."
    )


@pytest.mark.parametrize("prefix", ["10.20.5.0/24", "10.0.0.0/8", "0.0.0.0/1", "10.20.5.9/32", "10.20.0.0/16"])
def test_a_route_that_the_network_asks_for_over_a_hospital_network_fails(prefix: str):
    finding = judged(around(routes=[DEFAULT, pushed(prefix)]))
    assert (finding.outcome, finding.who, finding.evidence.marks) == (Outcome.FAIL, Who.YOU, ("option-121",))
    assert finding.sentence == Words(
        "This network asks that traffic for the hospital (10.20.0.0/16) be sent through itself. Use another network, "
        "such as your phone's hotspot, then press Connect again. If this is your own network, call the help desk "
        "(1234). (network.hostile)",
        "このネットワークは、病院あての通信(10.20.0.0/16)を自分に向けるよう指示しています。スマートフォンの"
        "テザリングなど別のネットワークに切り替えて、もう一度接続してください。ご自宅など管理できるネットワークの"
        "場合はヘルプデスク(1234)に連絡してください。(network.hostile)",
    )


def test_a_pushed_route_over_the_way_to_the_gateway_itself_fails():
    assert judged(around(routes=[pushed("198.51.100.0/24")]), protected=[ip_network("198.51.100.1/32")]).outcome is (
        Outcome.FAIL
    )


@pytest.mark.parametrize(
    "route",
    [pushed("0.0.0.0/0"), pushed("123.107.190.0/24"), pushed("192.168.77.0/25"), pushed("fd50::/64")],
    ids=["default by option 121", "elsewhere", "within the link", "other family"],
)
def test_routes_that_divert_nothing_of_the_hospital_pass(route: Route):
    assert judged(around(routes=[DEFAULT, route])).outcome is Outcome.PASS


def test_a_pushed_route_within_the_links_own_prefix_is_an_overlap_and_no_attack():
    hotel = OnLink("wlan0", ip_network("10.0.0.0/8"))
    finding = judged(around(on_link=[hotel], routes=[DEFAULT, pushed("10.20.0.0/16")]))
    assert (finding.outcome, finding.evidence.marks) == (Outcome.PASS, ("overlap",))


def test_a_hotel_that_uses_the_hospitals_addresses_passes_with_a_word_unless_the_policy_refuses():
    hotel = around(on_link=[OnLink("wlan0", ip_network("10.0.0.0/8"))])
    finding = judged(hotel)
    assert (finding.outcome, finding.evidence.marks) == (Outcome.PASS, ("overlap",))
    assert "addresses of the hospital too (10.20.0.0/16), but the tunnel goes first" in finding.seen.en
    refused = judged(hotel, may_overlap=False)
    assert (refused.outcome, refused.evidence.marks) == (Outcome.FAIL, ("overlap",))


def test_a_route_that_somebody_set_by_hand_counts_as_overlap():
    by_hand = Route("wlan0", HOSPITAL, ROUTER)
    assert judged(around(routes=[DEFAULT, by_hand])).evidence.marks == ("overlap",)
    assert judged(around(routes=[DEFAULT, by_hand]), may_overlap=False).outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("change", "mark"),
    [
        ({"gateways": [Gateway("wlan0", ROUTER, CALM.macs, Told.YES)]}, "gateway-contested"),
        ({"gateways": [Gateway("wlan0", ROUTER, (*CALM.macs, "02:00:00:00:00:66"), Told.NO)]}, "gateway-changed"),
        ({"dhcp_servers": (server(1), server(3, routers=(3,)))}, "dhcp-two"),
        ({"dhcp_servers": (server(1), server(1, resolvers=(66,)))}, "dhcp-two"),
        ({"canary": Told.NO}, "canary"),
        ({"portal": Told.YES}, "portal"),
    ],
)
def test_each_sign_fails_with_its_mark(change: dict[str, object], mark: str):
    finding = judged(around(**change))
    assert (finding.outcome, finding.evidence.marks) == (Outcome.FAIL, (mark,))
    assert finding.seen.en.endswith(".")
    assert finding.seen.ja.endswith("。")


def test_one_dhcp_server_on_each_of_two_links_is_as_it_should_be():
    finding = judged(around(dhcp_servers=(server(1), server(9, interface="eth0", routers=(9,), resolvers=(9,)))))
    assert (finding.outcome, finding.evidence.marks) == (Outcome.PASS, ())


@pytest.mark.parametrize(
    "second",
    [server(3), server(3, resolvers=(1, 53)), server(3, routers=(), resolvers=())],
    ids=["the same", "one more name server", "nothing named"],
)
def test_two_dhcp_servers_that_do_not_contradict_each_other_pass_with_a_word(second: DhcpServer):
    finding = judged(around(dhcp_servers=(server(1), second)))
    assert (finding.outcome, finding.evidence.marks) == (Outcome.PASS, ("dhcp-two",))
    assert finding.seen.en.endswith("Several devices hand out addresses on it and do not contradict each other.")


def at(interface: str, inside: Told = Told.YES, at: float = 1.0) -> Observed[Places]:
    return Observed(Places((Place("main", inside, interface),)), Grade.ROOT, "TLS", at)


@pytest.mark.parametrize(
    ("places", "outcome"),
    [
        (at("wlan0"), Outcome.PASS),
        (at("eth0"), Outcome.FAIL),
        (at("wlan0", Told.NO), Outcome.FAIL),
        (at("wlan0", at=-1000.0), Outcome.FAIL),
        (Unseen("no answer", 1.0), Outcome.FAIL),
    ],
    ids=["by this link", "by another link", "not inside", "long ago", "unseen"],
)
def test_the_hospitals_own_network_may_lead_to_the_hospital_where_its_beacon_answered(
    places: Observed[Places] | Unseen, outcome: Outcome
):
    own = around(on_link=[OnLink("wlan0", HOSPITAL)], routes=[DEFAULT, pushed("10.0.0.0/8")])
    facts = Facts(neighbourhood=Observed(own, Grade.ROOT, "netlink", 1.0), places=places)
    assert Hostile(HELP, (HOSPITAL,), may_overlap=False).judge(facts).outcome is outcome


def test_a_router_that_is_replaced_counts_also_on_the_hospitals_own_network():
    changed = around(gateways=[Gateway("wlan0", ROUTER, (*CALM.macs, "02:00:00:00:00:66"), Told.NO)])
    facts = Facts(neighbourhood=Observed(changed, Grade.ROOT, "netlink", 1.0), places=at("wlan0"))
    assert Hostile(HELP, (HOSPITAL,)).judge(facts).evidence.marks == ("gateway-changed",)


def test_where_names_are_answered_falsely_a_login_page_is_tried_first():
    finding = judged(around(canary=Told.NO, portal=Told.UNTOLD))
    assert finding.remedy.en.startswith("Open any page in your web browser; if this network asks you to log in")


def test_a_login_page_is_the_doctors_to_get_through_and_explains_that_names_are_answered_falsely():
    finding = judged(around(portal=Told.YES, canary=Told.NO))
    assert (finding.who, finding.evidence.marks) == (Who.YOU, ("portal",))
    assert "log in" in finding.remedy.en


def test_of_several_signs_the_worst_speaks_and_the_others_are_counted_and_marked():
    contested = Gateway("wlan0", ROUTER, (*CALM.macs, "02:00:00:00:00:66"), Told.YES)
    finding = judged(around(gateways=[contested], routes=[pushed("10.0.0.0/8")], canary=Told.NO))
    assert finding.evidence.marks == ("gateway-contested", "gateway-changed", "option-121", "canary")
    assert finding.seen.en.startswith("Two devices answer as the router")
    assert finding.seen.en.endswith("Other signs of interference: 3.")


def test_without_a_network_there_is_nothing_to_judge():
    finding = judged(Neighbourhood((), (), ()))
    assert (finding.outcome, finding.seen.en) == (Outcome.PASS, "This computer is on no network now.")


def test_a_look_that_failed_is_unknown_and_never_a_pass():
    finding = Hostile(HELP).judge(Facts(neighbourhood=Unseen("the kernel gave no usable answer", 1.0)))
    assert (finding.outcome, finding.who) == (Outcome.UNKNOWN, Who.HELP_DESK)
    assert "the kernel gave no usable answer" in finding.seen.en


def test_an_event_tells_the_marks_and_no_address():
    finding = judged(around(routes=[pushed("10.0.0.0/8")]))
    line = events.line(events.Refused("main", 1000, (finding.result,)), 0.0, 0)
    assert '"marks":["option-121"]' in line
    assert "10." not in line
    assert "192.168" not in line
