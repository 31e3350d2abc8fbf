//! A Prometheus that is reached by TLS, and asks for a certificate. It has no bearer tokens: those are shown against a
//! stand-in.

use std::fs;

use tailor::{
    sim::real::{Authority, Pair},
    usage::{
        Error, UsageSource,
        prometheus::{Access, ClientFiles, Queries},
    },
};

use super::*;

fn put(folder: &Path, name: &str, Pair { certificate, key }: &Pair) -> ClientFiles {
    let files =
        ClientFiles { certificate: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) };
    fs::write(&files.certificate, certificate).unwrap();
    fs::write(&files.key, key).unwrap();
    files
}

#[tokio::test]
async fn it_is_trusted_by_its_authority_alone_and_takes_a_certificate_that_may_be_exchanged() {
    let Some(assets) = programs() else { return };
    let (folder, authority, other) = (folder(), Authority::new().unwrap(), Authority::new().unwrap());
    let ca_file = folder.path().join("ca.crt");
    fs::write(&ca_file, authority.certificate()).unwrap();
    put(folder.path(), "server", &authority.server().unwrap());
    let web = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_auth_type: \
               RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n";
    let options =
        PrometheusOptions { config: IDLE.to_owned(), web_config: Some(web.to_owned()), ..PrometheusOptions::default() };
    let server =
        PrometheusServer::start(&assets, folder.path(), options).await.unwrap_or_else(|error| panic!("{error}"));

    let to = |access: Access| {
        let queries = Queries { cpu: QUARTER.to_owned(), ..Queries::default() };
        let settings = Settings { queries, access, ..Settings::default() };
        Prometheus::new(&format!("https://127.0.0.1:{}", server.port()), settings, Clock::System).unwrap()
    };
    let client = put(folder.path(), "client", &authority.user("tailor", None).unwrap());
    let full = Access { ca_file: Some(ca_file), client: Some(client), ..Access::default() };
    let unreachable = |read: Result<_, Error>| matches!(read, Err(Error::Unreachable { .. }));
    assert!(unreachable(to(Access { ca_file: None, ..full.clone() }).samples().await), "nobody vouches for the server");
    assert!(unreachable(to(Access { client: None, ..full.clone() }).samples().await), "nobody vouches for Tailor");

    let source = to(full);
    assert_eq!(source.samples().await.unwrap()[0].cpu, Some(quarter()));
    put(folder.path(), "client", &other.user("tailor", None).unwrap());
    assert!(unreachable(source.samples().await), "a certificate of another authority");
    put(folder.path(), "client", &authority.user("tailor", None).unwrap());
    assert_eq!(source.samples().await.unwrap()[0].cpu, Some(quarter()));
}
