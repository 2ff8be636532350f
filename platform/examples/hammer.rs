//! Measures the lock: many processes acquire it, replace an 8 KiB file durably, release it.
//!
//! `hammer [PROCESSES] [SECONDS]` prints how often each got its turn: the fewest, the most, all,
//! and the longest single wait.
#![allow(clippy::print_stdout, reason = "a program that reports to a terminal")]

use std::{
    env,
    error::Error,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tokenkeep_platform::{
    file::{Folder, Parents},
    lock::{CrossProcessLock, Wait},
};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = env::args().collect();
    if let [_, child, folder, seconds] = arguments.as_slice()
        && child == "child"
    {
        return hammer(Path::new(folder), Duration::from_secs_f64(seconds.parse()?));
    }
    let processes = arguments.get(1).map_or(Ok(64), |text| text.parse())?;
    let seconds: f64 = arguments.get(2).map_or(Ok(20.0), |text| text.parse())?;
    measure(processes, seconds)
}

fn measure(processes: usize, seconds: f64) -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let mut children = Vec::new();
    for _ in 0..processes {
        let mut command = Command::new(env::current_exe()?);
        command.arg("child").arg(folder.path().join("store")).arg(seconds.to_string());
        children.push(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
    }
    for child in &mut children {
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().ok_or("no output")?).read_line(&mut ready)?;
    }
    // All are up: let them go at once.
    for child in &mut children {
        child.stdin.take().ok_or("no input")?.write_all(b"go\n")?;
    }
    let mut counts = Vec::new();
    let mut longest = 0.0_f64;
    for child in children {
        let output = child.wait_with_output()?;
        let text = String::from_utf8(output.stdout)?;
        let (count, wait) = text.trim().split_once(' ').ok_or("a child failed")?;
        counts.push(count.parse::<u64>()?);
        longest = longest.max(wait.parse()?);
    }
    let (fewest, most) =
        (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
    let all: u64 = counts.iter().sum();
    println!(
        "{processes} processes, {seconds} s: fewest {fewest}, most {most} ({:.2}x), all {all} ({:.0}/s), longest wait {longest:.0} ms",
        most as f64 / fewest as f64,
        all as f64 / seconds
    );
    Ok(())
}

fn hammer(path: &Path, time: Duration) -> Result<(), Box<dyn Error>> {
    let folder = Folder::create(path, Parents::Require)?;
    let lock = CrossProcessLock::new(path, "store");
    let bytes = [7; 8192];
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    let began = Instant::now();
    let (mut count, mut longest) = (0, Duration::ZERO);
    while began.elapsed() < time {
        let asked = Instant::now();
        let guard = lock.acquire(&Wait::default())?;
        longest = longest.max(asked.elapsed());
        folder.replace("store", &bytes)?;
        drop(guard);
        count += 1;
    }
    println!("{count} {}", longest.as_millis());
    Ok(())
}
