//! The socket of a connection: who waits for it, which messages are accepted, and whether the
//! service is still the same.
//!
//! zbus would need a reactor thread for a socket of its own. A forked child does not have that
//! thread, and a stuck one cannot be stopped at a deadline. So this one is polled by the thread
//! that makes the call.

use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};
use zbus::message::Message;
use zbus::zvariant::OwnedObjectPath;

use super::message;
use super::names::{ANSWER_LIMIT, BUS, NAME};

/// The socket and the tasks that wait for it.
#[derive(Debug)]
pub(super) struct Wire {
    stream: UnixStream,
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
    /// The size limit of the next answer, in bytes.
    limit: AtomicUsize,
    over: AtomicBool,
    /// The signals received since they were last taken.
    news: Mutex<Vec<News>>,
}

impl Wire {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            reader: Mutex::default(),
            writer: Mutex::default(),
            limit: AtomicUsize::new(ANSWER_LIMIT),
            over: AtomicBool::new(false),
            news: Mutex::default(),
        }
    }

    /// Takes the item and collection signals received since the last call of this method.
    pub(super) fn news(&self) -> Vec<News> {
        std::mem::take(&mut self.news.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn take_up_to(&self, limit: usize) {
        self.limit.store(limit, Ordering::SeqCst);
    }

    /// Whether the connection has ended, or the service's name has lost its owner.
    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    pub(super) fn shut_down(&self) {
        drop(self.stream.shutdown(std::net::Shutdown::Both));
    }

    /// Wakes the reading task if it waits and there is something to read.
    pub(super) fn wake_if_ready(&self) -> bool {
        let mut ready = [PollFd::new(&self.stream, PollFlags::IN)];
        let ready = is_waiting(&self.reader)
            && poll(&mut ready, Some(&Timespec::default())).is_ok_and(|count| count > 0);
        if ready {
            wake(&self.reader);
        }
        ready
    }

    /// Sleeps until the socket is ready for a waiting task, and wakes that task. Returns `false` if
    /// the time is up.
    pub(super) fn wait(&self, until: Option<Instant>) -> io::Result<bool> {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, is_waiting(&self.reader));
        interest.set(PollFlags::OUT, is_waiting(&self.writer));
        if interest.is_empty() {
            // No task can be woken any more: the connection has ended.
            return Err(io::ErrorKind::NotConnected.into());
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut ready = [PollFd::new(&self.stream, interest)];
        match poll(&mut ready, left.as_ref()) {
            Ok(0) if until.is_some() => Ok(false),
            Ok(_) | Err(rustix::io::Errno::INTR) => {
                let happened = ready[0].revents();
                if happened.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                    wake(&self.reader);
                }
                if happened.intersects(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR) {
                    wake(&self.writer);
                }
                Ok(true)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Refuses a message by its size before memory is allocated for it.
    fn check_size(&self, start: &[u8]) -> io::Result<()> {
        let size = message::size(start);
        let is_answer = message::is_answer(start);
        let limit = if is_answer { self.limit.load(Ordering::SeqCst) } else { ANSWER_LIMIT };
        if size <= limit as u64 {
            return Ok(());
        }
        let text =
            format!("the secret service sent {size} bytes at once; at most {limit} are taken");
        Err(io::Error::new(io::ErrorKind::FileTooLarge, text))
    }

    /// Notices the signals that matter. The bus announces the owner change of the service's name
    /// before it delivers anything from the next owner.
    fn see(&self, message: &Message) {
        let header = message.header();
        let from_bus = header.sender().is_some_and(|sender| sender == BUS);
        match header.member().map(|member| member.as_str()) {
            Some("NameOwnerChanged") if from_bus => {
                if let Ok((name, old, _)) = message.body().deserialize::<(String, String, String)>()
                    && name == NAME
                    && !old.is_empty()
                {
                    self.over.store(true, Ordering::SeqCst);
                }
            }
            Some(member @ ("ItemCreated" | "ItemDeleted" | "CollectionChanged")) => {
                if let Ok(path) = message.body().deserialize::<OwnedObjectPath>() {
                    self.tell(match member {
                        "ItemCreated" => News::ItemCame(path),
                        "ItemDeleted" => News::ItemWent(path),
                        _ => News::CollectionChanged,
                    });
                }
            }
            _ => {}
        }
    }

    /// Records a signal. If there are too many, they are replaced by one that stands for any
    /// change.
    fn tell(&self, news: News) {
        let mut all = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        match all.len() {
            MAX_NEWS.. => *all = vec![News::CollectionChanged],
            _ => all.push(news),
        }
    }
}

/// A signal of the service.
#[derive(Debug)]
pub(super) enum News {
    /// An item was created, or an existing one was replaced.
    ItemCame(OwnedObjectPath),
    ItemWent(OwnedObjectPath),
    /// A collection was locked, unlocked or changed otherwise.
    CollectionChanged,
}

fn is_waiting(who: &Mutex<Option<Waker>>) -> bool {
    who.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

fn wake(who: &Mutex<Option<Waker>>) {
    if let Some(waker) = who.lock().unwrap_or_else(PoisonError::into_inner).take() {
        waker.wake();
    }
}

/// Tries `operation`. If the socket is not ready, registers `who` to be woken.
fn attempt<T>(
    who: &Mutex<Option<Waker>>,
    context: &Context<'_>,
    mut operation: impl FnMut() -> rustix::io::Result<T>,
) -> Poll<io::Result<T>> {
    loop {
        match operation() {
            Ok(value) => return Poll::Ready(Ok(value)),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let waker = context.waker().clone();
                *who.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker);
                return Poll::Pending;
            }
            Err(error) => return Poll::Ready(Err(error.into())),
        }
    }
}

/// The two halves of the socket that zbus expects.
#[derive(Debug)]
pub(super) struct Ends(pub(super) Arc<Wire>);

impl Socket for Ends {
    type ReadHalf = ReadEnd;
    type WriteHalf = WriteEnd;

    fn split(self) -> Split<ReadEnd, WriteEnd> {
        Split::new(ReadEnd(Bytes(Arc::clone(&self.0))), WriteEnd(self.0))
    }
}

/// The type that `async_trait` gives to an async method of zbus's traits.
type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Reads messages and checks each before and after.
#[derive(Debug)]
pub(super) struct ReadEnd(Bytes);

impl ReadHalf for ReadEnd {
    fn receive_message<'end, 'bytes, 'fds, 'a>(
        &'end mut self,
        seq: u64,
        received: &'bytes mut Vec<u8>,
        fds: &'fds mut Vec<OwnedFd>,
    ) -> Pending<'a, zbus::Result<Message>>
    where
        'end: 'a,
        'bytes: 'a,
        'fds: 'a,
        Self: 'a,
    {
        let wire = Arc::clone(&self.0.0);
        Box::pin(async move {
            let message = async {
                let start = self.0.fill(received, message::START).await?;
                wire.check_size(start)?;
                let header = message::header_size(start);
                message::check_names(self.0.fill(received, header).await?)?;
                self.0.receive_message(seq, received, fds).await
            };
            let message = message.await;
            match &message {
                Ok(message) => wire.see(message),
                // The stream is out of step after a refused message.
                Err(_) => wire.over.store(true, Ordering::SeqCst),
            }
            message
        })
    }

    fn recvmsg<'end, 'buffer, 'a>(
        &'end mut self,
        buffer: &'buffer mut [u8],
    ) -> Pending<'a, io::Result<(usize, Vec<OwnedFd>)>>
    where
        'end: 'a,
        'buffer: 'a,
        Self: 'a,
    {
        self.0.recvmsg(buffer)
    }
}

/// Reads bytes, from which zbus builds messages.
#[derive(Debug)]
struct Bytes(Arc<Wire>);

impl Bytes {
    /// Reads until `received` has `size` bytes, the start of a message.
    async fn fill<'r>(&mut self, received: &'r mut Vec<u8>, size: usize) -> io::Result<&'r [u8]> {
        let mut have = received.len();
        received.resize(have.max(size), 0);
        while have < size {
            let (count, _) = self.recvmsg(&mut received[have..size]).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            have += count;
        }
        Ok(&received[..size])
    }
}

impl ReadHalf for Bytes {
    fn recvmsg<'end, 'buffer, 'a>(
        &'end mut self,
        buffer: &'buffer mut [u8],
    ) -> Pending<'a, io::Result<(usize, Vec<OwnedFd>)>>
    where
        'end: 'a,
        'buffer: 'a,
        Self: 'a,
    {
        Box::pin(std::future::poll_fn(move |context| {
            attempt(&self.0.reader, context, || {
                let (received, _) = recv(&self.0.stream, &mut *buffer, RecvFlags::empty())?;
                Ok((received, Vec::new()))
            })
        }))
    }
}

#[derive(Debug)]
pub(super) struct WriteEnd(Arc<Wire>);

impl WriteHalf for WriteEnd {
    fn sendmsg<'end, 'buffer, 'fds, 'fd, 'a>(
        &'end mut self,
        buffer: &'buffer [u8],
        fds: &'fds [BorrowedFd<'fd>],
    ) -> Pending<'a, io::Result<usize>>
    where
        'end: 'a,
        'buffer: 'a,
        'fds: 'a,
        'fd: 'a,
        Self: 'a,
    {
        Box::pin(std::future::poll_fn(move |context| {
            if !fds.is_empty() {
                return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
            }
            attempt(&self.0.writer, context, || send(&self.0.stream, buffer, SendFlags::NOSIGNAL))
        }))
    }

    fn close<'end, 'a>(&'end mut self) -> Pending<'a, io::Result<()>>
    where
        'end: 'a,
        Self: 'a,
    {
        Box::pin(async { self.0.stream.shutdown(std::net::Shutdown::Both) })
    }
}

const MAX_NEWS: usize = 1000;
