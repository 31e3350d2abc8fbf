//! The settings of admission: what gives new Pods their size, and with which certificate.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::anyhow;

use crate::{
    plan::NewPods,
    webhook::{Options, Source, files::Files, keeper::Objects, rotation::Lives, server::Bounds},
};

/// What gives new Pods their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Nothing does, and so no Pod is evicted for its size.
    #[default]
    Off,
    /// A mutating webhook, served by each replica.
    Webhook,
}

/// The settings of admission.
#[derive(Clone, Debug, clap::Args)]
// Each of two groups would be called `Args`.
#[group(skip)]
pub struct Args {
    /// What gives new Pods their size. While nothing does, no Pod is evicted for its size.
    #[arg(long, env = "TAILOR_ADMISSION", value_enum, default_value_t)]
    admission: Kind,
    /// Serves the webhook here.
    #[arg(long, env = "TAILOR_WEBHOOK_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:9443")]
    webhook_listen: SocketAddr,
    /// The name of the MutatingWebhookConfiguration, whose caBundle Tailor keeps.
    #[arg(long, env = "TAILOR_WEBHOOK_CONFIGURATION", value_name = "NAME", default_value = "tailor")]
    webhook_configuration: String,
    /// The Service that the API server finds the webhook by, in the namespace of the lease.
    #[arg(long, env = "TAILOR_WEBHOOK_SERVICE", value_name = "NAME", default_value = "tailor")]
    webhook_service: String,
    /// Host names and addresses in the certificate, in place of that of the Service.
    #[arg(long, env = "TAILOR_WEBHOOK_NAMES", value_name = "NAMES", value_delimiter = ',')]
    webhook_names: Vec<String>,
    /// The Secret that replicas share the certificate by, in the namespace of the lease.
    #[arg(long, env = "TAILOR_WEBHOOK_SECRET", value_name = "NAME", default_value = "tailor-webhook")]
    webhook_secret: String,
    /// A certificate that others keep, as PEM; it is read again when it changes. Tailor then keeps neither Secret nor caBundle.
    #[arg(long, env = "TAILOR_WEBHOOK_CERTIFICATE", value_name = "FILE")]
    webhook_certificate: Option<PathBuf>,
    /// The key of that certificate, as PEM.
    #[arg(long, env = "TAILOR_WEBHOOK_KEY", value_name = "FILE")]
    webhook_key: Option<PathBuf>,
}

impl Args {
    /// What one setting asks of another.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        match (&self.webhook_certificate, &self.webhook_key) {
            (Some(_), None) => Err(anyhow!("--webhook-certificate has no key; set --webhook-key too")),
            (None, Some(_)) => Err(anyhow!("--webhook-key has no certificate; set --webhook-certificate too")),
            (Some(_), Some(_)) if !self.webhook_names.is_empty() => Err(anyhow!(
                "--webhook-names is for a certificate that Tailor makes; leave it out with --webhook-certificate"
            )),
            _ => Ok(()),
        }
    }

    /// What new Pods get until more is known.
    pub(super) fn new_pods(&self) -> NewPods {
        match self.admission {
            Kind::Off => NewPods::Unsized,
            Kind::Webhook => NewPods::UnsizedNow,
        }
    }

    /// How the webhook is served, if it is; `namespace` and `lease` are those of the lease.
    pub(super) fn webhook(&self, namespace: &str, lease: &str) -> Option<Options> {
        let files = self.webhook_certificate.clone().zip(self.webhook_key.clone());
        let source = match files {
            Some((certificate, key)) => Source::Files(Files { certificate, key }),
            None => Source::Own(Objects {
                namespace: namespace.to_owned(),
                secret: self.webhook_secret.clone(),
                configuration: self.webhook_configuration.clone(),
                names: self.names(namespace),
                lives: Lives::default(),
            }),
        };
        (self.admission == Kind::Webhook).then(|| Options {
            listen: self.webhook_listen,
            namespace: namespace.to_owned(),
            lease: lease.to_owned(),
            configuration: self.webhook_configuration.clone(),
            source,
            bounds: Bounds::default(),
        })
    }

    fn names(&self, namespace: &str) -> Vec<String> {
        let service = || vec![format!("{}.{namespace}.svc", self.webhook_service)];
        if self.webhook_names.is_empty() { service() } else { self.webhook_names.clone() }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::cli::settings::parsed;

    #[rstest]
    #[case::no_key(&["--webhook-certificate=a"], false)]
    #[case::no_certificate(&["--webhook-key=a"], false)]
    #[case::names_of_a_given_one(&["--webhook-certificate=a", "--webhook-key=a", "--webhook-names=a"], false)]
    #[case::files(&["--webhook-certificate=a", "--webhook-key=a"], true)]
    #[case::no_such_kind(&["--admission=hook"], false)]
    fn settings_that_do_not_go_together_are_refused(#[case] flags: &[&str], #[case] accepted: bool) {
        let checked = parsed::<Args>(flags).and_then(|args| args.check().map_err(|error| error.to_string()));
        assert_eq!(checked.is_ok(), accepted, "{checked:?}");
    }

    #[test]
    fn nothing_is_sized_and_nothing_served_unless_it_is_asked_for() {
        let args = parsed::<Args>(&[]).unwrap();
        assert_eq!((args.new_pods(), args.webhook("n", "l")), (NewPods::Unsized, None));
    }

    #[test]
    fn the_certificate_is_for_the_service_or_the_names_given() {
        let names = |flags: &[&str]| {
            let args = parsed::<Args>(flags).unwrap();
            let Source::Own(objects) = args.webhook("system", "tailor").unwrap().source else { panic!() };
            objects.names
        };
        assert_eq!(names(&["--admission=webhook"]), ["tailor.system.svc"]);
        assert_eq!(names(&["--admission=webhook", "--webhook-names=a.example,127.0.0.1"]), ["a.example", "127.0.0.1"]);
    }
}
