//! What the containers of a workload should get, for its running Pods and for those about to be created alike.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;

use super::{
    context::Context,
    owners::{WorkloadId, controller_of},
    policies,
    world::Workload,
};
use crate::{
    actuate::NewPodSizes,
    api::{ContainerMode, ContainerPolicy, Strategy, VerticalResizePolicySpec, containers::ANY_CONTAINER},
    model::ContainerModel,
    plan::startup,
    recommend::{ContainerLimits, Frame, Recommendation, recommend, size},
    resources::{Bytes, ContainerResources, ContainerView, MilliCpu, PodView, ResourceKind, Resources},
};

/// What one container of a workload should get.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// What the policy says of it.
    pub policy: ContainerPolicy,
    /// Its resources in the workload's template; those of a Pod for a container that only Pods have (injected).
    pub template: ContainerResources,
    /// What it should request.
    pub recommendation: Recommendation,
    /// Its recent memory peak.
    pub peak: Option<Bytes>,
    /// Whether anything was learnt of it.
    pub is_known: bool,
}

/// What sizes are made from, beside the container itself.
#[derive(Clone, Copy, Debug)]
pub struct Basis<'a> {
    /// The policy.
    pub spec: &'a VerticalResizePolicySpec,
    /// The workload, where it is of a watched kind.
    pub workload: Option<&'a Workload>,
    /// What was learnt of its containers.
    pub models: Option<&'a BTreeMap<String, ContainerModel>>,
    /// Whether enough may be known to lower anything.
    pub may_lower: bool,
    /// What the namespace's LimitRanges allow.
    pub limits: Option<&'a ContainerLimits>,
    /// The time.
    pub now: Timestamp,
}

impl Basis<'_> {
    /// The fit of each container in the template and in `pods` that the policy does not leave alone, by name.
    pub fn fits<'p>(&self, pods: impl IntoIterator<Item = &'p PodView>) -> BTreeMap<String, Fit> {
        let mut containers: BTreeMap<&str, ContainerResources> = BTreeMap::new();
        let templates = self.workload.iter().flat_map(|workload| &workload.template);
        containers.extend(templates.map(|(name, resources)| (name.as_str(), *resources)));
        for container in pods.into_iter().flat_map(|pod| &pod.containers) {
            containers.entry(&container.name).or_insert(container.desired);
        }
        let fits = containers.into_iter().map(|(name, template)| (name.to_owned(), self.fit(name, template)));
        fits.filter(|(_, fit)| fit.policy.mode == ContainerMode::Auto).collect()
    }

    fn fit(&self, name: &str, template: ContainerResources) -> Fit {
        let policy = container_policy(self.spec, name);
        let model = self.models.and_then(|models| models.get(name));
        let frame = Frame { policy: &policy, objective: self.spec.objective, template: &template, limits: self.limits };
        let nothing = ContainerModel::new();
        let mut recommendation = recommend(model.unwrap_or(&nothing), &frame, self.now);
        if !self.may_lower {
            recommendation.upper = Resources::default();
        }
        Fit {
            recommendation,
            peak: model.and_then(ContainerModel::memory_peak),
            is_known: model.is_some_and(|model| !model.is_empty()),
            policy,
            template,
        }
    }

    /// Requests and limits for a container of a Pod, with the start-up boost while it starts.
    pub fn size(&self, fit: &Fit, container: &ContainerView, starting: bool) -> ContainerResources {
        let Fit { policy, template, recommendation, .. } = fit;
        let frame = Frame { policy, objective: self.spec.objective, template, limits: self.limits };
        let fitted = |cpu| size(Resources { cpu, ..recommendation.target }, &frame, &container.desired);
        let Some(boost) = self.spec.startup.as_ref().filter(|_| policy.fits(ResourceKind::Cpu)) else {
            return fitted(recommendation.target.cpu);
        };
        // The size that a boost goes up from must be the same in each pass: never that of the Pod, which is boosted.
        let known = recommendation.target.cpu;
        let owners = template.requests.cpu.filter(|_| self.is_in_template(&container.name));
        if !starting {
            fitted(self.unboosted(known, owners, recommendation, container))
        } else if known.or(owners).is_some() {
            startup::boost(fitted(known.or(owners)), template, boost, self.limits)
        } else {
            fitted(None)
        }
    }

    /// The CPU request after a start. While too little is known to lower anything, a boost is taken back to what the
    /// owner chose.
    fn unboosted(
        &self,
        known: Option<MilliCpu>,
        owners: Option<MilliCpu>,
        recommendation: &Recommendation,
        container: &ContainerView,
    ) -> Option<MilliCpu> {
        let desired = container.desired.requests.cpu?;
        if recommendation.upper.cpu.is_some() || known >= Some(desired) {
            return known;
        }
        known.max(owners).map(|least| if owners.is_some() { least.min(desired) } else { desired })
    }

    fn is_in_template(&self, container: &str) -> bool {
        self.workload.is_some_and(|workload| workload.template.contains_key(container))
    }
}

/// What the policy says of a container: its own entry, or that of `*`, or the defaults.
fn container_policy(spec: &VerticalResizePolicySpec, name: &str) -> ContainerPolicy {
    let called = |wanted: &str| spec.containers.iter().find(|policy| policy.name == wanted);
    called(name).or_else(|| called(ANY_CONTAINER)).cloned().unwrap_or_else(ContainerPolicy::unnamed)
}

/// Sizes new Pods from what the controller knows.
pub struct Sizer(pub Arc<Context>);

impl NewPodSizes for Sizer {
    fn sizes(&self, pod: &Pod, view: &PodView) -> Vec<(String, ContainerResources)> {
        let context = &self.0;
        let world = context.world();
        let labels = pod.metadata.labels.clone().unwrap_or_default();
        let owner = controller_of(&pod.metadata);
        let workload: Option<WorkloadId> = world.workload_by(&view.namespace, &labels, owner.as_ref());
        let Some(workload) = workload else { return Vec::new() };
        let Some(policy) = policies::owner_of(&workload, &world) else { return Vec::new() };
        let spec = &policy.object.spec;
        if spec.strategy == Strategy::Off {
            return Vec::new();
        }
        let limits = world.limits_in(&workload.namespace);
        let models = context.models();
        let basis = Basis {
            spec,
            workload: world.workload(&workload).map(AsRef::as_ref),
            models: models.of(&workload),
            may_lower: models.may_lower(),
            limits: limits.as_ref(),
            now: context.clock.now(),
        };
        let fits = basis.fits([view]);
        let wanted = view.containers.iter().filter_map(|container| {
            let fit = fits.get(&container.name)?;
            Some((container.name.clone(), basis.size(fit, container, true)))
        });
        wanted.collect()
    }
}
