//! Resolves what a scenario refers to, or says what does not exist and what does.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::RangeInclusive,
    path::Path,
    sync::Arc,
    time::Duration,
};

use super::{
    Change, Document, Error, Event, Loads, Manifest, Place, Scenario, bundled,
    format::{self, EventSpec, FaultSpec, LoadSpec, ScenarioDocument, ScenarioSpec, StepSpec, TraceRef},
    load::{ContainerLoad, Shape},
    manifest::{Identity, identity},
};
use crate::{resources::Bytes, sim::load::Demand, usage::trace::Trace};

/// The longest that can be simulated: about ten years.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 86_400);
/// Faster than this a control plane's answers come too late for anything to be made of them.
const TIME_SCALES: RangeInclusive<f64> = 0.1..=1_000.0;
/// Reading more often than this is no sampling.
const SHORTEST_INTERVAL: Duration = Duration::from_secs(1);

pub(super) fn scenario(file: &str, documents: Vec<Document>, folder: &Path) -> Result<Scenario, Error> {
    let (own, manifests) = part(file, documents)?;
    let parsed: ScenarioDocument = own.parse()?;
    let spec = parsed.spec;
    let mut check = Check { document: Arc::new(own), folder, manifests, traces: BTreeMap::new() };
    check.lengths(&spec)?;
    let events = check.events(&spec.events)?;
    check.objects(&events)?;
    let mut loads = check.loads(&spec.loads, &events)?;
    loads.default = spec.default_load.map(ContainerLoad::constant);
    check.faults(&spec.faults, &events)?;
    Ok(Scenario {
        name: if parsed.metadata.name.is_empty() { file.to_owned() } else { parsed.metadata.name },
        start: spec.start,
        duration: spec.duration.length(),
        sample_interval: spec.sample_interval.length(),
        time_scale: spec.time_scale,
        manifests: check.manifests,
        events,
        loads: Arc::new(loads),
        kubelets: spec.kubelets,
        faults: spec.faults,
    })
}

/// The `Scenario` document, and the rest.
fn part(file: &str, documents: Vec<Document>) -> Result<(Document, Vec<Manifest>), Error> {
    let mut own = None;
    let mut manifests = Vec::new();
    for document in documents {
        if document.text_at(&["kind"]) != Some(format::KIND) {
            manifests.extend(Manifest::all_of(document));
            continue;
        }
        let place = document.place_of(&["apiVersion"]);
        if document.text_at(&["apiVersion"]) != Some(format::API_VERSION) {
            let problem = format!("apiVersion of the Scenario must be `{}`", format::API_VERSION);
            return Err(Error::Invalid { place, problem });
        }
        if own.is_some() {
            let problem = "a second Scenario document; keep one for the whole file".to_owned();
            return Err(Error::Invalid { place, problem });
        }
        own = Some(document);
    }
    let place = Place { file: file.into(), document: 1, line: 1 };
    let problem = format!("no Scenario document; add one with `apiVersion: {}, kind: Scenario`", format::API_VERSION);
    Ok((own.ok_or(Error::Invalid { place, problem })?, manifests))
}

struct Check<'a> {
    document: Arc<Document>,
    folder: &'a Path,
    manifests: Vec<Manifest>,
    traces: BTreeMap<String, Arc<Trace>>,
}

impl Check<'_> {
    /// An error at `path` of the Scenario document.
    fn wrong<T>(&self, path: &[&str], problem: impl Into<String>) -> Result<T, Error> {
        Err(Error::Invalid { place: self.document.place_of(path), problem: problem.into() })
    }

    fn lengths(&self, spec: &ScenarioSpec) -> Result<(), Error> {
        let duration = spec.duration.length();
        if duration.is_zero() || duration > LONGEST {
            return self.wrong(&["spec", "duration"], "duration must be above zero and at most ten years, such as 24h");
        }
        let interval = spec.sample_interval.length();
        if interval < SHORTEST_INTERVAL || interval > duration {
            let problem = "sampleInterval must be at least 1s and at most the duration, such as 60s";
            return self.wrong(&["spec", "sampleInterval"], problem);
        }
        if !TIME_SCALES.contains(&spec.time_scale) {
            let problem = "timeScale must be from 0.1 to 1000: how many times as fast as real time";
            return self.wrong(&["spec", "timeScale"], problem);
        }
        Ok(())
    }

    fn events(&self, specs: &[EventSpec]) -> Result<Vec<Event>, Error> {
        let mut events = Vec::new();
        for (index, spec) in specs.iter().enumerate() {
            let index = index.to_string();
            let path = ["spec", "events", &index];
            let change = match (&spec.apply, &spec.delete) {
                (Some(value), None) if value.is_object() => {
                    let path = [&path[..], &["apply"]].concat().into_iter().map(str::to_owned).collect();
                    Change::Apply(Manifest::part(self.document.clone(), path, value.clone()))
                }
                (None, Some(object)) => {
                    let place = self.document.place_of(&[&path[..], &["delete"]].concat());
                    Change::Delete { object: object.clone(), place }
                }
                _ => return self.wrong(&path, "an event does one thing: give it `apply` with a manifest, or `delete`"),
            };
            events.push(Event { at: spec.at.length(), change });
        }
        events.sort_by_key(|event| event.at);
        Ok(events)
    }

    /// Every object is created once, and nothing is deleted that nothing creates.
    fn objects(&self, events: &[Event]) -> Result<(), Error> {
        let mut known = BTreeMap::<Identity, &Manifest>::new();
        for manifest in &self.manifests {
            if manifest.kind().is_empty() || manifest.api_version().is_empty() || manifest.name().is_empty() {
                let problem = "a manifest needs `apiVersion`, `kind` and `metadata.name`".to_owned();
                return Err(Error::Invalid { place: manifest.place_of(""), problem });
            }
            if let Some(first) = known.insert(manifest.identity(), manifest) {
                let place = manifest.place_of("metadata.name");
                let line = first.place_of("metadata.name").line;
                let problem = format!("{} is on line {line} already; give it another name", manifest.object());
                return Err(Error::Invalid { place, problem });
            }
        }
        for event in events {
            match &event.change {
                Change::Apply(manifest) => _ = known.insert(manifest.identity(), manifest),
                Change::Delete { object, place } => {
                    let key = identity(&object.api_version, &object.kind, &object.namespace, &object.name);
                    let cluster_wide = identity(&object.api_version, &object.kind, "default", &object.name);
                    if !known.contains_key(&key) && !known.contains_key(&cluster_wide) {
                        let (kind, namespace, name) = (&object.kind, &object.namespace, &object.name);
                        let problem = format!("nothing creates {kind} {namespace}/{name} before it is to be deleted");
                        return Err(Error::Invalid { place: place.clone(), problem });
                    }
                }
            }
        }
        Ok(())
    }

    fn loads(&mut self, specs: &[LoadSpec], events: &[Event]) -> Result<Loads, Error> {
        let mut loads = Loads::default();
        let mut seen = BTreeSet::new();
        for (index, spec) in specs.iter().enumerate() {
            let index = index.to_string();
            let path = ["spec", "loads", &index];
            let container = self.container(&path, spec, events)?;
            if !seen.insert((&spec.namespace, &spec.workload.name, container.clone())) {
                let problem = format!(
                    "container `{container}` of a workload named {}/{} has a load already; keep one of the two",
                    spec.namespace, spec.workload.name
                );
                return self.wrong(&path, problem);
            }
            let shape = self.shape(&path, spec)?;
            let startup = spec.startup.map(|startup| (startup.cpu.nano(), startup.duration.length()));
            loads.insert(&spec.namespace, &spec.workload.name, &container, ContainerLoad { shape, startup });
        }
        Ok(loads)
    }

    /// All manifests, those of events too.
    fn all<'a>(&'a self, events: &'a [Event]) -> impl Iterator<Item = &'a Manifest> {
        let applied = events.iter().filter_map(|event| match &event.change {
            Change::Apply(manifest) => Some(manifest),
            Change::Delete { .. } => None,
        });
        self.manifests.iter().chain(applied)
    }

    /// The container that a load is for.
    fn container(&self, path: &[&str], spec: &LoadSpec, events: &[Event]) -> Result<String, Error> {
        let LoadSpec { namespace, workload, .. } = spec;
        let own = |manifest: &&Manifest| {
            let (_, kind, in_namespace, name) = manifest.identity();
            (&kind, &in_namespace, &name) == (&workload.kind, namespace, &workload.name)
        };
        let Some(manifest) = self.all(events).find(own) else {
            let problem = format!(
                "the scenario has no {} {namespace}/{}; add its manifest, or correct namespace, kind and name",
                workload.kind, workload.name
            );
            return self.wrong(&[path, &["workload"]].concat(), problem);
        };
        let containers = manifest.containers();
        match (&spec.container, containers.as_slice()) {
            (Some(name), names) if names.contains(&name.as_str()) => Ok(name.clone()),
            (None, [only]) => Ok((*only).to_owned()),
            (wanted, names) => {
                let wanted = wanted.as_ref().map_or("no name".to_owned(), |name| format!("`{name}`"));
                let problem = format!("container: {wanted} given, but {} has {}", manifest.object(), listed(names));
                self.wrong(&[path, &["container"]].concat(), problem)
            }
        }
    }

    fn shape(&mut self, path: &[&str], spec: &LoadSpec) -> Result<Shape, Error> {
        match (&spec.trace, spec.constant, &spec.steps) {
            (Some(trace), None, None) => self.recorded(path, spec, trace),
            (None, Some(amounts), None) => Ok(Shape::constant(amounts)),
            (None, None, Some(steps)) => self.steps(&[path, &["steps"]].concat(), steps),
            _ => self.wrong(path, "a load is exactly one of `trace`, `constant` and `steps`"),
        }
    }

    fn steps(&self, path: &[&str], steps: &[StepSpec]) -> Result<Shape, Error> {
        if steps.first().is_none_or(|first| !first.at.length().is_zero()) {
            return self.wrong(path, "the first step must be at 0s");
        }
        if let Some(late) = steps.windows(2).position(|pair| pair[0].at >= pair[1].at) {
            let index = (late + 1).to_string();
            return self.wrong(&[path, &[&index]].concat(), "steps must be sorted by `at`, each later than the last");
        }
        let demand = |step: &StepSpec| Demand { cpu: step.cpu.nano(), memory: step.memory };
        Ok(Shape::steps(steps.iter().map(|step| (step.at.length(), demand(step))).collect()))
    }

    fn recorded(&mut self, path: &[&str], spec: &LoadSpec, reference: &TraceRef) -> Result<Shape, Error> {
        for (field, scale) in [("cpuScale", spec.cpu_scale), ("memoryScale", spec.memory_scale)] {
            if !scale.is_finite() || scale < 0.0 {
                return self
                    .wrong(&[path, &[field]].concat(), format!("{field} must be a finite number, zero or more"));
            }
        }
        let at = [path, &["trace"]].concat();
        let trace = self.trace(&at, reference)?;
        let Some(series) = trace.get(&reference.series) else {
            let names: Vec<_> = trace.series().map(|(name, _)| name).collect();
            let problem = format!("the trace has no series `{}`; it has {}", reference.series, listed(&names));
            return self.wrong(&[&at[..], &["series"]].concat(), problem);
        };
        if spec.memory.is_none() && series.rows().iter().all(|row| row.memory.is_none()) {
            let problem = format!("series `{}` has no memory; say what to use, as `memory: 256Mi`", reference.series);
            return self.wrong(&at, problem);
        }
        Ok(Shape::recorded(series, spec.cpu_scale, spec.memory_scale, spec.memory.unwrap_or(Bytes(0))))
    }

    fn trace(&mut self, path: &[&str], reference: &TraceRef) -> Result<Arc<Trace>, Error> {
        let place = self.document.place_of(path);
        let bundled = |name: &str| bundled::BUNDLED_TRACES.iter().find(|(known, _)| *known == name);
        let (key, read): (String, Box<dyn FnOnce() -> _>) = match (&reference.bundled, &reference.file) {
            (Some(name), None) => {
                let Some((name, bytes)) = bundled(name) else {
                    let problem = format!(
                        "no trace `{name}` comes with Tailor; there are {}",
                        listed(&bundled::BUNDLED_TRACES.map(|(name, _)| name))
                    );
                    return self.wrong(path, problem);
                };
                ((*name).to_owned(), Box::new(move || Trace::parse(name, bytes)))
            }
            (None, Some(file)) => {
                let file = self.folder.join(file);
                (file.display().to_string(), Box::new(move || Trace::open(&file)))
            }
            _ => return self.wrong(path, "a trace is exactly one of `bundled` and `file`"),
        };
        if let Some(known) = self.traces.get(&key) {
            return Ok(known.clone());
        }
        let trace = read().map_err(|source| Error::Trace { place, source: Box::new(source) })?;
        Ok(self.traces.entry(key).or_insert(Arc::new(trace)).clone())
    }

    fn faults(&self, faults: &[FaultSpec], events: &[Event]) -> Result<(), Error> {
        for (index, fault) in faults.iter().enumerate() {
            let index = index.to_string();
            let path = ["spec", "faults", &index];
            let (kind, name, found) = match fault {
                FaultSpec::ActuationFails { namespace, workload, .. }
                | FaultSpec::ResizeNeverFinishes { namespace, workload } => {
                    let owns = |m: &Manifest| !m.containers().is_empty() && &m.identity().2 == namespace;
                    ("workload", workload, self.all(events).any(|m| owns(m) && m.name() == workload))
                }
                FaultSpec::NodePressure { node, .. } | FaultSpec::KubeletRestarts { node, .. } => {
                    ("Node", node, self.all(events).any(|m| m.kind() == "Node" && m.name() == node))
                }
            };
            if !found {
                return self.wrong(&path, format!("the scenario has no {kind} `{name}`; correct the name"));
            }
            self.pressure(&path, fault)?;
        }
        Ok(())
    }

    fn pressure(&self, path: &[&str], fault: &FaultSpec) -> Result<(), Error> {
        let FaultSpec::NodePressure { condition, from, until, .. } = fault else { return Ok(()) };
        let known = ["DiskPressure", "PIDPressure", "MemoryPressure"];
        if !known.contains(&condition.as_str()) {
            return self.wrong(path, format!("no condition `{condition}`; there are {}", listed(&known)));
        }
        if from >= until {
            return self.wrong(path, format!("`until` ({until}) must be after `from` ({from})"));
        }
        Ok(())
    }
}

/// `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        [only] => format!("`{only}`"),
        [rest @ .., last] => {
            let rest: Vec<_> = rest.iter().map(|name| format!("`{name}`")).collect();
            format!("{} and `{last}`", rest.join(", "))
        }
    }
}
