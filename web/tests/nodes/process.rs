//! A node as its test sees it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, Stdio},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::Duration,
};

use tokenkeep_test_support::{again, started};

use crate::{
    load::Ack,
    node::MARK,
    orders::{Answer, Order, Settings},
};

/// It ends when this is dropped.
pub(crate) struct Node {
    child: Child,
    input: ChildStdin,
    answers: Receiver<Answer>,
    acks: Arc<Mutex<Vec<Ack>>>,
}

impl Node {
    /// Starts it. It is there when [`is_up`](Self::is_up) returns.
    pub(crate) fn start(test: impl Fn(), settings: &Settings) -> Self {
        let mut command = again(test, "node");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = started(|| command.spawn()).expect("a process starts");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (send, answers) = channel();
        let acks: Arc<Mutex<Vec<Ack>>> = Arc::default();
        let of_reader = Arc::clone(&acks);
        thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let Some(json) = line.strip_prefix(MARK) else { continue };
                // A node that is killed may have said half a line.
                match serde_json::from_str(json) {
                    Ok(Answer::Ack(ack)) => lock(&of_reader).push(ack),
                    // Nobody listens to a node that was dropped.
                    Ok(answer) => drop(send.send(answer)),
                    Err(_) => return,
                }
            }
        });
        let mut node = Self { child, input, answers, acks };
        node.tell(&serde_json::to_string(settings).expect("it is JSON"));
        node
    }

    pub(crate) fn is_up(&self) {
        assert!(matches!(self.hear(), Answer::Ready));
    }

    pub(crate) fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the node reads");
    }

    pub(crate) fn order(&mut self, order: &Order) {
        self.tell(&serde_json::to_string(order).expect("it is JSON"));
    }

    /// The next answer.
    pub(crate) fn hear(&self) -> Answer {
        self.answers.recv_timeout(PATIENCE).expect("the node answers")
    }

    /// What has ended so far in its load.
    pub(crate) fn acks(&self) -> usize {
        lock(&self.acks).len()
    }

    /// Ends it, and returns all that had ended in its load.
    pub(crate) fn killed(mut self) -> Vec<Ack> {
        self.kill();
        // The reader ends with the pipe.
        while self.answers.recv().is_ok() {}
        std::mem::take(&mut lock(&self.acks))
    }

    /// Ends its load, waits until all is saved, and returns all that had ended.
    pub(crate) fn ended(mut self) -> Vec<Ack> {
        self.tell("end");
        assert!(matches!(self.hear(), Answer::Loaded));
        self.order(&Order::Close);
        self.is_up();
        self.tell("go");
        match self.hear() {
            Answer::Closed(None) => self.killed(),
            other => panic!("{other:?}"),
        }
    }

    /// Ends it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("it is ours");
        self.child.wait().expect("it was started");
    }
}

fn lock(acks: &Mutex<Vec<Ack>>) -> MutexGuard<'_, Vec<Ack>> {
    acks.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Node {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Gives each node its order, lets all begin at once, and returns what they answer.
pub(crate) fn all(nodes: &mut [Node], order: impl Fn(usize) -> Order) -> Vec<Answer> {
    begin(nodes, order);
    nodes.iter().map(Node::hear).collect()
}

/// Gives each node its order, and lets all begin at once.
pub(crate) fn begin(nodes: &mut [Node], order: impl Fn(usize) -> Order) {
    for (nth, node) in nodes.iter_mut().enumerate() {
        node.order(&order(nth));
    }
    nodes.iter().for_each(Node::is_up);
    nodes.iter_mut().for_each(|node| node.tell("go"));
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(120);
