//! A Prometheus that is gone, new, or has nothing but NaN. `usage::prometheus::tests` has one that is slow or lies.

use tailor::usage::{Error, UsageSource, prometheus::Queries};

use super::*;

fn asking(cpu: String) -> Settings {
    let memory = format!("{cpu} * 4e8");
    Settings { queries: Queries { cpu, memory, ..Queries::default() }, ..Settings::default() }
}

#[tokio::test]
async fn one_that_is_killed_is_an_error_and_usage_comes_back_with_it() {
    let Some(assets) = programs() else { return };
    let folder = folder();
    let server = start(&assets, folder.path(), None).await;
    let port = server.port();
    let source = source(&server, asking(QUARTER.to_owned()), Clock::System);
    assert_eq!(source.samples().await.unwrap()[0].cpu, Some(quarter()));
    drop(server);
    let error = source.samples().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    let _again = start(&assets, folder.path(), Some(port)).await;
    assert_eq!(source.samples().await.unwrap()[0].cpu, Some(quarter()));
}

#[tokio::test]
async fn one_that_knows_nothing_or_only_nan_gives_no_sample_and_no_zero() {
    let Some(assets) = programs() else { return };
    let folder = folder();
    let server = start(&assets, folder.path(), None).await;
    let error = source(&server, Settings::default(), Clock::System).samples().await.unwrap_err();
    assert!(matches!(error, Error::Blind { .. }) && error.to_string().contains("no query found a series"), "{error}");
    let hours = (Timestamp::now() - jiff::SignedDuration::from_hours(2), Timestamp::now());
    let history = source(&server, Settings::default(), Clock::System).history(hours.0, hours.1).await.unwrap();
    assert_eq!(history, Some(Vec::new()));
    for odd in ["NaN", "Inf", "-1"] {
        let source = source(&server, asking(format!("{QUARTER} * {odd}")), Clock::System);
        let error = source.samples().await.unwrap_err();
        assert!(matches!(error, Error::Blind { .. }) && error.to_string().contains("NaN"), "{odd}: {error}");
    }
}

#[tokio::test]
async fn a_query_that_is_wrong_is_refused_in_the_servers_words() {
    let Some(assets) = programs() else { return };
    let folder = folder();
    let server = start(&assets, folder.path(), None).await;
    for (query, says) in [
        ("sum by (", "parse error"),
        ("time()", "a scalar, and not a vector"),
        ("up[1m]", "a matrix, and not a vector"),
    ] {
        let settings = Settings {
            queries: Queries { cpu: query.to_owned(), memory: String::new(), ..Queries::default() },
            ..Settings::default()
        };
        let error = source(&server, settings, Clock::System).samples().await.unwrap_err();
        assert!(error.to_string().contains(says), "{query}: {error}");
    }
}
