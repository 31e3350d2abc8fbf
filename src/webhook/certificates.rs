//! Certificates: made, read, and shown by the server.

use std::{
    collections::BTreeSet,
    fmt::{self, Debug, Formatter},
    io,
    net::IpAddr,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

/// A certificate is valid since so long before it was made: clocks differ.
const BACKDATED: Duration = Duration::from_hours(1);

/// What is wrong with a certificate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It could not be made.
    #[error("cannot make a certificate; are the names of --webhook-names host names or addresses?")]
    Make(#[from] rcgen::Error),
    /// It cannot be read.
    #[error("cannot read the {what}: {problem}")]
    Read {
        /// Certificate or key.
        what: &'static str,
        /// Why not.
        problem: String,
    },
    /// The key is another's.
    #[error("the key does not belong to the certificate")]
    Mismatch(#[source] rustls::Error),
}

/// A certificate for the server, its key, and the authority that signed it, each as PEM.
#[derive(Clone, PartialEq, Eq)]
pub struct Pair {
    /// The authority, which clients trust. Empty where that is somebody else's affair.
    pub authority: String,
    /// What the server shows.
    pub certificate: String,
    /// The key of it.
    pub key: String,
}

impl Debug for Pair {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pair").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// What stands in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Read {
    /// The end of its validity.
    pub expires: Timestamp,
    /// Host names and addresses.
    pub names: BTreeSet<String>,
}

impl Pair {
    /// A new authority and a certificate that it has signed, valid for `life` from `now` on. The authority's key is
    /// forgotten: it will never sign another.
    ///
    /// # Errors
    /// A name is none.
    pub fn issue(names: &[String], now: Timestamp, life: Duration) -> Result<Self, Error> {
        let valid = |params: &mut CertificateParams| {
            params.not_before = (SystemTime::from(now) - BACKDATED).into();
            params.not_after = (SystemTime::from(now) + life).into();
        };
        let mut authority = CertificateParams::default();
        valid(&mut authority);
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        authority.distinguished_name.push(DnType::CommonName, format!("tailor-webhook {now:.0}"));
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate()?)?;
        let mut server = CertificateParams::new(names)?;
        valid(&mut server);
        server.use_authority_key_identifier_extension = true;
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.distinguished_name.push(DnType::CommonName, "tailor-webhook");
        let key = KeyPair::generate()?;
        let certificate = server.signed_by(&key, &authority)?.pem();
        Ok(Self { authority: authority.pem(), certificate, key: key.serialize_pem() })
    }

    /// What stands in the certificate.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<Read, Error> {
        let failed = |problem: String| Error::Read { what: "certificate", problem };
        let first = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        let first = first.map_err(|error| failed(error.to_string()))?;
        let (_, read) = X509Certificate::from_der(&first).map_err(|error| failed(error.to_string()))?;
        let names = read.subject_alternative_name().map_err(|error| failed(error.to_string()))?;
        let names = names.iter().flat_map(|names| &names.value.general_names).filter_map(name);
        let expires = Timestamp::from_second(read.validity().not_after.timestamp());
        Ok(Read { expires: expires.map_err(|error| failed(error.to_string()))?, names: names.collect() })
    }

    /// As rustls takes it.
    ///
    /// # Errors
    /// Something cannot be read, or the key is another's.
    pub fn certified(&self) -> Result<CertifiedKey, Error> {
        let chain = certificates(&self.certificate)?;
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes())
            .map_err(|error| Error::Read { what: "key", problem: error.to_string() })?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(Error::Mismatch)
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// All certificates in a PEM text; at least one.
///
/// # Errors
/// There is none, or one cannot be read.
pub fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let failed = |problem: String| Error::Read { what: "certificate", problem };
    let all = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    match all.map_err(|error| failed(error.to_string()))? {
        none if none.is_empty() => Err(failed("there is no PEM block of one".to_owned())),
        all => Ok(all),
    }
}

/// What the server shows to those who connect. It is swapped while connections last.
#[derive(Debug, Default)]
pub struct Shown(RwLock<Option<Arc<CertifiedKey>>>);

impl Shown {
    /// Shows this from now on.
    pub fn show(&self, key: CertifiedKey) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(key));
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What a server on this machine shows that no authority but its own vouches for, and that authority as PEM.
///
/// # Errors
/// The name is none.
pub fn for_oneself(name: &str) -> Result<(Arc<Shown>, String), io::Error> {
    let pair = Pair::issue(&[name.to_owned()], Timestamp::now(), Duration::from_hours(24 * 365));
    let pair = pair.map_err(io::Error::other)?;
    let shown = Shown::default();
    shown.show(pair.certified().map_err(io::Error::other)?);
    Ok((Arc::new(shown), pair.authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const DAY: Duration = Duration::from_hours(24);

    fn names() -> [String; 2] {
        ["tailor.tailor-system.svc".to_owned(), "127.0.0.1".to_owned()]
    }

    #[test]
    fn what_was_issued_reads_back() {
        let pair = Pair::issue(&names(), NOW, DAY).unwrap();
        let read = pair.read().unwrap();
        assert_eq!(read, Read { expires: NOW + DAY, names: BTreeSet::from(names()) });
        assert_eq!(certificates(&pair.authority).unwrap().len(), 1);
        assert!(pair.certified().is_ok());
    }

    #[test]
    fn no_two_authorities_are_one() {
        let [one, other] = [NOW, NOW].map(|now| Pair::issue(&names(), now, DAY).unwrap());
        assert_ne!(one.authority, other.authority);
        let mixed = Pair { key: other.key, ..one };
        assert!(matches!(mixed.certified(), Err(Error::Mismatch(_))));
    }

    #[test]
    fn what_is_no_certificate_is_an_error_and_no_key_is_in_it() {
        let pair = Pair { authority: String::new(), certificate: "x".to_owned(), key: "secret".to_owned() };
        assert!(pair.read().is_err() && pair.certified().is_err());
        assert!(!format!("{pair:?} {}", pair.certified().unwrap_err()).contains("secret"));
    }
}
