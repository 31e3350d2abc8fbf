use std::collections::BTreeSet;

use super::*;

#[test]
fn json_has_the_documented_keys_and_counts_add_up() {
    let report = fixture::outcome().report();
    let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    let keys: BTreeSet<_> = json.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = "seed simulated_seconds wall_seconds pods samples resizes_applied resizes_deferred resizes_infeasible \
                    resizes_failed evictions container_restarts oom_kills throttled_core_seconds cpu_slack_before \
                    cpu_slack_after memory_slack_before memory_slack_after api_writes workloads policies actions";
    assert_eq!(keys, expected.split_whitespace().collect());
    assert_eq!((report.resizes_applied, report.resizes_deferred, report.evictions), (3, 1, 1));
    assert_eq!((report.oom_kills, report.container_restarts), (2, 2));
    let action = &json["actions"][6];
    let keys: BTreeSet<_> = action.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["time", "workload", "pod", "action", "reason", "from", "to"].into());
    assert_eq!(action["workload"], "shop/Deployment/web");
    assert_eq!(action["to"]["app"]["requests"]["cpu"], "900m");
}

#[test]
fn slack_is_scored_after_the_first_hour_and_weighs_requests() {
    let report = fixture::outcome().report();
    let web = report.workloads.iter().find(|workload| workload.name == "web").unwrap();
    let container = &web.containers[0];
    assert_eq!(
        container.requests_before,
        Resources::new(crate::resources::MilliCpu(1_000), crate::resources::Bytes::mib(512))
    );
    assert_eq!(
        container.requests_after,
        Resources::new(crate::resources::MilliCpu(250), crate::resources::Bytes::mib(128))
    );
    // 100 MiB are used of 512 and of 128.
    assert_eq!(container.slack.memory_slack_before, Some(0.804_688));
    assert_eq!(container.slack.memory_slack_after, Some(0.218_75));
    assert!(report.slack.cpu_slack_after < report.slack.cpu_slack_before);
}

#[test]
fn a_deferred_resize_that_is_asked_again_is_one_wait_and_its_grant_is_an_action() {
    let report = fixture::outcome().report();
    let told: Vec<_> = report.actions.iter().map(|action| action.action.to_string()).collect();
    assert_eq!(told, ["Resize", "Resize", "Defer", "Resize", "Defer", "Grant", "Evict"]);
    assert_eq!(report.actions[5].reason, crate::plan::Why::Shortage, "that of the resize which was granted");
    assert_eq!(report.resizes_deferred, 1);
}

#[test]
fn a_pod_that_waits_anew_after_a_grant_is_counted_again() {
    let mut outcome = fixture::outcome();
    let mut again = outcome.journal[2].clone();
    again.at = outcome.grants[0].at + jiff::SignedDuration::from_mins(1);
    outcome.journal.insert(5, again);
    assert_eq!(outcome.report().resizes_deferred, 2);
}

#[test]
fn a_workload_whose_pods_never_ran_is_listed_and_saves_nothing() {
    let report = fixture::outcome().report();
    let gone = report.workloads.iter().find(|workload| workload.name == "gone").unwrap();
    assert_eq!((gone.pods_pending, gone.pods_refused, gone.containers.len()), (1, 3, 0));
    let (text, page) = (table::render(&report, false), html::render(&report).unwrap());
    for words in
        ["shop/gone: 1 Pod without a Node, creation refused 3 times: 0/2 nodes", "policy shop/lost: TargetNotFound"]
    {
        assert!(text.contains(words) && page.contains(words), "{text}");
    }
}

#[test]
fn what_is_not_scored_yet_is_null_and_says_so() {
    let mut outcome = fixture::outcome();
    outcome.simulated = std::time::Duration::from_mins(40);
    for (_, account) in &mut outcome.accounts {
        account.scored = crate::sim::ledger::Integrals::default();
    }
    let report = outcome.report();
    let json: serde_json::Value = serde_json::from_str(&report.json().unwrap()).unwrap();
    assert!(json["cpu_slack_after"].is_null() && json["memory_slack_before"].is_null());
    assert!(json["workloads"][0]["containers"][0]["cpu_p95_cores"].is_null(), "{json}");
    assert!(table::render(&report, false).contains("not scored yet"));
    assert!(html::render(&report).unwrap().contains("not scored yet"));
}

#[test]
fn no_number_is_a_negative_zero() {
    let outcome = collect::Outcome { accounts: Vec::new(), ..fixture::outcome() };
    assert!(!outcome.report().json().unwrap().contains("-0.0"));
}

#[test]
fn the_table_fits_120_columns_and_shows_every_workload() {
    let text = table::render(&fixture::outcome().report(), false);
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
    assert!(text.contains("  web ") && text.contains("a-name-that-is-longer-than-…"), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours were asked for");
    insta::assert_snapshot!(text);
}

#[test]
fn colours_come_when_asked_for_and_change_no_letter() {
    let report = fixture::outcome().report();
    let coloured = table::render(&report, true);
    assert!(coloured.contains('\u{1b}'));
    let mut plain = String::new();
    let mut parts = coloured.split("\u{1b}[");
    plain.push_str(parts.next().unwrap());
    parts.for_each(|part| plain.push_str(part.split_once('m').unwrap().1));
    let trimmed = |text: &str| text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n");
    assert_eq!(trimmed(&plain), trimmed(&table::render(&report, false)));
}

#[test]
fn the_page_stands_alone_and_users_text_is_no_markup() {
    let report = fixture::outcome().report();
    let page = html::render(&report).unwrap();
    let foreign: Vec<_> = ["src=", "href=", "@import", "fetch(", "http://", "https://", "url("]
        .into_iter()
        .filter(|way| page.replace("http://www.w3.org/2000/svg", "").contains(way))
        .collect();
    assert!(foreign.is_empty(), "{foreign:?}");
    assert!(!page.contains("<b>fixture </script>") && page.contains("fixture &#60;"), "the name is escaped");
    assert_eq!(page.matches("</script>").count(), 2);
}

#[test]
fn the_data_of_the_page_is_json() {
    let page = html::render(&fixture::outcome().report()).unwrap();
    let data = page.split_once("id=\"data\">").unwrap().1.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    assert_eq!(data["charts"].as_array().unwrap().len(), 2);
    assert_eq!(data["actions"][6]["why"], crate::plan::Why::NodeTooSmall.describe());
    let buckets = data["buckets"].as_u64().unwrap();
    assert_eq!(data["charts"][0]["cpu"]["usage"].as_array().unwrap().len() as u64, buckets);
}
