//! Knows the frames that carry IKE messages over the local socket pair. Never opens a socket.
//!
//! ```text
//! +--------+----------+------+------------------+-- ...
//! | family | reserved | port | address, 16 bytes | IKE message
//! | 4 or 6 |    0     |      | v4 in the first 4 |
//! +--------+----------+------+------------------+-- ...
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::error::{Error, Result};

/// Write the header for a message to or from `peer`.
pub fn header(peer: SocketAddr) -> [u8; HEADER_SIZE] {
    let mut header = [0; HEADER_SIZE];
    header[2..4].copy_from_slice(&peer.port().to_be_bytes());
    match peer.ip().to_canonical() {
        IpAddr::V4(address) => {
            header[0] = 4;
            header[4..8].copy_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            header[0] = 6;
            header[4..].copy_from_slice(&address.octets());
        }
    }
    header
}

/// Take a frame apart into its peer and its message.
pub fn split(frame: &[u8]) -> Result<(SocketAddr, &[u8])> {
    let (header, message) = frame.split_first_chunk::<HEADER_SIZE>().ok_or(Error::ShortFrame(frame.len()))?;
    let [family, _, port_high, port_low, address @ ..] = *header;
    let address = match family {
        4 => {
            let [a, b, c, d, ..] = address;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        6 => IpAddr::V6(Ipv6Addr::from_octets(address)),
        unknown => return Err(Error::FrameFamily(unknown)),
    };
    Ok((SocketAddr::new(address, u16::from_be_bytes([port_high, port_low])), message))
}

// Our choices.

/// Bytes in front of every message on the socket pair.
pub const HEADER_SIZE: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_frame_gives_back_its_peer_and_message(address: IpAddr, port: u16, message: Vec<u8>) {
            let peer = SocketAddr::new(address.to_canonical(), port);
            let mut frame = header(peer).to_vec();
            frame.extend(&message);
            prop_assert_eq!(split(&frame).ok(), Some((peer, message.as_slice())));
        }

        #[test]
        fn any_bytes_are_split_or_refused(frame: Vec<u8>) {
            let _ = split(&frame);
        }
    }

    #[test]
    fn a_frame_of_an_unknown_family_is_refused() {
        assert!(matches!(split(&[5; 30]), Err(Error::FrameFamily(5))));
    }
}
