//! One replica of Tailor's webhook, in this process.

use std::{net::SocketAddr, sync::Arc};

use kube::Client;
use tailor::{
    actuate::Replacements,
    clock::Clock,
    controller::{Controller, NoJournal, Options as ControllerOptions, Parts},
    plan::NewPods,
    usage::metrics_api::MetricsApi,
    webhook::{self, Options, Source, Webhook, keeper::Objects, rotation::Lives, server::Bounds},
};

pub struct Replica {
    pub webhook: Webhook,
    pub replacements: Replacements,
}

impl Replica {
    /// Ready from the start: it covers no Pod, and so has nothing to learn.
    pub async fn start(client: &Client, lives: Lives) -> Self {
        let parts = Parts {
            client: client.clone(),
            source: Arc::new(MetricsApi::new(client.clone(), Clock::System, None)),
            clock: Clock::System,
            journal: Arc::new(NoJournal),
            options: ControllerOptions { new_pods: NewPods::UnsizedNow, ..ControllerOptions::default() },
        };
        let objects = Objects {
            namespace: "tailor-system".to_owned(),
            secret: "tailor-webhook".to_owned(),
            configuration: "tailor".to_owned(),
            names: vec!["127.0.0.1".to_owned()],
            lives,
        };
        let options = Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            namespace: "tailor-system".to_owned(),
            lease: "tailor".to_owned(),
            configuration: "tailor".to_owned(),
            source: Source::Own(objects),
            bounds: Bounds::default(),
        };
        let controller = Controller::new(parts);
        controller.health().is_ready_now();
        let webhook = webhook::start(&controller, client.clone(), Clock::System, options).await.unwrap();
        Self { webhook, replacements: controller.replacements() }
    }
}
