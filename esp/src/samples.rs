//! Knows packets for tests to begin with. Never part of the pump.

use crate::offload::{Kind, Offload};
use crate::split::Split;

/// A super-packet as the kernel hands it over, with its header.
pub fn super_packet(four: bool, options: usize, flags: u8, segment: u16, payload: &[u8]) -> (Offload, Vec<u8>) {
    let transport = if four { 20 } else { V6_HEADER_SIZE };
    let headers = transport + TCP_HEADER_SIZE + options * 4;
    let mut packet = vec![1; headers];
    packet[transport + 4..transport + 8].copy_from_slice(&[0xff, 0xff, 0xff, 0xf0]);
    packet[transport + 12] = ((TCP_HEADER_SIZE / 4 + options) << 4) as u8;
    packet[transport + FLAGS] = flags;
    packet.extend(payload);
    let length = packet.len() as u16;
    if four {
        packet[0] = 0x45;
        packet[2..4].copy_from_slice(&length.to_be_bytes());
        packet[6..8].copy_from_slice(&[0x40, 0]);
        packet[9] = TCP;
    } else {
        packet[0] = 0x60;
        packet[4..6].copy_from_slice(&(length - V6_HEADER_SIZE as u16).to_be_bytes());
        packet[6] = TCP;
    }
    let kind = if four { Kind::Tcp4 } else { Kind::Tcp6 };
    (Offload { kind, headers: 0, segment, checksum: Some((transport as u16, TCP_CHECKSUM as u16)) }, packet)
}

/// The packets that it is cut into.
pub fn pieces(offload: Offload, packet: &[u8]) -> Vec<Vec<u8>> {
    let mut split = Split::new(offload, packet, 2000).unwrap();
    let mut room = [0; 2000];
    std::iter::from_fn(|| split.write_next(&mut room).map(|size| room[..size].to_vec())).collect()
}

const TCP: u8 = 6;
const TCP_HEADER_SIZE: usize = 20;
const V6_HEADER_SIZE: usize = 40;
const FLAGS: usize = 13;
const TCP_CHECKSUM: usize = 16;
