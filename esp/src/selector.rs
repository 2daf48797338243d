//! Knows which packets an SA may carry (RFC 4301 §4.4.1). Never changes a packet.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::error::{Error, Result};

/// A range of addresses, ports and one protocol on one side of the tunnel (RFC 7296 §3.13.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector {
    protocol: u8,
    ports: RangeInclusive<u16>,
    addresses: RangeInclusive<Address>,
}

impl Selector {
    /// Check and make a selector; protocol 0 is any.
    pub fn new(protocol: u8, ports: RangeInclusive<u16>, start: IpAddr, end: IpAddr) -> Result<Self> {
        if start.is_ipv4() != end.is_ipv4() {
            return Err(Error::Selector("its addresses are of two families"));
        }
        if start > end || ports.is_empty() {
            return Err(Error::Selector("its start lies behind its end"));
        }
        Ok(Self { protocol, ports, addresses: start.into()..=end.into() })
    }

    fn admits(&self, protocol: u8, address: Address, port: Option<u16>) -> bool {
        (self.protocol == ANY_PROTOCOL || self.protocol == protocol)
            && self.addresses.contains(&address)
            && (self.ports == ANY_PORT || port.is_some_and(|port| self.ports.contains(&port)))
    }
}

/// Both sides of what one SA may carry.
#[derive(Clone, Debug)]
pub struct Selectors {
    /// This machine's side.
    pub local: Vec<Selector>,
    /// The side behind the gateway.
    pub remote: Vec<Selector>,
}

impl Selectors {
    /// Say whether a packet that leaves this machine is within.
    pub fn admit_outbound(&self, flow: &Flow) -> bool {
        flow.is_within(&self.local, &self.remote)
    }

    /// Say whether a packet that came through the tunnel is within.
    pub fn admit_inbound(&self, flow: &Flow) -> bool {
        flow.is_within(&self.remote, &self.local)
    }
}

/// An address of either family; the families never compare as equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Address {
    V4(u32),
    V6(u128),
}

impl From<IpAddr> for Address {
    fn from(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => Self::V6(address.to_bits()),
        }
    }
}

/// What a selector looks at in an inner packet.
///
/// The ports of a fragment other than the first cannot be seen, so only a selector
/// for any port admits it (RFC 4301 §4.4.1.1, OPAQUE).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    protocol: u8,
    source: Address,
    destination: Address,
    ports: Ports,
}

impl Flow {
    /// Read a whole IP packet; `None` if its headers do not hold together.
    pub fn of(packet: &[u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::of_v4(packet),
            6 => Self::of_v6(packet),
            _ => None,
        }
    }

    fn of_v4(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<20>()?;
        let length = usize::from(header[0] & 15) * 4;
        let upper = packet.get(length.max(20)..).filter(|_| length >= 20)?;
        let fragment = u16::from_be_bytes([header[6], header[7]]);
        let protocol = header[9];
        Some(Self {
            protocol,
            source: Address::V4(u32_at(header, 12)?),
            destination: Address::V4(u32_at(header, 16)?),
            ports: Ports::of(protocol, upper, fragment & V4_MORE != 0, fragment & V4_OFFSET != 0)?,
        })
    }

    fn of_v6(packet: &[u8]) -> Option<Self> {
        let header = packet.first_chunk::<40>()?;
        let upper = Upper::find(header[6], packet.get(40..)?)?;
        Some(Self {
            protocol: upper.protocol,
            source: Address::V6(u128_at(header, 8)?),
            destination: Address::V6(u128_at(header, 24)?),
            ports: Ports::of(upper.protocol, upper.bytes, upper.first_fragment, upper.later_fragment)?,
        })
    }

    fn is_within(&self, sources: &[Selector], destinations: &[Selector]) -> bool {
        sources.iter().any(|side| side.admits(self.protocol, self.source, self.ports.source))
            && destinations.iter().any(|side| side.admits(self.protocol, self.destination, self.ports.destination))
    }
}

/// What lies behind the extension headers of an IPv6 packet (RFC 8200 §4).
struct Upper<'packet> {
    protocol: u8,
    bytes: &'packet [u8],
    first_fragment: bool,
    later_fragment: bool,
}

impl<'packet> Upper<'packet> {
    fn find(next: u8, bytes: &'packet [u8]) -> Option<Self> {
        let mut upper = Self { protocol: next, bytes, first_fragment: false, later_fragment: false };
        for _ in 0..MAX_EXTENSIONS {
            let size = match upper.protocol {
                HOP_BY_HOP | ROUTING | DESTINATION => (usize::from(*upper.bytes.get(1)?) + 1) * 8,
                AUTHENTICATION => (usize::from(*upper.bytes.get(1)?) + 2) * 4,
                FRAGMENT => {
                    let [_, _, high, low, ..] = *upper.bytes.first_chunk::<8>()?;
                    let field = u16::from_be_bytes([high, low]);
                    upper.later_fragment = field & V6_OFFSET != 0;
                    upper.first_fragment = field & V6_MORE != 0;
                    8
                }
                _ => return Some(upper),
            };
            upper.protocol = *upper.bytes.first()?;
            upper.bytes = upper.bytes.get(size..)?;
            if upper.later_fragment {
                return Some(upper);
            }
        }
        None
    }
}

/// The ports of a packet, as far as they can be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports {
    source: Option<u16>,
    destination: Option<u16>,
}

impl Ports {
    const OPAQUE: Self = Self { source: None, destination: None };

    /// Read the ports; the type and code of ICMP stand for them (RFC 7296 §3.13.1).
    ///
    /// Only a fragment may have a header that is cut short.
    fn of(protocol: u8, upper: &[u8], first_fragment: bool, later_fragment: bool) -> Option<Self> {
        let (source, destination) = match (protocol, upper) {
            _ if later_fragment => return Some(Self::OPAQUE),
            (TCP | UDP | UDP_LITE | SCTP | DCCP, &[a, b, c, d, ..]) => ([a, b], [c, d]),
            (ICMP | ICMP_V6, &[kind, code, ..]) => ([kind, code], [kind, code]),
            (TCP | UDP | UDP_LITE | SCTP | DCCP | ICMP | ICMP_V6, _) if !first_fragment => return None,
            _ => return Some(Self::OPAQUE),
        };
        Some(Self { source: Some(u16::from_be_bytes(source)), destination: Some(u16::from_be_bytes(destination)) })
    }
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u128_at(bytes: &[u8], at: usize) -> Option<u128> {
    Some(u128::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

// Fixed by RFC 791, RFC 8200 and IANA's list of protocols.

const V4_OFFSET: u16 = 0x1fff;
const V4_MORE: u16 = 0x2000;
const V6_OFFSET: u16 = 0xfff8;
const V6_MORE: u16 = 1;
const HOP_BY_HOP: u8 = 0;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const DCCP: u8 = 33;
const ROUTING: u8 = 43;
const FRAGMENT: u8 = 44;
const AUTHENTICATION: u8 = 51;
const ICMP_V6: u8 = 58;
const DESTINATION: u8 = 60;
const SCTP: u8 = 132;
const UDP_LITE: u8 = 136;

// Our choices.

const ANY_PROTOCOL: u8 = 0;
const ANY_PORT: RangeInclusive<u16> = 0..=u16::MAX;
const MAX_EXTENSIONS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn v4(protocol: u8, fragment: u16, upper: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 60, 0, 1, 10, 50, 0, 10];
        packet[6..8].copy_from_slice(&fragment.to_be_bytes());
        packet.extend(upper);
        packet
    }

    fn v6(next: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![0; 40];
        packet[0] = 0x60;
        packet[6] = next;
        packet[23] = 1;
        packet[39] = 2;
        packet.extend(rest);
        packet
    }

    fn one(protocol: u8, ports: RangeInclusive<u16>, start: &str, end: &str) -> Selectors {
        let any = |text: &str| if text.contains(':') { "::".parse().unwrap() } else { "0.0.0.0".parse().unwrap() };
        let all = |text: &str| if text.contains(':') { IpAddr::from([255; 16]) } else { IpAddr::from([255; 4]) };
        Selectors {
            local: vec![Selector::new(0, ANY_PORT, any(start), all(start)).unwrap()],
            remote: vec![Selector::new(protocol, ports, start.parse().unwrap(), end.parse().unwrap()).unwrap()],
        }
    }

    fn leaves(selectors: &Selectors, packet: &[u8]) -> bool {
        Flow::of(packet).is_some_and(|flow| selectors.admit_outbound(&flow))
    }

    #[test]
    fn a_packet_is_within_by_address_protocol_and_port() {
        let packet = v4(TCP, 0, &[0x80, 0, 0x10, 0x92]); // to port 4242
        let network = ("10.50.0.0", "10.50.0.255");
        assert!(leaves(&one(0, ANY_PORT, network.0, network.1), &packet));
        assert!(leaves(&one(TCP, 4242..=4242, network.0, network.1), &packet));
        assert!(!leaves(&one(UDP, 4242..=4242, network.0, network.1), &packet));
        assert!(!leaves(&one(TCP, 80..=443, network.0, network.1), &packet));
        assert!(!leaves(&one(0, ANY_PORT, "10.51.0.0", "10.51.0.255"), &packet));
        assert!(!leaves(&one(0, ANY_PORT, "::", "ffff::"), &packet));
    }

    #[test]
    fn what_leaves_by_the_remote_side_comes_back_by_the_local_side() {
        let selectors = one(0, ANY_PORT, "10.50.0.10", "10.50.0.10");
        let flow = Flow::of(&v4(TCP, 0, &[0; 20])).unwrap();
        assert!(selectors.admit_outbound(&flow));
        assert!(!selectors.admit_inbound(&flow));
    }

    #[test]
    fn a_later_fragment_needs_a_selector_for_any_port() {
        let packet = v4(TCP, 100, &[0x80, 0, 0x10, 0x92]);
        assert!(leaves(&one(TCP, ANY_PORT, "10.50.0.10", "10.50.0.10"), &packet));
        assert!(!leaves(&one(TCP, 4242..=4242, "10.50.0.10", "10.50.0.10"), &packet));
    }

    #[test]
    fn ports_are_found_behind_extension_headers() {
        let packet = v6(HOP_BY_HOP, &[DESTINATION, 0, 0, 0, 0, 0, 0, 0, UDP, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 53]);
        assert!(leaves(&one(UDP, 53..=53, "::2", "::2"), &packet));
        assert!(!leaves(&one(UDP, 54..=54, "::2", "::2"), &packet));
    }

    #[test]
    fn extension_headers_that_run_past_the_packet_or_never_end_are_refused() {
        assert_eq!(Flow::of(&v6(HOP_BY_HOP, &[UDP, 200, 0, 0, 0, 0, 0, 0])), None);
        assert_eq!(Flow::of(&v6(FRAGMENT, &[UDP, 0, 0])), None);
        assert_eq!(Flow::of(&v6(HOP_BY_HOP, &[0; 8 * 20])), None);
    }

    #[test]
    fn a_header_shorter_than_any_can_be_is_refused() {
        let mut packet = v4(UDP, 0, &[0; 8]);
        packet[0] = 0x44;
        assert_eq!(Flow::of(&packet), None);
    }

    #[test]
    fn what_a_later_fragment_carries_is_not_read_as_a_header() {
        let later = v6(FRAGMENT, &[DESTINATION, 0, 0, 8, 0, 0, 0, 0, UDP, 255, 0, 0]);
        assert!(leaves(&one(0, ANY_PORT, "::2", "::2"), &later));
        assert!(!leaves(&one(UDP, ANY_PORT, "::2", "::2"), &later));
    }

    #[test]
    fn a_first_fragment_too_short_for_its_ports_needs_a_selector_for_any_port() {
        for packet in [v4(TCP, V4_MORE, &[0x80, 0]), v6(FRAGMENT, &[TCP, 0, 0, 1, 0, 0, 0, 0, 0x80, 0])] {
            let start = if packet[0] >> 4 == 4 { "10.50.0.10" } else { "::2" };
            assert!(leaves(&one(TCP, ANY_PORT, start, start), &packet));
            assert!(!leaves(&one(TCP, 0..=4242, start, start), &packet));
        }
        assert_eq!(Flow::of(&v4(TCP, 0, &[0x80, 0])), None);
    }

    #[test]
    fn icmp_types_stand_for_ports() {
        let echo = v4(ICMP, 0, &[8, 0, 0, 0]);
        assert!(leaves(&one(ICMP, 0x0800..=0x0800, "10.50.0.10", "10.50.0.10"), &echo));
        assert!(!leaves(&one(ICMP, 0..=0, "10.50.0.10", "10.50.0.10"), &echo));
    }

    #[test]
    fn a_selector_that_matches_nothing_is_refused() {
        let (low, high) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
        assert!(Selector::new(0, ANY_PORT, high, low).is_err());
        #[allow(clippy::reversed_empty_ranges)]
        let backwards = 9..=8;
        assert!(Selector::new(0, backwards, low, high).is_err());
        assert!(Selector::new(0, ANY_PORT, low, IpAddr::from([1; 16])).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_flow_or_none(version in prop_oneof![Just(0x45u8), Just(0x4f), Just(0x60)], mut bytes: Vec<u8>) {
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let _ = Flow::of(&bytes);
        }

        #[test]
        fn any_extension_headers_end(next: u8, rest: Vec<u8>) {
            let _ = Flow::of(&v6(next, &rest));
        }
    }
}
