//! How the server is reached: whom Tailor trusts, and what it shows of itself. Files are read again for every reading of
//! usage, so that what rotates them need not restart Tailor.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use prometheus_http_query::Client;
use reqwest::{Certificate, Identity, Url};

use crate::usage::Error;

/// What the server asks of who reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access {
    /// A file with a bearer token, or with all of an `Authorization` header (`Basic …`).
    pub token_file: Option<PathBuf>,
    /// A PEM file with the authorities that the server's certificate may be signed by; the system's own if none.
    pub ca_file: Option<PathBuf>,
    /// PEM files with the client's certificate and key.
    pub client: Option<ClientFiles>,
    /// Sent with every request.
    pub headers: HeaderMap,
}

/// A certificate and its key, as files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientFiles {
    /// The certificate, and those between it and its authority.
    pub certificate: PathBuf,
    /// The key.
    pub key: PathBuf,
}

/// What the files of TLS hold.
#[derive(Default, PartialEq, Eq)]
struct Pem {
    authorities: Option<Vec<u8>>,
    /// Certificate and key, one after the other.
    identity: Option<Vec<u8>>,
}

/// A server, and how to reach it.
pub(super) struct Connection {
    url: String,
    name: String,
    access: Access,
    timeout: Duration,
    /// Made again when a file has changed.
    client: Mutex<Option<(Pem, Client)>>,
}

impl Connection {
    /// Nothing is sent yet, but everything is read once, so that a wrong path ends the start.
    pub(super) fn new(url: &str, access: Access, timeout: Duration) -> Result<Self, Error> {
        let no_source = |problem: String| Error::NoSource { problem };
        let parsed = Url::parse(url).map_err(|error| no_source(format!("`{url}` is no URL: {error}")))?;
        if !parsed.username().is_empty() || parsed.password().is_some() {
            let problem = "the URL holds a name or a password, which logs would show; write them into a file";
            return Err(no_source(problem.to_owned()));
        }
        if !matches!(parsed.scheme(), "http" | "https") || parsed.query().is_some() || parsed.fragment().is_some() {
            return Err(no_source(format!("`{url}` must be http:// or https://, a host and perhaps a path")));
        }
        let url = parsed.as_str().trim_end_matches('/').to_owned();
        let connection = Self { name: format!("Prometheus at {url}"), url, access, timeout, client: Mutex::default() };
        connection.client()?;
        connection.headers()?;
        Ok(connection)
    }

    /// For messages.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// A client that trusts and shows what the files say now.
    pub(super) fn client(&self) -> Result<Client, Error> {
        let pem = self.pem()?;
        let mut current = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        match current.as_ref() {
            Some((known, client)) if *known == pem => Ok(client.clone()),
            _ => {
                let client = self.make(&pem)?;
                *current = Some((pem, client.clone()));
                Ok(client)
            }
        }
    }

    fn pem(&self) -> Result<Pem, Error> {
        let authorities = self.access.ca_file.as_deref().map(|file| self.read(file)).transpose()?;
        let identity = self.access.client.as_ref().map(|ClientFiles { certificate, key }| {
            let mut both = self.read(certificate)?;
            both.push(b'\n');
            both.extend(self.read(key)?);
            Ok(both)
        });
        Ok(Pem { authorities, identity: identity.transpose()? })
    }

    fn make(&self, pem: &Pem) -> Result<Client, Error> {
        // Redirects are off: the server's answer must not choose whom Tailor talks to.
        let mut builder = reqwest::Client::builder().timeout(self.timeout).redirect(reqwest::redirect::Policy::none());
        if let Some(authorities) = &pem.authorities {
            let authorities = Certificate::from_pem_bundle(authorities)
                .map_err(|error| self.unreachable(error))
                .and_then(|all| if all.is_empty() { Err(self.unreachable(no_certificate())) } else { Ok(all) })?;
            builder = builder.tls_certs_only(authorities);
        }
        if let Some(identity) = &pem.identity {
            builder = builder.identity(Identity::from_pem(identity).map_err(|error| self.unreachable(error))?);
        }
        let http = builder.build().map_err(|error| self.unreachable(error))?;
        Client::from(http, &self.url).map_err(|error| self.unreachable(error))
    }

    /// What is sent with every request.
    pub(super) fn headers(&self) -> Result<HeaderMap, Error> {
        let mut headers = self.access.headers.clone();
        let Some(file) = &self.access.token_file else { return Ok(headers) };
        let content = self.read(file)?;
        let content = content.trim_ascii();
        let scheme: &[u8] = if content.contains(&b' ') { b"" } else { b"Bearer " };
        let value = Some([scheme, content].concat()).filter(|_| !content.is_empty());
        let value = value.and_then(|value| HeaderValue::from_bytes(&value).ok());
        let mut value = value.ok_or_else(|| {
            let problem = format!("{} holds no token that could be sent", file.display());
            self.unreachable(io::Error::new(io::ErrorKind::InvalidData, problem))
        })?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
        Ok(headers)
    }

    fn read(&self, file: &Path) -> Result<Vec<u8>, Error> {
        fs::read(file).map_err(|error| {
            self.unreachable(io::Error::new(error.kind(), format!("cannot read {}: {error}", file.display())))
        })
    }

    pub(super) fn unreachable(&self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Unreachable { source_name: self.name.clone(), source: source.into() }
    }
}

fn no_certificate() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "there is no certificate in the file of authorities")
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn to(url: &str, access: Access) -> Result<Connection, Error> {
        crate::tls::use_ring();
        Connection::new(url, access, Duration::from_secs(1))
    }

    #[rstest]
    #[case::plain("http://prometheus:9090", true)]
    #[case::with_a_path("https://mimir/prometheus/", true)]
    #[case::no_url("prometheus", false)]
    #[case::another_scheme("ftp://prometheus", false)]
    #[case::a_password("http://u:canary@prometheus", false)]
    #[case::a_query("http://prometheus?dedup=true", false)]
    fn urls_that_cannot_be_meant_are_refused(#[case] url: &str, #[case] is_fine: bool) {
        let made = to(url, Access::default());
        assert_eq!(made.is_ok(), is_fine);
        assert!(made.err().is_none_or(|error| !format!("{error} {error:?}").contains("canary")));
    }

    #[test]
    fn a_token_is_read_again_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let access = Access { token_file: Some(file.clone()), ..Access::default() };
        assert!(to("http://p", access.clone()).is_err(), "there is no such file");
        fs::write(&file, "canary\n").unwrap();
        let connection = to("http://p", access).unwrap();
        let sent = || connection.headers().unwrap()[AUTHORIZATION].clone();
        assert_eq!(sent().as_bytes(), b"Bearer canary");
        assert!(!format!("{:?}", connection.headers()).contains("canary"));
        fs::write(&file, "Basic Y2FuYXJ5").unwrap();
        assert_eq!(sent().as_bytes(), b"Basic Y2FuYXJ5");
        for odd in ["", " \n", "a\nb"] {
            fs::write(&file, odd).unwrap();
            assert!(connection.headers().is_err(), "{odd:?}");
        }
    }

    #[test]
    fn files_that_are_no_certificates_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        fs::write(&file, "nothing").unwrap();
        assert!(to("https://p", Access { ca_file: Some(file.clone()), ..Access::default() }).is_err());
        let client = Some(ClientFiles { certificate: file.clone(), key: file });
        assert!(to("https://p", Access { client, ..Access::default() }).is_err());
    }
}
