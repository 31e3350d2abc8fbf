//! Which columns each built-in kind has, and what fills them.

use serde_json::Value;

use super::{Column, Look, cluster, pods, workloads};
use crate::sim::api_server::crd;

/// How the objects of one table are shown.
pub(super) struct Kind {
    /// Columns as `Name`, `Name:integer`, and `*Name` for `-o wide`.
    columns: &'static [&'static str],
    cells: Cells,
}

type Cells = fn(&Look<'_>) -> Vec<Value>;

impl Kind {
    /// The kind kept in a table.
    pub(super) fn of(table: &str) -> Self {
        let (columns, cells): (&[&str], Cells) = match table {
            "pods" => (pods::COLUMNS, pods::cells),
            "nodes" => (cluster::NODE, cluster::node),
            "namespaces" => (cluster::NAMESPACE, cluster::namespace),
            "events" => (cluster::EVENT, cluster::event),
            "events.events.k8s.io" => (cluster::EVENT, cluster::new_event),
            "resourcequotas" => (cluster::QUOTA, cluster::quota),
            "configmaps" => (cluster::CONFIG_MAP, cluster::config_map),
            "secrets" => (cluster::SECRET, cluster::secret),
            "serviceaccounts" => (&["Name", "Age"], |look| vec![look.name().into(), look.age().into()]),
            "services" => (cluster::SERVICE, cluster::service),
            "leases.coordination.k8s.io" => (cluster::LEASE, cluster::lease),
            "priorityclasses.scheduling.k8s.io" => (cluster::PRIORITY_CLASS, cluster::priority_class),
            "deployments.apps" => (workloads::DEPLOYMENT, workloads::deployment),
            "replicasets.apps" => (workloads::REPLICA_SET, workloads::replica_set),
            "statefulsets.apps" => (workloads::STATEFUL_SET, workloads::stateful_set),
            "daemonsets.apps" => (workloads::DAEMON_SET, workloads::daemon_set),
            "controllerrevisions.apps" => (workloads::REVISION, workloads::revision),
            "jobs.batch" => (workloads::JOB, workloads::job),
            "cronjobs.batch" => (workloads::CRON_JOB, workloads::cron_job),
            "poddisruptionbudgets.policy" => (workloads::BUDGET, workloads::budget),
            "horizontalpodautoscalers.autoscaling" => (workloads::AUTOSCALER, workloads::autoscaler),
            crd::TABLE => (cluster::DEFINITION, cluster::definition),
            _ => (&["Name", "Created At:date"], |look| {
                vec![look.name().into(), look.text("/metadata/creationTimestamp").into()]
            }),
        };
        Self { columns, cells }
    }

    pub(super) fn columns(&self) -> Vec<Column> {
        self.columns.iter().map(|text| column(text)).collect()
    }

    pub(super) fn cells(&self, look: &Look<'_>) -> Vec<Value> {
        (self.cells)(look)
    }
}

fn column(text: &str) -> Column {
    let (text, priority) = text.strip_prefix('*').map_or((text, 0), |text| (text, 1));
    let (name, kind) = text.split_once(':').unwrap_or((text, "string"));
    Column::new(name, kind, priority)
}
