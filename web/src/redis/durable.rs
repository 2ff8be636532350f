//! Writes that replicas confirm.

use std::{sync::Arc, time::Duration};

use redis::{
    RedisError, Value,
    aio::{ConnectionLike as _, MultiplexedConnection},
};
use tokio::{
    sync::{mpsc, oneshot},
    time::timeout,
};

use super::{
    failure::{ends_connection, is_broken, is_no_script},
    opening::{Answer, open},
    place::Place,
    script::ScriptCall,
};

/// A connection of its own, because `WAIT` stops everybody on one. Calls that come while it waits
/// go together, with one `WAIT` for all of them.
pub(super) struct Durable {
    jobs: mpsc::Sender<Job>,
}

struct Job {
    call: ScriptCall<Vec<u8>>,
    asking: bool,
    replicas: u8,
    wait: Duration,
    answer: oneshot::Sender<Outcome>,
}

type Outcome = Result<Answer, Undone>;

/// Why there is no answer.
pub(super) struct Undone {
    pub(super) error: RedisError,
    /// Whether the call was sent, so that the error may be the server's.
    pub(super) was_sent: bool,
    /// Whether an earlier try may have been done.
    pub(super) was_repeated: bool,
}

impl Durable {
    pub(super) fn new(place: Arc<dyn Place>, call: Duration) -> Self {
        let (jobs, waiting) = mpsc::channel(MOST_WAITING);
        tokio::spawn(work(waiting, place, call));
        Self { jobs }
    }

    /// Whether its task ended, with the runtime that it was started on.
    pub(super) fn has_ended(&self) -> bool {
        self.jobs.is_closed()
    }

    /// Calls a script, and waits until this many replicas have its writes.
    pub(super) async fn run(
        &self,
        call: ScriptCall<Vec<u8>>,
        replicas: u8,
        wait: Duration,
        asking: bool,
    ) -> Outcome {
        let (answer, answered) = oneshot::channel();
        let job = Job { call, asking, replicas, wait, answer };
        let ended = |was_sent| Undone { error: closed(), was_sent, was_repeated: false };
        self.jobs.send(job).await.map_err(|_| ended(false))?;
        answered.await.unwrap_or_else(|_| Err(ended(true)))
    }
}

const MOST_WAITING: usize = 1_024;

fn closed() -> RedisError {
    std::io::Error::from(std::io::ErrorKind::NotConnected).into()
}

async fn work(mut waiting: mpsc::Receiver<Job>, place: Arc<dyn Place>, call: Duration) {
    let mut connection = None;
    let mut jobs = Vec::new();
    while waiting.recv_many(&mut jobs, MOST_WAITING).await > 0 {
        // Nobody waits for the answer any more.
        jobs.retain(|job| !job.answer.is_closed());
        if jobs.is_empty() {
            continue;
        }
        let outcomes = together(&mut connection, &*place, &jobs, call).await;
        for (job, outcome) in jobs.drain(..).zip(outcomes) {
            if matches!(&outcome, Err(undone) if ends_connection(&undone.error)) {
                connection = None;
            }
            // A caller that has gone needs no answer.
            job.answer.send(outcome).ok();
        }
    }
}

async fn together(
    connection: &mut Option<MultiplexedConnection>,
    place: &dyn Place,
    jobs: &[Job],
    call: Duration,
) -> Vec<Outcome> {
    let all = |error: RedisError, was_sent, was_repeated| {
        jobs.iter().map(|_| Err(Undone { error: error.clone(), was_sent, was_repeated })).collect()
    };
    let mut was_repeated = false;
    loop {
        let (live, is_new) = match connection {
            Some(live) => (live, false),
            None => match open(place, None, call / 2).await {
                Ok(live) => (connection.insert(live), true),
                Err(error) => return all(error, false, was_repeated),
            },
        };
        match exchange(live, jobs, call, was_repeated).await {
            Ok(outcomes) => return outcomes,
            Err(error) => {
                *connection = None;
                // It may have been closed while nothing was sent. Every step may be repeated.
                if is_new || !is_broken(&error) {
                    return all(error, true, was_repeated);
                }
                was_repeated = true;
            }
        }
    }
}

async fn exchange(
    connection: &mut MultiplexedConnection,
    jobs: &[Job],
    call: Duration,
    was_repeated: bool,
) -> Result<Vec<Outcome>, RedisError> {
    let mut replicas = Ok(0);
    let mut answers = Vec::new();
    // A script that the engine does not know is sent again as a text.
    for by_text in [false, true] {
        let is_again = |answer: &Result<Value, RedisError>| match answer {
            Err(error) => is_no_script(error),
            Ok(_) => false,
        };
        let chosen: Vec<_> = match by_text {
            false => (0..jobs.len()).collect(),
            true => (0..jobs.len()).filter(|nth| is_again(&answers[*nth])).collect(),
        };
        if chosen.is_empty() {
            break;
        }
        let (new, confirmed) = send(connection, jobs, &chosen, by_text, call).await?;
        replicas = confirmed;
        if by_text {
            for (nth, answer) in chosen.into_iter().zip(new) {
                answers[nth] = answer;
            }
        } else {
            answers = new;
        }
    }
    let undone = |error| Undone { error, was_sent: true, was_repeated };
    let outcomes = answers.into_iter().map(|answer| match (answer, &replicas) {
        (Ok(value), Ok(replicas)) => Ok(Answer { value, replicas: *replicas, was_repeated }),
        (Ok(_), Err(error)) => Err(undone(error.clone())),
        (Err(error), _) => Err(undone(error)),
    });
    Ok(outcomes.collect())
}

/// Sends the chosen jobs and one `WAIT`.
async fn send(
    connection: &mut MultiplexedConnection,
    jobs: &[Job],
    chosen: &[usize],
    by_text: bool,
    call: Duration,
) -> Result<(Vec<Result<Value, RedisError>>, Result<u8, RedisError>), RedisError> {
    let mut pipeline = redis::pipe();
    // How many answers each job has. Its last one, or the first error, counts.
    let mut parts = Vec::new();
    for job in chosen.iter().map(|nth| &jobs[*nth]) {
        let script = &job.call;
        let call = if by_text { script.by_text() } else { script.by_digest() };
        let mut part = 0;
        for command in script.before().filter(|_| !by_text).into_iter().chain([call]) {
            if job.asking {
                pipeline.cmd("ASKING");
                part += 1;
            }
            pipeline.add_command(command);
            part += 1;
        }
        parts.push(part);
    }
    let replicas = jobs.iter().map(|job| job.replicas).max().unwrap_or_default();
    let wait = jobs.iter().map(|job| job.wait).max().unwrap_or_default();
    // Redis takes 0 for a wait without an end.
    let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).clamp(1, 60_000);
    pipeline.cmd("WAIT").arg(replicas).arg(milliseconds);
    let count = parts.iter().sum::<usize>() + 1;
    let answers = connection.req_packed_commands(&pipeline, 0, count);
    let limit = call + Duration::from_millis(milliseconds);
    let mut answers = match timeout(limit, answers).await {
        Ok(answers) => answers?,
        Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    };
    let confirmed = match answers.pop() {
        Some(Value::Int(confirmed)) => Ok(u8::try_from(confirmed).unwrap_or(u8::MAX)),
        // What the scripts answered says more, such as who the primary is.
        Some(answer) => answer.extract_error().map(|_| 0),
        None => Ok(0),
    };
    let mut answers = answers.into_iter().map(Value::extract_error);
    let of_job = |part| answers.by_ref().take(part).reduce(Result::and).unwrap_or(Ok(Value::Nil));
    Ok((parts.into_iter().map(of_job).collect(), confirmed))
}
