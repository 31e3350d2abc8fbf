//! Starts the programs, and waits until they serve.

use std::{path::Path, process::Command, time::Duration};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{
    Api, Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use tempfile::TempDir;
use tokio::time::Instant;

use super::{Assets, Error, child::Program, metrics_server, site::Site};
use crate::tls;

/// A server on a busy machine needs longer than one on an idle one, which needs three seconds.
const READY_WITHIN: Duration = Duration::from_mins(2);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct ControlPlaneOptions {
    /// Also kube-controller-manager, and with it service accounts.
    pub controllers: bool,
    /// Also kube-scheduler.
    pub scheduler: bool,
    /// Admission plugins of kube-apiserver that are not to run, by name.
    pub disabled_admission: Vec<String>,
    /// Also metrics-server, which serves `metrics.k8s.io`.
    pub metrics_server: bool,
    /// Given to kube-apiserver after its other flags.
    pub api_server_flags: Vec<String>,
}

/// A running control plane. It ends when it is dropped, and leaves nothing behind.
pub struct ControlPlane {
    /// Ended before their folder goes.
    programs: Vec<Program>,
    site: Site,
    config: Config,
    _folder: TempDir,
}

impl ControlPlane {
    /// Starts what `options` ask for, and waits until it serves. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// A program is missing, ends, or is not ready within two minutes; the end of its log is in the error.
    pub async fn start(assets: &Assets, options: ControlPlaneOptions) -> Result<Self, Error> {
        tls::use_ring();
        let folder = tempfile::tempdir().map_err(Error::io("make a temporary folder"))?;
        let site = Site::prepare(assets, folder.path())?;
        let admin = Kubeconfig::read_from(site.admin()).map_err(|error| Error::Client(Box::new(error)))?;
        let config = Config::from_custom_kubeconfig(admin, &KubeConfigOptions::default()).await;
        let config = config.map_err(|error| Error::Client(Box::new(error)))?;
        let programs = vec![site.etcd()?, site.api_server(&options)?];
        let mut plane = Self { programs, site, config, _folder: folder };
        plane.wait_for_server().await?;
        if options.controllers {
            plane.programs.push(plane.site.controller_manager()?);
            plane.wait_for_service_accounts().await?;
        }
        if options.scheduler {
            plane.programs.push(plane.site.scheduler()?);
        }
        if options.metrics_server {
            let client = plane.client();
            plane.programs.push(metrics_server::start(&plane.site, &client).await?);
            plane.wait_for_metrics().await?;
        }
        Ok(plane)
    }

    /// A client that may do everything.
    pub fn client(&self) -> Client {
        client(self.config.clone())
    }

    /// A client that may do what `user` may who is in `groups`: requests are impersonated, so that RBAC applies.
    pub fn client_as(&self, user: &str, groups: &[&str]) -> Client {
        let mut config = self.config.clone();
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.iter().map(|&group| group.to_owned()).collect());
        client(config)
    }

    /// How [`ControlPlane::client`] connects.
    pub fn config(&self) -> Config {
        self.config.clone()
    }

    /// A kubeconfig of one who may do everything.
    pub fn kubeconfig(&self) -> &Path {
        self.site.admin()
    }

    /// The rig's kubectl, as one who may do everything.
    pub fn kubectl(&self) -> Command {
        self.site.kubectl()
    }

    async fn wait_for_server(&mut self) -> Result<(), Error> {
        let client = self.client();
        self.wait("kube-apiserver", "the API server", async || {
            let request = http::Request::get("/readyz").body(Vec::new()).expect("a path makes a request");
            client.request_text(request).await.is_ok()
        })
        .await
    }

    async fn wait_for_service_accounts(&mut self) -> Result<(), Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client(), "default");
        self.wait("kube-controller-manager", "the default service account", async || {
            accounts.get_opt("default").await.is_ok_and(|account| account.is_some())
        })
        .await
    }

    async fn wait_for_metrics(&mut self) -> Result<(), Error> {
        // It is asked again here, and not before it has been seen to run.
        let mut config = self.config.clone();
        config.default_retry = false;
        let client = client(config);
        self.wait(metrics_server::NAME, "metrics.k8s.io", async || {
            let request = http::Request::get("/apis/metrics.k8s.io/v1beta1").body(Vec::new());
            client.request_text(request.expect("a path makes a request")).await.is_ok()
        })
        .await
    }

    async fn wait(
        &mut self,
        program: &'static str,
        what: &'static str,
        mut holds: impl AsyncFnMut() -> bool,
    ) -> Result<(), Error> {
        let began = Instant::now();
        while !holds().await {
            self.programs.iter_mut().try_for_each(Program::check)?;
            if began.elapsed() > READY_WITHIN {
                let log = self.programs.iter().find(|running| running.name() == program).map(Program::log);
                return Err(Error::NotReady { what, after: READY_WITHIN, program, log: log.unwrap_or_default() });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }
}

fn client(config: Config) -> Client {
    Client::try_from(config).expect("a kubeconfig of our own making gives a client")
}
