//! Finding the server in the cluster, by the labels that its charts and operators put on its Service.
//!
//! Who may make a Service with these labels may tell Tailor anything. So nothing secret is ever sent to a server that was
//! found, two that look alike are refused rather than chosen from, and the operator can name a namespace, or a URL.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Service, ServicePort};
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, ObjectList},
};

use super::{Prometheus, Settings};
use crate::{
    clock::Clock,
    usage::{Error, Sample, UsageSource},
};

/// A kind of server, as its Service is labelled.
struct Known {
    labels: &'static str,
    /// Where under the Service's address its API is.
    path: &'static str,
}

const fn known(labels: &'static str) -> Known {
    Known { labels, path: "" }
}

const fn known_at(labels: &'static str, path: &'static str) -> Known {
    Known { labels, path }
}

/// In the order in which they are looked for. A Prometheus goes before what gathers from many: it is this cluster's own.
const KNOWN: [Known; 18] = [
    // The charts kube-prometheus-stack and rancher-monitoring, and what kube-prometheus makes.
    known("app=kube-prometheus-stack-prometheus"),
    known("app=rancher-monitoring-prometheus"),
    known("app.kubernetes.io/name=prometheus,app.kubernetes.io/component=prometheus"),
    // The chart `prometheus` of the Prometheus community, now and formerly.
    known("app.kubernetes.io/name=prometheus,app.kubernetes.io/component=server"),
    known("app=prometheus,component=server"),
    known("app=prometheus-server"),
    // What prometheus-operator itself makes beside each Prometheus.
    known("operated-prometheus=true"),
    // Thanos: the charts, and kube-thanos.
    known("app.kubernetes.io/name=thanos,app.kubernetes.io/component=query-frontend"),
    known("app.kubernetes.io/name=thanos,app.kubernetes.io/component=query"),
    known("app.kubernetes.io/name=thanos-query"),
    // VictoriaMetrics: operator and charts.
    known("app.kubernetes.io/name=vmsingle"),
    known("app.kubernetes.io/name=victoria-metrics-single"),
    known_at("app.kubernetes.io/name=vmselect", "/select/0/prometheus"),
    known_at("app=vmselect", "/select/0/prometheus"),
    // Mimir: its gateway says which tenant is meant, the query frontend must be told.
    known_at("app.kubernetes.io/name=mimir,app.kubernetes.io/component=gateway", "/prometheus"),
    known_at("app.kubernetes.io/name=mimir,app.kubernetes.io/component=nginx", "/prometheus"),
    known_at("app.kubernetes.io/name=mimir,app.kubernetes.io/component=query-frontend", "/prometheus"),
    known_at("app.kubernetes.io/name=mimir,app.kubernetes.io/component=single-binary", "/prometheus"),
];

/// What ports of such Services are called, the best first.
const PORTS: [&str; 7] = ["http-web", "web", "http", "http-query", "http-metrics", "http-metric", "https"];

/// Which numbers they have when they have no name: of Prometheus, Thanos Query, VictoriaMetrics and its vmselect, Mimir.
const NUMBERS: [i32; 6] = [9090, 10902, 8428, 8481, 8080, 80];

/// So many Services of one kind are looked at.
const LOOKED_AT: u32 = 50;

/// Finds the URL of the server, `None` if there is none.
///
/// # Errors
/// Services cannot be listed, or the first kind of which there is a Service has several.
pub async fn find(client: &Client, namespace: Option<&str>) -> Result<Option<String>, Error> {
    let services: Api<Service> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    for Known { labels, path } in KNOWN {
        let listed = services.list(&ListParams::default().labels(labels).limit(LOOKED_AT)).await;
        let listed = listed
            .map_err(|error| Error::Unreachable { source_name: "the Services".to_owned(), source: error.into() })?;
        if let Some(url) = chosen(&listed, labels, path)? {
            return Ok(Some(url));
        }
    }
    Ok(None)
}

/// The address of the one Service that can be asked. Of a Service and its headless twin it is the first.
fn chosen(listed: &ObjectList<Service>, labels: &str, path: &str) -> Result<Option<String>, Error> {
    let usable: Vec<_> = listed.iter().filter_map(|service| Some((service, url(service, path)?))).collect();
    let is_headless = |service: &Service| {
        service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()).is_some_and(|address| address == "None")
    };
    let with_address: Vec<_> = usable.iter().filter(|(service, _)| !is_headless(service)).collect();
    let best = if with_address.is_empty() { usable.iter().collect() } else { with_address };
    match best.as_slice() {
        [] => Ok(None),
        [(_, url)] => Ok(Some(url.clone())),
        several => {
            let mut names: Vec<_> = several.iter().map(|(_, url)| url.as_str()).collect();
            names.sort_unstable();
            let problem = format!(
                "several Services have the labels {labels}: {}; say which by --prometheus-url, or by \
                 --prometheus-discovery=NAMESPACE",
                names.join(", ")
            );
            Err(Error::NoSource { problem })
        }
    }
}

fn url(service: &Service, path: &str) -> Option<String> {
    let ports = service.spec.as_ref()?.ports.as_deref().unwrap_or_default();
    let named = |wanted: &&str| ports.iter().find(|port| port.name.as_deref() == Some(*wanted));
    let numbered = |wanted: &i32| ports.iter().find(|port| port.port == *wanted && speaks_http(port));
    let port = PORTS.iter().find_map(named).or_else(|| NUMBERS.iter().find_map(numbered))?;
    let is_tls = port.name.as_deref() == Some("https") || port.app_protocol.as_deref() == Some("https");
    let scheme = if is_tls { "https" } else { "http" };
    Some(format!("{scheme}://{}.{}.svc:{}{path}", service.name_any(), service.namespace()?, port.port))
}

fn speaks_http(port: &ServicePort) -> bool {
    let is_other = |text: &Option<String>| text.as_deref().is_some_and(|text| text.contains("grpc"));
    !is_other(&port.name) && !is_other(&port.app_protocol)
}

/// The server that is found in the cluster, looked for again when it does not answer.
pub struct Discovered {
    client: Client,
    namespace: Option<String>,
    settings: Settings,
    clock: Clock,
    found: Mutex<Option<Found>>,
}

/// A server that was found, and how it fared last.
#[derive(Clone)]
struct Found {
    url: String,
    server: Arc<Prometheus>,
    failed: bool,
}

impl Discovered {
    /// Looks in `namespace`, or in all, when it is first asked.
    ///
    /// # Errors
    /// `settings` hold a credential or a header: those are for a server that the operator names.
    pub fn new(client: Client, namespace: Option<&str>, settings: Settings, clock: Clock) -> Result<Self, Error> {
        if settings.access != super::Access::default() {
            let problem = "tokens, certificates and headers are sent to no server but one that --prometheus-url names";
            return Err(Error::NoSource { problem: problem.to_owned() });
        }
        Ok(Self { client, namespace: namespace.map(str::to_owned), settings, clock, found: Mutex::default() })
    }

    async fn server(&self) -> Result<Arc<Prometheus>, Error> {
        let known = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.as_ref().filter(|known| !known.failed) {
            return Ok(Arc::clone(&known.server));
        }
        let Some(url) = find(&self.client, self.namespace.as_deref()).await? else {
            let place = self.namespace.as_ref().map_or_else(String::new, |namespace| format!(" in {namespace}"));
            let problem =
                format!("there is no Service of a Prometheus{place} that is known by its labels; set --prometheus-url");
            return Err(Error::NoSource { problem });
        };
        if let Some(known) = known.filter(|known| known.url == url) {
            return Ok(known.server);
        }
        tracing::info!(%url, "usage is read from the Prometheus that was found");
        let server = Arc::new(Prometheus::new(&url, self.settings.clone(), self.clock)?);
        let found = Found { url, server: Arc::clone(&server), failed: false };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
        Ok(server)
    }

    /// After a failure the server is looked for again: its Service may have another name by now.
    fn judged<T>(&self, answer: Result<T, Error>) -> Result<T, Error> {
        if let Some(found) = self.found.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            found.failed = answer.is_err();
        }
        answer
    }
}

#[async_trait]
impl UsageSource for Discovered {
    async fn samples(&self) -> Result<Vec<Sample>, Error> {
        self.judged(self.server().await?.samples().await)
    }

    async fn history(&self, from: Timestamp, until: Timestamp) -> Result<Option<Vec<Sample>>, Error> {
        self.judged(self.server().await?.history(from, until).await)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn service(name: &str, ports: &Value, cluster_ip: Option<&str>) -> Value {
        let metadata = json!({ "name": name, "namespace": "monitoring" });
        json!({ "metadata": metadata, "spec": { "ports": ports, "clusterIP": cluster_ip } })
    }

    fn choose(services: &[Value]) -> Result<Option<String>, Error> {
        let list = json!({ "apiVersion": "v1", "kind": "ServiceList", "metadata": {}, "items": services });
        chosen(&serde_json::from_value(list).unwrap(), "app=x", "/prometheus")
    }

    #[rstest]
    #[case::of_the_stack(json!([{ "name": "reloader-web", "port": 8080 }, { "name": "http-web", "port": 9090 }]), Some("http://p.monitoring.svc:9090/prometheus"))]
    #[case::thanos(json!([{ "name": "grpc", "port": 10901 }, { "name": "http", "port": 10902 }]), Some("http://p.monitoring.svc:10902/prometheus"))]
    #[case::without_a_name(json!([{ "port": 80 }]), Some("http://p.monitoring.svc:80/prometheus"))]
    #[case::tls(json!([{ "name": "https", "port": 9091 }]), Some("https://p.monitoring.svc:9091/prometheus"))]
    #[case::tls_by_protocol(json!([{ "name": "web", "port": 9091, "appProtocol": "https" }]), Some("https://p.monitoring.svc:9091/prometheus"))]
    #[case::grpc_only(json!([{ "name": "grpc", "port": 80 }]), None)]
    #[case::no_ports(json!([]), None)]
    fn the_port_that_speaks_http_is_taken(#[case] ports: Value, #[case] expected: Option<&str>) {
        assert_eq!(choose(&[service("p", &ports, None)]).unwrap().as_deref(), expected);
    }

    #[test]
    fn of_two_that_look_alike_none_is_taken_but_a_headless_twin_does_not_count() {
        let ports = json!([{ "name": "web", "port": 9090 }]);
        let twins = [service("a", &ports, Some("None")), service("b", &ports, Some("10.0.0.1"))];
        assert_eq!(choose(&twins).unwrap().as_deref(), Some("http://b.monitoring.svc:9090/prometheus"));
        let rivals = [service("b", &ports, Some("10.0.0.1")), service("a", &ports, Some("10.0.0.2"))];
        let error = choose(&rivals).unwrap_err().to_string();
        for part in ["http://a.monitoring.svc:9090/prometheus, http://b.mon", "--prometheus-url"] {
            assert!(error.contains(part), "{error}");
        }
    }
}
