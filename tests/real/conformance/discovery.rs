//! Discovery, version and OpenAPI, for the kinds that both servers have.

use super::case::{Case, case, get};

pub fn cases() -> Vec<Case> {
    let aggregated = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    vec![
        case("the-versions-of-the-core").ask(get("/api")),
        case("the-version").ask(get("/version")),
        case("the-groups").ask(get("/apis")),
        case("a-group").ask(get("/apis/apps")).ask(get("/apis/example.com")).ask(get("/apis/autoscaling.tailor.dev")).ask(get("/apis/policy")).ask(get("/apis/autoscaling")).ask(get("/apis/none")),
        case("the-resources-of-the-core").ask(get("/api/v1")),
        case("the-resources-of-the-apps").ask(get("/apis/apps/v1")),
        case("the-resources-of-groups").ask(get("/apis/policy/v1")).ask(get("/apis/batch/v1")).ask(get("/apis/coordination.k8s.io/v1")).ask(get("/apis/autoscaling/v2")).ask(get("/apis/events.k8s.io/v1")).ask(get("/apis/scheduling.k8s.io/v1")).ask(get("/apis/apiextensions.k8s.io/v1")).ask(get("/apis/authorization.k8s.io/v1")).ask(get("/apis/authentication.k8s.io/v1")),
        case("the-resources-of-definitions").ask(get("/apis/example.com/v1")).ask(get("/apis/autoscaling.tailor.dev/v1alpha1")).ask(get("/apis/example.com/v2")),
        case("all-of-the-core").ask(get("/api").accept(aggregated)),
        case("all-of-the-groups").ask(get("/apis").accept(aggregated)),
        case("discovery-in-other-forms").ask(get("/api").accept("application/json;g=apidiscovery.k8s.io;v=v7;as=APIGroupDiscoveryList")).ask(get("/api").accept("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json")).ask(get("/api").accept("text/html")).ask(get("/apis/apps").accept("text/html")),
        case("health").ask(get("/healthz")).ask(get("/livez")).ask(get("/readyz")).ask(get("/healthz/ping")).ask(get("/livez/ping")).ask(get("/readyz/none")),
        case("the-schema-of-a-definition").ask(get("/openapi/v3/apis/example.com/v1")),
        case("the-schemas-of-nothing").ask(get("/openapi/v3/apis/none/v1")),
    ]
}
