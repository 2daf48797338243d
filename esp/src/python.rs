//! Knows how Python's values become ours, and our refusals its exceptions. Never decides anything.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{BorrowedFd, RawFd};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::cipher::Cipher;
use crate::error::{Error, Result};
use crate::frame;
use crate::handle::Handle;
use crate::packet::{Header, OVERHEAD, TEXT_AT};
use crate::sa::{Inbound, Material, Outbound};
use crate::selector::{self, Selectors};
use crate::tally::Cause;

/// The native half of the package `esp`.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::{Pump, join, open, seal, split};
}

/// `esp.Sa`, read by its attributes.
#[derive(FromPyObject)]
struct Sa {
    spi: u32,
    cipher: String,
    key: PyBackedBytes,
    local: Vec<Selector>,
    remote: Vec<Selector>,
}

impl Sa {
    fn material(&self) -> Result<Material<'_>> {
        Ok(Material {
            spi: self.spi,
            cipher: Cipher::named(&self.cipher)?,
            key: &self.key,
            selectors: Selectors { local: all(&self.local)?, remote: all(&self.remote)? },
        })
    }
}

/// `esp.Selector`, read by its attributes.
#[derive(FromPyObject)]
struct Selector {
    protocol: u8,
    ports: (u16, u16),
    start: IpAddr,
    end: IpAddr,
}

fn all(selectors: &[Selector]) -> Result<Vec<selector::Selector>> {
    let one =
        |from: &Selector| selector::Selector::new(from.protocol, from.ports.0..=from.ports.1, from.start, from.end);
    selectors.iter().map(one).collect()
}

/// Packets and bytes in and out, batches in and out, drops by cause, seconds since the last inbound packet.
type Stats = ((u64, u64, u64, u64, u64, u64), Vec<(&'static str, u64)>, Option<f64>);

/// The thread between a TUN device and a UDP socket.
#[pyclass(frozen, module = "esp._native")]
struct Pump(Handle);

#[pymethods]
impl Pump {
    #[new]
    #[pyo3(signature = (*, tun, udp, ike, keepalive))]
    fn new(tun: RawFd, udp: RawFd, ike: RawFd, keepalive: f64) -> PyResult<Self> {
        if tun < 0 || udp < 0 || ike < 0 {
            return Err(PyValueError::new_err("a descriptor is negative"));
        }
        // SAFETY: none is -1, and they are only copied before this call returns; a number that is
        // no open descriptor is refused by the kernel (EBADF).
        let [tun, udp, ike] = [tun, udp, ike].map(|fd| unsafe { BorrowedFd::borrow_raw(fd) });
        Ok(Self(Handle::new(tun, udp, ike, keepalive)?))
    }

    fn start(&self) -> PyResult<()> {
        Ok(self.0.start()?)
    }

    fn stop(&self, py: Python<'_>) {
        py.detach(|| self.0.stop());
    }

    fn install_inbound(&self, py: Python<'_>, sa: Sa) -> PyResult<()> {
        let sa = Inbound::new(sa.material()?)?;
        Ok(py.detach(|| self.0.install_inbound(sa))?)
    }

    fn remove_inbound(&self, py: Python<'_>, spi: u32) {
        py.detach(|| self.0.remove_inbound(spi));
    }

    fn install_outbound(&self, py: Python<'_>, sa: Sa, peer: (String, u16)) -> PyResult<()> {
        let sa = Outbound::new(sa.material()?)?;
        let peer = SocketAddr::new(parse(&peer.0)?, peer.1);
        Ok(py.detach(|| self.0.install_outbound(sa, peer))?)
    }

    fn remove_outbound(&self, py: Python<'_>) {
        py.detach(|| self.0.remove_outbound());
    }

    fn stats(&self) -> Stats {
        let tally = self.0.tally();
        let counts = (
            tally.packets_in.get(),
            tally.bytes_in.get(),
            tally.packets_out.get(),
            tally.bytes_out.get(),
            tally.batches_in.get(),
            tally.batches_out.get(),
        );
        (
            counts,
            Cause::ALL.map(|cause| (cause.name(), tally.dropped(cause))).into(),
            self.0.quiet().map(|quiet| quiet.as_secs_f64()),
        )
    }

    #[getter]
    fn failed(&self) -> Option<String> {
        self.0.failed()
    }
}

/// Put the socket pair's header in front of an IKE message.
#[pyfunction(name = "frame")]
fn join<'py>(py: Python<'py>, address: &str, port: u16, message: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let header = frame::header(SocketAddr::new(parse(address)?, port));
    Ok(PyBytes::new(py, &[header.as_slice(), message].concat()))
}

/// Take a frame from the socket pair apart.
#[pyfunction(name = "unframe")]
fn split<'py>(py: Python<'py>, frame: &[u8]) -> PyResult<(String, u16, Bound<'py, PyBytes>)> {
    let (peer, message) = frame::split(frame)?;
    Ok((peer.ip().to_string(), peer.port(), PyBytes::new(py, message)))
}

/// Seal one inner packet as the pump would, under a given sequence number.
#[pyfunction]
fn seal<'py>(py: Python<'py>, sa: Sa, sequence: u64, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let mut sa = Outbound::new(sa.material()?)?.starting_at(sequence)?;
    let mut room = vec![0; packet.len() + OVERHEAD];
    room[TEXT_AT..TEXT_AT + packet.len()].copy_from_slice(packet);
    let size = sa.seal(&mut room, packet.len()).map_err(refused)?;
    Ok(PyBytes::new(py, &room[..size]))
}

/// Open one ESP packet as the pump would, with nothing received before.
#[pyfunction]
fn open<'py>(py: Python<'py>, sa: Sa, datagram: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let mut datagram = datagram.to_vec();
    let header = Header::read(&datagram).map_err(refused)?;
    if header.spi != sa.spi {
        return Err(refused(Cause::UnknownSpi).into());
    }
    let mut sa = Inbound::new(sa.material()?)?;
    Ok(PyBytes::new(py, sa.open(header, &mut datagram).map_err(refused)?))
}

fn refused(cause: Cause) -> Error {
    Error::Packet(cause.name())
}

fn parse(address: &str) -> PyResult<IpAddr> {
    address.parse().map_err(|_| PyValueError::new_err(format!("not an IP address: {address:?}")))
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::NotRunning | Error::AlreadyStarted => PyRuntimeError::new_err(error.to_string()),
            Error::Kernel(_, ref why) => match why.raw_os_error() {
                Some(number) => PyOSError::new_err((number, error.to_string())),
                None => PyOSError::new_err(error.to_string()),
            },
            refused => PyValueError::new_err(refused.to_string()),
        }
    }
}
