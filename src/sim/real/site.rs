//! Where one control plane lives: its folder, its ports, its certificates, and how each program is called.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs, io,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::config::{AuthInfo, Cluster, Context, Kubeconfig, NamedAuthInfo, NamedCluster, NamedContext};
use rcgen::KeyPair;

use super::{Assets, ControlPlaneOptions, Error, certificates::Authority, child::Program};

/// One control plane's folder, ports and certificates.
pub(super) struct Site {
    assets: Assets,
    folder: PathBuf,
    authority: Authority,
    port: u16,
    etcd: String,
    admin: PathBuf,
}

/// What cluster and context are called in kubeconfigs.
const NAME: &str = "tailor-rig";

impl Site {
    /// Chooses ports, and writes the certificates of the server into `folder`.
    pub(super) fn prepare(assets: &Assets, folder: &Path) -> Result<Self, Error> {
        let authority = Authority::new()?;
        let [port, etcd] = free_ports()?;
        let etcd = format!("http://127.0.0.1:{etcd}");
        let admin = folder.join("admin.kubeconfig");
        let site = Self { assets: assets.clone(), folder: folder.to_owned(), authority, port, etcd, admin };
        site.write("ca.crt", &site.authority.certificate())?;
        let service_accounts = KeyPair::generate()?;
        site.write("service-accounts.key", &service_accounts.serialize_pem())?;
        site.write("service-accounts.pub", &service_accounts.public_key_pem())?;
        let server = site.authority.server()?;
        site.write("server.crt", &server.certificate)?;
        site.write("server.key", &server.key)?;
        site.write_kubeconfig("admin", Some("system:masters"))?;
        Ok(site)
    }

    pub(super) fn etcd(&self) -> Result<Program, Error> {
        let data = self.path("etcd");
        let flags = [
            flag("data-dir", data.as_os_str()),
            flag("listen-client-urls", &self.etcd),
            flag("advertise-client-urls", &self.etcd),
            flag("listen-peer-urls", "http://127.0.0.1:0"),
            // What it holds is thrown away with it.
            OsString::from("--unsafe-no-fsync"),
        ];
        self.start("etcd", flags.into())
    }

    pub(super) fn api_server(&self, options: &ControlPlaneOptions) -> Result<Program, Error> {
        let issuer = "https://kubernetes.default.svc";
        let mut flags = vec![
            flag("etcd-servers", &self.etcd),
            flag("bind-address", "127.0.0.1"),
            flag("secure-port", self.port.to_string()),
            flag("cert-dir", self.folder.as_os_str()),
            flag("tls-cert-file", self.path("server.crt")),
            flag("tls-private-key-file", self.path("server.key")),
            flag("client-ca-file", self.path("ca.crt")),
            flag("service-account-issuer", issuer),
            flag("service-account-key-file", self.path("service-accounts.pub")),
            flag("service-account-signing-key-file", self.path("service-accounts.key")),
            flag("service-cluster-ip-range", "10.96.0.0/16"),
            flag("authorization-mode", "RBAC"),
            flag("endpoint-reconciler-type", "none"),
        ];
        // Without controllers nobody makes service accounts, and Pods need none.
        let without_accounts = (!options.controllers).then_some("ServiceAccount");
        let disabled = options.disabled_admission.iter().map(String::as_str).chain(without_accounts);
        let disabled = disabled.collect::<Vec<_>>().join(",");
        if !disabled.is_empty() {
            flags.push(flag("disable-admission-plugins", disabled));
        }
        flags.extend(options.api_server_flags.iter().map(OsString::from));
        self.start("kube-apiserver", flags)
    }

    pub(super) fn controller_manager(&self) -> Result<Program, Error> {
        let name = "kube-controller-manager";
        let flags = vec![
            flag("kubeconfig", self.write_kubeconfig(&format!("system:{name}"), None)?),
            flag("service-account-private-key-file", self.path("service-accounts.key")),
            flag("root-ca-file", self.path("ca.crt")),
            flag("use-service-account-credentials", "true"),
            flag("leader-elect", "false"),
            flag("secure-port", "0"),
        ];
        self.start(name, flags)
    }

    pub(super) fn scheduler(&self) -> Result<Program, Error> {
        let name = "kube-scheduler";
        let kubeconfig = self.write_kubeconfig(&format!("system:{name}"), None)?;
        let flags = vec![flag("kubeconfig", kubeconfig), flag("leader-elect", "false"), flag("secure-port", "0")];
        self.start(name, flags)
    }

    /// kubectl as the administrator.
    pub(super) fn kubectl(&self) -> Command {
        let mut command = Command::new(self.assets.path("kubectl"));
        command.env("KUBECONFIG", self.admin()).arg("--cache-dir").arg(self.path("kubectl-cache"));
        command
    }

    /// Where the administrator's kubeconfig is.
    pub(super) fn admin(&self) -> &Path {
        &self.admin
    }

    /// A kubeconfig for `user`, with a certificate of its own.
    pub(super) fn kubeconfig(&self, user: &str, group: Option<&str>) -> Result<Kubeconfig, Error> {
        let pair = self.authority.user(user, group)?;
        let cluster = Cluster {
            server: Some(format!("https://127.0.0.1:{}", self.port)),
            certificate_authority_data: Some(STANDARD.encode(self.authority.certificate())),
            ..Cluster::default()
        };
        let auth_info = AuthInfo {
            client_certificate_data: Some(STANDARD.encode(pair.certificate)),
            client_key_data: Some(STANDARD.encode(pair.key).into()),
            ..AuthInfo::default()
        };
        let context = Context { cluster: NAME.to_owned(), user: Some(user.to_owned()), ..Context::default() };
        Ok(Kubeconfig {
            clusters: vec![NamedCluster { name: NAME.to_owned(), cluster: Some(cluster), other: BTreeMap::new() }],
            auth_infos: vec![NamedAuthInfo {
                name: user.to_owned(),
                auth_info: Some(auth_info),
                other: BTreeMap::new(),
            }],
            contexts: vec![NamedContext { name: NAME.to_owned(), context: Some(context), other: BTreeMap::new() }],
            current_context: Some(NAME.to_owned()),
            kind: Some("Config".to_owned()),
            api_version: Some("v1".to_owned()),
            ..Kubeconfig::default()
        })
    }

    fn write_kubeconfig(&self, user: &str, group: Option<&str>) -> Result<PathBuf, Error> {
        let kubeconfig = self.kubeconfig(user, group)?;
        let text = serde_json::to_string(&kubeconfig).expect("a kubeconfig encodes");
        let name = format!("{}.kubeconfig", user.replace(':', "-"));
        self.write(&name, &text)?;
        Ok(self.path(&name))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.path(name);
        fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))
    }

    fn start(&self, program: &'static str, flags: Vec<OsString>) -> Result<Program, Error> {
        Program::start(program, &self.assets.need(program)?, flags, &self.folder)
    }
}

fn flag(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut flag = OsString::from(format!("--{name}="));
    flag.push(value);
    flag
}

/// Ports that were free a moment ago, and differ from each other.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], Error> {
    let find = || {
        let listeners = [(); N].map(|()| TcpListener::bind(("127.0.0.1", 0)));
        let mut ports = [0; N];
        for (port, listener) in ports.iter_mut().zip(&listeners) {
            *port = match listener {
                Ok(listener) => listener.local_addr()?.port(),
                Err(error) => return Err(io::Error::new(error.kind(), error.to_string())),
            };
        }
        Ok(ports)
    };
    find().map_err(Error::io("find free ports on 127.0.0.1"))
}
