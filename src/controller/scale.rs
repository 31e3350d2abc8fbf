//! Workloads of kinds that are not watched: any kind with a scale subresource.
//!
//! Their kind is looked up by discovery once, their scale is read when a pass needs it and then holds for a minute. The
//! scale tells how many Pods there should be and which those are.

use jiff::SignedDuration;
use kube::{
    Api,
    api::{DynamicObject, GroupVersionKind},
    core::{Expression, Selector},
    discovery::{ApiResource, pinned_kind},
};

use super::{context::Context, owners::WorkloadId, world::Scaled};
use crate::api::TargetRef;

/// How long a scale that was read holds.
const HOLDS_FOR: SignedDuration = SignedDuration::from_mins(1);

/// Reads the scale of `target`, unless it is of a watched kind or was read a moment ago.
///
/// # Errors
/// When the API server does not answer, or refuses. A missing kind or object is not an error: it is not found.
pub async fn refresh(context: &Context, namespace: &str, target: &TargetRef) -> Result<(), kube::Error> {
    let id = WorkloadId::of_target(namespace, target);
    let now = context.clock.now();
    let read = context.memory().scales_read.get(&id).copied();
    if id.is_watched() || read.is_some_and(|at| now.duration_since(at) < HOLDS_FOR) {
        return Ok(());
    }
    let scaled = match kind(context, target).await? {
        Some(kind) => scale(context, namespace, &target.name, &kind).await?,
        None => None,
    };
    context.world().set_scaled(id.clone(), scaled);
    context.memory().scales_read.insert(id, now);
    Ok(())
}

async fn kind(context: &Context, target: &TargetRef) -> Result<Option<ApiResource>, kube::Error> {
    let key = (target.api_version.clone(), target.kind.clone());
    if let Some(known) = context.memory().kinds.get(&key) {
        return Ok(Some(known.clone()));
    }
    let (group, version) = target.api_version.split_once('/').unwrap_or(("", &target.api_version));
    match pinned_kind(&context.client, &GroupVersionKind::gvk(group, version, &target.kind)).await {
        Ok((kind, _)) => {
            context.memory().kinds.insert(key, kind.clone());
            Ok(Some(kind))
        }
        Err(kube::Error::Discovery(_)) => Ok(None),
        Err(error) => found(Err(error)),
    }
}

async fn scale(
    context: &Context,
    namespace: &str,
    name: &str,
    kind: &ApiResource,
) -> Result<Option<Scaled>, kube::Error> {
    let api: Api<DynamicObject> = Api::namespaced_with(context.client.clone(), namespace, kind);
    let Some(scale) = found(api.get_scale(name).await.map(Some))? else { return Ok(None) };
    let replicas = scale.spec.and_then(|spec| spec.replicas).unwrap_or(1);
    let selector = scale.status.and_then(|status| status.selector).unwrap_or_default();
    Ok(parse_selector(&selector).map(|selector| Scaled { replicas, selector }))
}

fn found<T>(answer: Result<Option<T>, kube::Error>) -> Result<Option<T>, kube::Error> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        other => other,
    }
}

/// Reads a selector as `kubectl -l` writes it. `None` if it selects everything, which no workload means, or is odd.
fn parse_selector(text: &str) -> Option<Selector> {
    let mut selector = Selector::default();
    let mut rest = text.trim();
    while !rest.is_empty() {
        // A comma inside `in (a,b)` does not end a requirement.
        let closing = rest.find('(').filter(|open| rest.find(',').is_none_or(|comma| open < &comma));
        let from = closing.and_then(|_| rest.find(')')).unwrap_or(0);
        let end = rest[from..].find(',').map_or(rest.len(), |comma| from + comma);
        selector.extend([requirement(rest[..end].trim())?]);
        rest = rest.get(end + 1..).unwrap_or_default().trim_start();
    }
    (!selector.selects_all()).then_some(selector)
}

fn requirement(text: &str) -> Option<Expression> {
    let label = |text: &str| Some(text.trim().to_owned()).filter(|text| !text.is_empty() && !text.contains(' '));
    if let Some((key, values)) = text.strip_suffix(')').and_then(|text| text.split_once('(')) {
        let values = values.split(',').map(|value| value.trim().to_owned()).collect();
        return match key.trim().rsplit_once(' ')? {
            (key, "in") => Some(Expression::In(label(key)?, values)),
            (key, "notin") => Some(Expression::NotIn(label(key)?, values)),
            _ => None,
        };
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Expression::NotEqual(label(key)?, value.trim().to_owned()));
    }
    match (text.split_once('='), text.strip_prefix('!')) {
        (Some((key, value)), _) => {
            Some(Expression::Equal(label(key)?, value.trim_start_matches('=').trim().to_owned()))
        }
        (None, Some(key)) => Some(Expression::DoesNotExist(label(key)?)),
        (None, None) => Some(Expression::Exists(label(text)?)),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::SelectorExt;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::equality("app=web,tier==front", true)]
    #[case::sets("app in (web,api),tier notin (back),tier", true)]
    #[case::set_first_then_more("tier in (front),app=other", false)]
    #[case::inequality("app!=web", false)]
    #[case::absence("!app", false)]
    #[case::absent("app=web, !gone", true)]
    fn a_selector_is_read_as_kubectl_writes_it(#[case] text: &str, #[case] matches: bool) {
        let labels = [("app", "web"), ("tier", "front")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(parse_selector(text).unwrap().matches(&labels), matches);
    }

    #[rstest]
    #[case("")]
    #[case("app near (web)")]
    #[case("=web")]
    fn a_selector_that_selects_all_or_is_odd_selects_nothing(#[case] text: &str) {
        assert_eq!(parse_selector(text), None);
    }
}
