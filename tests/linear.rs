//! Content costs in proportion to its size: no shape of it makes a reader slow or large.
//!
//! `TOKENKEEP_LINEAR_BYTES` says how large the content is for times, `TOKENKEEP_LINEAR_MEMORY` for
//! memory, `TOKENKEEP_LINEAR_MILLISECONDS` how long a run lasts at least, `TOKENKEEP_LINEAR_RUNS`
//! how many there are. Prints what each shape costs.
// Not on Windows: CPU time and peak memory are read from /proc
#![cfg(target_os = "linux")]
#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs, reason = "it is a test")]

#[path = "linear/shapes.rs"]
mod shapes;
#[path = "linear/text.rs"]
mod text;
#[path = "linear/work.rs"]
mod work;

use std::{env, fs, thread};

use shapes::{SHAPES, Shape};
use tokenkeep::{Error, SignInEvent, TokenCache};
use tokenkeep_test_support::{again, task};
use work::Work;

#[test]
fn twice_the_content_costs_about_twice_the_time() {
    let failed: Vec<String> =
        cases().filter_map(|(shape, work)| time_grows(shape, work).err()).collect();
    assert!(failed.is_empty(), "more than {RATIO} times the time:\n{}", failed.join("\n"));
}

#[test]
fn memory_stays_below_a_small_multiple_of_the_content() {
    if let Some(task) = task() {
        return measure_memory(task.to_str().unwrap());
    }
    let failed: Vec<String> = cases()
        .filter_map(|(shape, work)| {
            let bound = work.memory?;
            let test = memory_stays_below_a_small_multiple_of_the_content;
            let output = again(test, format!("{}/{}", shape.name, work.name)).output().unwrap();
            let printed = String::from_utf8(output.stdout).unwrap();
            let times = printed.lines().find_map(|line| line.strip_prefix(PEAK)?.parse().ok());
            let times: f64 = times.unwrap_or_else(|| panic!("{}: {printed}", shape.name));
            let line = format!("{}/{}: {times:.1} times its size", shape.name, work.name);
            println!("{line}");
            (times > bound).then_some(line)
        })
        .collect();
    assert!(failed.is_empty(), "too much memory:\n{}", failed.join("\n"));
}

#[test]
fn a_sign_in_with_names_of_more_than_a_mebibyte_is_refused_and_changes_nothing() {
    let event = |client: usize, scopes: usize| {
        let scopes = vec!["\"scope\""; scopes].join(",");
        let json = format!(
            "{{\"client_id\":\"{}\",\"scope\":[{scopes}],\"environment\":\"e\",\
             \"response\":{{\"access_token\":\"token\"}}}}",
            "c".repeat(client)
        );
        SignInEvent::from_json(json.as_bytes()).unwrap()
    };
    let mut cache = TokenCache::new();
    for refused in [event(1 << 20, 1), event(1, 200_000), event(700_000, 100_000)] {
        let error = cache.add(&refused, 1_000).unwrap_err();
        assert!(matches!(error, Error::Invalid { .. }), "{error:?}");
        assert!(error.to_string().contains("1048576"), "{error}");
        assert!(cache.is_empty());
    }
    cache.add(&event(500_000, 50_000), 1_000).unwrap();
    assert_eq!(cache.len(), 2);
}

fn cases() -> impl Iterator<Item = (&'static Shape, &'static Work)> {
    let only = env::var("TOKENKEEP_LINEAR_ONLY").unwrap_or_default();
    let all = SHAPES.iter().flat_map(|shape| shape.works.iter().map(move |work| (shape, *work)));
    all.filter(move |(shape, work)| format!("{}/{}", shape.name, work.name).contains(&only))
}

/// What it costs as a line; an error if twice the content costs more than it may.
fn time_grows(shape: &Shape, work: &Work) -> Result<(), String> {
    let least_size = number("TOKENKEEP_LINEAR_BYTES", 32 << 10);
    let at_least = number("TOKENKEEP_LINEAR_MILLISECONDS", 2) as u64 * 1_000_000;
    let mut line = String::new();
    // The allocator gives memory back from some size on, which costs page faults. So one size may
    // be faster than its double for a reason that is not the content. No larger size is then.
    for halves in SIZES_IN_HALVES {
        let size = least_size * halves / 2;
        let inputs = [size, 2 * size].map(|size| shape.documents(work, size));
        let mut least = [u64::MAX; 2];
        // A machine that is busy with something else can only make one of the two look slower.
        for _ in 0..ATTEMPTS {
            for _ in 0..number("TOKENKEEP_LINEAR_RUNS", 3) {
                for ([one, other], least) in inputs.iter().zip(&mut least) {
                    *least = nanoseconds(at_least, || (work.run)(one, other)).min(*least);
                }
            }
            let ratio = least[1] as f64 / least[0] as f64;
            let each = least[0] as f64 / size as f64;
            line = format!(
                "{}/{}: {size} bytes {each:.1} ns each, twice {ratio:.2}",
                shape.name, work.name
            );
            println!("{line}");
            if ratio <= RATIO {
                return Ok(());
            }
        }
    }
    Err(line)
}

/// Nanoseconds of CPU time for one call, from so many that they take `at_least`.
fn nanoseconds(at_least: u64, call: impl Fn()) -> u64 {
    let start = cpu_time();
    for calls in 1.. {
        call();
        let spent = cpu_time() - start;
        if spent >= at_least {
            return spent / calls;
        }
    }
    unreachable!("the calls take time")
}

/// The CPU time of this thread in nanoseconds.
fn cpu_time() -> u64 {
    // The kernel brings the count up to date when the thread offers its turn.
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
}

/// Prints the peak of this process's memory while it works, the content included.
#[expect(clippy::disallowed_methods, reason = "the file is a switch of the kernel")]
fn measure_memory(case: &str) {
    let (shape, work) = cases()
        .find(|(shape, work)| case == format!("{}/{}", shape.name, work.name))
        .expect("a case of the table");
    let [one, other] = shape.documents(work, number("TOKENKEEP_LINEAR_MEMORY", 1 << 20));
    let size = (one.len() + other.len()) as f64;
    // The peak starts over from here.
    fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = status("VmRSS:");
    (work.run)(&one, &other);
    println!("{PEAK}{}", (status("VmHWM:") - before - PROGRAM + size) / size);
}

/// A number of /proc/self/status, in bytes.
fn status(name: &str) -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<f64>().unwrap() * 1024.0
}

fn number(name: &str, default: usize) -> usize {
    env::var(name).map_or(default, |text| text.parse().unwrap())
}

const RATIO: f64 = 2.5;
/// The sizes at which the ratio is tried, in halves of the least.
const SIZES_IN_HALVES: [usize; 4] = [2, 3, 4, 6];
const ATTEMPTS: usize = 5;
/// Bytes of the program itself that come into memory while it works, whatever the content.
const PROGRAM: f64 = 500_000.0;
const PEAK: &str = "peak memory ";
