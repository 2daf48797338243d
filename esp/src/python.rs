//! Knows how Python's values become ours, and our refusals its exceptions. Never decides anything.

use std::net::{IpAddr, SocketAddr};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::error::Error;
use crate::frame;

/// The native half of the package `esp`.
#[pymodule(name = "_native")]
mod native {
    #[pymodule_export]
    use super::{join, split};
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

fn parse(address: &str) -> PyResult<IpAddr> {
    address.parse().map_err(|_| PyValueError::new_err(format!("not an IP address: {address:?}")))
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::NotRunning | Error::AlreadyStarted => PyRuntimeError::new_err(error.to_string()),
            Error::Kernel(what, why) => match why.raw_os_error() {
                Some(number) => PyOSError::new_err((number, format!("{what}: {why}"))),
                None => PyOSError::new_err(format!("{what}: {why}")),
            },
            refused => PyValueError::new_err(refused.to_string()),
        }
    }
}
