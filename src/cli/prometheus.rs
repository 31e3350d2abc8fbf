//! Settings of the Prometheus that usage is read from.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::anyhow;
use http::{HeaderMap, HeaderName, HeaderValue};
use kube::Client;

use crate::{
    clock::Clock,
    usage::{
        UsageSource,
        prometheus::{
            Access, Caps, ClientFiles, Labels, Prometheus, Queries, Settings,
            discovery::{self, Discovered},
        },
    },
};

/// Which server, what it is asked, and what it is shown. In a query `$selector`, `$by` and `$window` are filled in.
#[derive(Clone, Debug, clap::Args)]
pub struct PrometheusArgs {
    /// Reads usage from this Prometheus-compatible server. Without, one is looked for in the cluster.
    #[arg(long, env = "TAILOR_PROMETHEUS_URL", value_name = "URL")]
    prometheus_url: Option<String>,
    /// Where a Service of a Prometheus is looked for if no URL is given: `all` namespaces, one by its name, or `off`.
    #[arg(long, env = "TAILOR_PROMETHEUS_DISCOVERY", value_name = "WHERE", default_value = "all", value_parser = place)]
    prometheus_discovery: Place,
    /// PromQL for CPU in cores, in place of the one for cAdvisor.
    #[arg(long, env = "TAILOR_PROMETHEUS_CPU_QUERY", value_name = "PROMQL")]
    prometheus_cpu_query: Option<String>,
    /// PromQL for memory in bytes, in place of the one for cAdvisor.
    #[arg(long, env = "TAILOR_PROMETHEUS_MEMORY_QUERY", value_name = "PROMQL")]
    prometheus_memory_query: Option<String>,
    /// PromQL for the throttled share of CFS periods; an empty one asks for none.
    #[arg(long, env = "TAILOR_PROMETHEUS_THROTTLED_QUERY", value_name = "PROMQL")]
    prometheus_throttled_query: Option<String>,
    /// PromQL for the share of time with work but no CPU (PSI); an empty one asks for none.
    #[arg(long, env = "TAILOR_PROMETHEUS_CPU_PRESSURE_QUERY", value_name = "PROMQL")]
    prometheus_cpu_pressure_query: Option<String>,
    /// PromQL for the share of time in which all work waited for memory (PSI); an empty one asks for none.
    #[arg(long, env = "TAILOR_PROMETHEUS_MEMORY_PRESSURE_QUERY", value_name = "PROMQL")]
    prometheus_memory_pressure_query: Option<String>,
    /// PromQL for the number of processes killed for memory; an empty one asks for none.
    #[arg(long, env = "TAILOR_PROMETHEUS_OOM_QUERY", value_name = "PROMQL")]
    prometheus_oom_query: Option<String>,
    /// The label that names the namespace.
    #[arg(long, env = "TAILOR_PROMETHEUS_NAMESPACE_LABEL", value_name = "LABEL", default_value = "namespace")]
    prometheus_namespace_label: String,
    /// The label that names the Pod.
    #[arg(long, env = "TAILOR_PROMETHEUS_POD_LABEL", value_name = "LABEL", default_value = "pod")]
    prometheus_pod_label: String,
    /// The label that names the container.
    #[arg(long, env = "TAILOR_PROMETHEUS_CONTAINER_LABEL", value_name = "LABEL", default_value = "container")]
    prometheus_container_label: String,
    /// More matchers for every query, such as `cluster="a"` where one server knows several clusters.
    #[arg(long, env = "TAILOR_PROMETHEUS_MATCHERS", value_name = "MATCHERS", default_value = "")]
    prometheus_matchers: String,
    /// Seconds that a value speaks of. At least two scrapes must fall into them; nothing older counts.
    #[arg(long, env = "TAILOR_PROMETHEUS_WINDOW", value_name = "SECONDS", default_value_t = 120)]
    #[arg(value_parser = clap::value_parser!(u64).range(2..=3_600))]
    prometheus_window: u64,
    /// Seconds that a query may take.
    #[arg(long, env = "TAILOR_PROMETHEUS_TIMEOUT", value_name = "SECONDS", default_value_t = 30)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=90))]
    prometheus_timeout: u64,
    /// Series that are read of one answer. Queries whose answers have more are split by Pod.
    #[arg(long, env = "TAILOR_PROMETHEUS_MAX_SERIES", value_name = "NUMBER", default_value_t = 50_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    prometheus_max_series: u32,
    /// A file with a bearer token, or a whole `Basic ...`; read again for each reading.
    #[arg(long, env = "TAILOR_PROMETHEUS_TOKEN_FILE", value_name = "FILE", requires = "prometheus_url")]
    prometheus_token_file: Option<PathBuf>,
    /// A PEM file with the authorities that the server's certificate may be signed by, in place of the system's.
    #[arg(long, env = "TAILOR_PROMETHEUS_CA_FILE", value_name = "FILE", requires = "prometheus_url")]
    prometheus_ca_file: Option<PathBuf>,
    /// A PEM file with the certificate that is shown to the server.
    #[arg(long, env = "TAILOR_PROMETHEUS_CLIENT_CERT_FILE", value_name = "FILE")]
    #[arg(requires = "prometheus_client_key_file", requires = "prometheus_url")]
    prometheus_client_cert_file: Option<PathBuf>,
    /// A PEM file with the key of that certificate.
    #[arg(long, env = "TAILOR_PROMETHEUS_CLIENT_KEY_FILE", value_name = "FILE")]
    #[arg(requires = "prometheus_client_cert_file")]
    prometheus_client_key_file: Option<PathBuf>,
    /// Sent with every query, such as `X-Scope-OrgID: tenant`. May be given several times.
    #[arg(long, env = "TAILOR_PROMETHEUS_HEADER", value_name = "NAME: VALUE", value_parser = header)]
    #[arg(requires = "prometheus_url")]
    prometheus_header: Vec<Header>,
}

/// Where to look for a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Nowhere,
    Everywhere,
    In(String),
}

fn place(text: &str) -> Result<Place, String> {
    let is_name = |text: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=63).contains(&text.len()) && text.chars().all(inner)
    };
    match text {
        "off" => Ok(Place::Nowhere),
        "all" => Ok(Place::Everywhere),
        text if is_name(text) => Ok(Place::In(text.to_owned())),
        _ => Err("write all, off, or the name of a namespace".to_owned()),
    }
}

/// A header. Its value may be a secret, and is not shown.
#[derive(Clone, Debug)]
struct Header(HeaderName, HeaderValue);

fn header(text: &str) -> Result<Header, String> {
    let (name, value) = text.split_once(':').ok_or("write a name, a colon and a value")?;
    let name = name.trim().parse().map_err(|_| "the name is none of a header")?;
    let mut value: HeaderValue = value.trim().parse().map_err(|_| "the value cannot be sent in a header")?;
    value.set_sensitive(true);
    Ok(Header(name, value))
}

impl PrometheusArgs {
    /// What one setting asks of another.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let queries = [
            &self.prometheus_cpu_query,
            &self.prometheus_memory_query,
            &self.prometheus_throttled_query,
            &self.prometheus_cpu_pressure_query,
            &self.prometheus_memory_pressure_query,
            &self.prometheus_oom_query,
        ];
        let asks_nobody = self.prometheus_url.is_none() && self.prometheus_discovery == Place::Nowhere;
        if asks_nobody && queries.iter().any(|query| query.is_some()) {
            return Err(anyhow!("a PromQL query needs a server to send it to; set --prometheus-url too"));
        }
        Ok(())
    }

    /// The source that the settings ask for: the server that they name, or else the one that is found. `None` if there
    /// is none. `namespace` is the one that Tailor is confined to.
    ///
    /// # Errors
    /// The settings cannot be used.
    pub(super) async fn source(
        &self,
        client: &Client,
        namespace: Option<&str>,
        step: Duration,
    ) -> anyhow::Result<Option<Arc<dyn UsageSource>>> {
        let settings = self.settings(step);
        if let Some(url) = &self.prometheus_url {
            return Ok(Some(Arc::new(Prometheus::new(url, settings, Clock::System)?)));
        }
        let within = match &self.prometheus_discovery {
            Place::Nowhere => return Ok(None),
            Place::Everywhere => namespace,
            Place::In(namespace) => Some(namespace.as_str()),
        };
        match discovery::find(client, within).await {
            Ok(Some(_)) => Ok(Some(Arc::new(Discovered::new(client.clone(), within, settings, Clock::System)?))),
            Ok(None) => Ok(None),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "no Prometheus is looked for any more; name one by --prometheus-url");
                Ok(None)
            }
        }
    }

    fn settings(&self, step: Duration) -> Settings {
        let or = |own: &Option<String>, default: String| own.clone().unwrap_or(default);
        let defaults = Queries::default();
        let queries = Queries {
            cpu: or(&self.prometheus_cpu_query, defaults.cpu),
            memory: or(&self.prometheus_memory_query, defaults.memory),
            throttled: or(&self.prometheus_throttled_query, defaults.throttled),
            cpu_pressure: or(&self.prometheus_cpu_pressure_query, defaults.cpu_pressure),
            memory_pressure: or(&self.prometheus_memory_pressure_query, defaults.memory_pressure),
            oom_events: or(&self.prometheus_oom_query, defaults.oom_events),
        };
        let labels = Labels {
            namespace: self.prometheus_namespace_label.clone(),
            pod: self.prometheus_pod_label.clone(),
            container: self.prometheus_container_label.clone(),
        };
        let files = self.prometheus_client_cert_file.clone().zip(self.prometheus_client_key_file.clone());
        let headers = self.prometheus_header.iter().cloned().map(|Header(name, value)| (name, value));
        let mut all = HeaderMap::new();
        headers.for_each(|(name, value)| _ = all.append(name, value));
        let access = Access {
            token_file: self.prometheus_token_file.clone(),
            ca_file: self.prometheus_ca_file.clone(),
            client: files.map(|(certificate, key)| ClientFiles { certificate, key }),
            headers: all,
        };
        let series = usize::try_from(self.prometheus_max_series).expect("at most a million");
        Settings {
            queries,
            labels,
            matchers: self.prometheus_matchers.clone(),
            window: Duration::from_secs(self.prometheus_window),
            timeout: Duration::from_secs(self.prometheus_timeout),
            step,
            caps: Caps { series, ..Caps::default() },
            access,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::cli::settings::parsed;

    const URL: &str = "--prometheus-url=http://p";

    #[rstest]
    #[case::query_without_server(&["--prometheus-cpu-query=up", "--prometheus-discovery=off"], false)]
    #[case::query_for_a_server_to_be_found(&["--prometheus-cpu-query=up"], true)]
    #[case::query_with_server(&["--prometheus-cpu-query=up", "--prometheus-discovery=off", URL], true)]
    #[case::token_for_a_server_to_be_found(&["--prometheus-token-file=t"], false)]
    #[case::header_for_a_server_to_be_found(&["--prometheus-header=A: b"], false)]
    #[case::token_with_server(&["--prometheus-token-file=t", URL], true)]
    #[case::certificate_without_key(&["--prometheus-client-cert-file=c", URL], false)]
    #[case::certificate_and_key(&["--prometheus-client-cert-file=c", "--prometheus-client-key-file=k", URL], true)]
    #[case::header_without_colon(&["--prometheus-header=canary", URL], false)]
    #[case::two_headers(&["--prometheus-header=X-Scope-OrgID: a", "--prometheus-header=B: c:d", URL], true)]
    #[case::in_a_namespace(&["--prometheus-discovery=monitoring"], true)]
    #[case::in_no_namespace(&["--prometheus-discovery=Monitoring/x"], false)]
    #[case::too_short_a_window(&["--prometheus-window=1"], false)]
    fn settings_that_do_not_go_together_are_refused(#[case] flags: &[&str], #[case] accepted: bool) {
        let checked = parsed::<PrometheusArgs>(flags).and_then(|args| args.check().map_err(|error| error.to_string()));
        assert_eq!(checked.is_ok(), accepted, "{checked:?}");
    }

    #[test]
    fn what_is_not_set_is_the_librarys_default() {
        let settings = parsed::<PrometheusArgs>(&[]).unwrap().settings(Duration::from_mins(1));
        assert_eq!(settings, Settings::default());
    }

    #[test]
    fn headers_are_sent_and_not_shown() {
        let args = parsed::<PrometheusArgs>(&["--prometheus-header=X-Scope-OrgID: canary", URL]).unwrap();
        assert!(!format!("{args:?}").contains("canary"));
        let headers = args.settings(Duration::from_mins(1)).access.headers;
        assert_eq!(headers["x-scope-orgid"], "canary");
    }
}
