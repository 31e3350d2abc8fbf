//! TLS: the one provider of cryptography, and servers whose certificate nobody has signed.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
};

use axum_server::tls_rustls::RustlsConfig;

/// Has rustls use ring. Wherever TLS begins, for clients too, this goes before it; once is enough, and more do no harm.
pub fn use_ring() {
    // Fails only if a provider is there already, and then that one serves.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// What a server of these names shows, and its certificate as PEM, for clients to trust.
///
/// # Errors
/// No certificate can be made of the names, or rustls does not take it.
pub async fn self_signed<E>(names: impl Into<Vec<String>>) -> Result<(RustlsConfig, String), E>
where
    E: From<rcgen::Error> + From<io::Error>,
{
    use_ring();
    let own = rcgen::generate_simple_self_signed(names)?;
    let (certificate, key) = (own.cert.der().to_vec(), own.signing_key.serialize_der());
    Ok((RustlsConfig::from_der(vec![certificate], key).await?, own.cert.pem()))
}

/// Takes a free port of `address`, for an asynchronous server.
///
/// # Errors
/// It has none, or is not of this machine.
pub fn listen(address: IpAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((address, 0))?;
    listener.set_nonblocking(true)?;
    let at = listener.local_addr()?;
    Ok((listener, at))
}
