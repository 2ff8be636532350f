//! The process that renews is killed at a named point, by strace: before and after its note, after
//! the bytes of its request, after the answer, before and after the rename of the cache, and at the
//! calls between. Another process asks next. Nobody is signed out, unless the provider replaced the
//! refresh token without a leeway and its answer died with the process.
//!
//! The provider is a scripted endpoint on loopback. `TOKENKEEP_SILENT_KILLS` is the number of
//! kills.
// Not on Windows: strace
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, missing_docs, reason = "it is a test")]

#[path = "silent_kills/campaign.rs"]
mod campaign;
#[path = "silent_kills/points.rs"]
mod points;
#[path = "silent_kills/provider.rs"]
mod provider;
mod support;
#[path = "silent_kills/worker.rs"]
mod worker;

use std::env;

use tokenkeep_test_support::{Tool, need, say, task};

use self::{campaign::Tally, provider::Leeway};

#[test]
fn a_kill_at_a_named_point_signs_out_only_where_the_answer_died_with_the_process() {
    if task().is_some() {
        return worker::work();
    }
    if !need(Tool::Strace) {
        return;
    }
    let test = a_kill_at_a_named_point_signs_out_only_where_the_answer_died_with_the_process;
    let kills = env::var("TOKENKEEP_SILENT_KILLS").map_or(50, |text| text.parse().unwrap());
    let tally = campaign::run(test, kills);
    say(&tally.to_string());
    let Tally { problems, .. } = &tally;
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
    assert_eq!(tally.kills(), kills);
    // Each promise was put to the test.
    for leeway in [Leeway::None, Leeway::SameSuccessor] {
        assert_eq!(tally.points(leeway), points::NAMED.len(), "{leeway:?}");
    }
}
