//! Which resource a path names.

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/version`
    Version,
    /// `/healthz`, `/livez`, `/readyz`
    Health,
    /// `/api`
    Core,
    /// `/apis`
    Groups,
    /// `/openapi/v3`
    OpenApi,
    /// `/openapi/v3/api/{version}` and `/openapi/v3/apis/{group}/{version}`, from `api` on
    OpenApiOf(String),
    /// `/apis/{group}`
    Group(String),
    /// `/api/{version}` and `/apis/{group}/{version}`
    GroupVersion {
        /// The API group, empty for the core.
        group: String,
        /// The version in the group.
        version: String,
    },
    /// Everything below a version.
    Resource(Path),
    /// Nothing that is served.
    Unknown,
}

/// A path below a group and version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path {
    /// The API group, empty for the core.
    pub(super) group: String,
    /// The version in the group.
    pub(super) version: String,
    /// The plural name of the resource.
    pub(super) plural: String,
    /// The namespace in the path, if any.
    pub(super) namespace: String,
    /// The name of the object, if any.
    pub(super) name: String,
    /// The subresource, if any.
    pub(super) subresource: String,
}

/// Reads a path.
pub(super) fn parse(path: &str) -> Route {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match parts.as_slice() {
        ["version"] => Route::Version,
        ["healthz" | "livez" | "readyz", ..] => Route::Health,
        ["openapi", "v3"] => Route::OpenApi,
        ["openapi", "v3", of @ ..] => Route::OpenApiOf(of.join("/")),
        ["api"] => Route::Core,
        ["apis"] => Route::Groups,
        ["apis", group] => Route::Group((*group).into()),
        ["api", version] => Route::GroupVersion { group: String::new(), version: (*version).into() },
        ["apis", group, version] => Route::GroupVersion { group: (*group).into(), version: (*version).into() },
        ["api", version, rest @ ..] => below("", version, rest),
        ["apis", group, version, rest @ ..] => below(group, version, rest),
        _ => Route::Unknown,
    }
}

fn below(group: &str, version: &str, rest: &[&str]) -> Route {
    let (namespace, plural, rest) = match rest {
        // `namespaces/web/status` is about the Namespace, `namespaces/web/pods` about what is in it.
        ["namespaces", namespace, "status" | "finalize"] if group.is_empty() => {
            ("", "namespaces", &[*namespace, rest[2]][..])
        }
        ["namespaces", namespace, plural, rest @ ..] => (*namespace, *plural, rest),
        [plural, rest @ ..] => ("", *plural, rest),
        [] => return Route::Unknown,
    };
    let (name, subresource) = match rest {
        [] => ("", ""),
        [name] => (*name, ""),
        [name, subresource] => (*name, *subresource),
        _ => return Route::Unknown,
    };
    Route::Resource(Path {
        group: group.into(),
        version: version.into(),
        plural: plural.into(),
        namespace: namespace.into(),
        name: name.into(),
        subresource: subresource.into(),
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/api/v1/pods", ["", "v1", "pods", "", "", ""])]
    #[case("/api/v1/namespaces", ["", "v1", "namespaces", "", "", ""])]
    #[case("/api/v1/namespaces/web", ["", "v1", "namespaces", "", "web", ""])]
    #[case("/api/v1/namespaces/web/status", ["", "v1", "namespaces", "", "web", "status"])]
    #[case("/api/v1/namespaces/web/pods/a/resize", ["", "v1", "pods", "web", "a", "resize"])]
    #[case("/apis/apps/v1/namespaces/web/deployments/a", ["apps", "v1", "deployments", "web", "a", ""])]
    fn paths_name_resources(#[case] path: &str, #[case] parts: [&str; 6]) {
        let [group, version, plural, namespace, name, subresource] = parts.map(String::from);
        let expected = Path { group, version, plural, namespace, name, subresource };
        assert_eq!(parse(path), Route::Resource(expected));
    }

    #[test]
    fn paths_that_are_too_long_are_unknown() {
        assert_eq!(parse("/api/v1/namespaces/web/pods/a/resize/more"), Route::Unknown);
    }
}
