//! A connection to the session bus that one thread drives by itself, with a deadline on everything.
//!
//! zbus gets a socket of ours and no executor thread, and [`Bus::run`] polls both. So a call needs no reactor shared by the process, which
//! a forked child could not use, no runtime's feature matters, and at the deadline everything just stops.

use std::future::Future;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use zbus::connection::socket::{ReadHalf, Socket, Split, WriteHalf};

/// A connection, closed when dropped.
pub(super) struct Bus {
    wire: Arc<Wire>,
    connection: zbus::Connection,
}

impl Bus {
    /// Greets the bus at the other end of `stream`.
    pub(super) fn greet(stream: UnixStream, until: Instant) -> Result<Self, Stopped> {
        stream.set_nonblocking(true).map_err(|error| Stopped::Failed(error.into()))?;
        let wire = Arc::new(Wire { stream, reader: Mutex::default(), writer: Mutex::default() });
        let build = zbus::connection::Builder::socket(Ends(Arc::clone(&wire)))
            .internal_executor(false)
            .build();
        let connection = drive(&wire, None, Some(until), build)?.map_err(Stopped::Failed)?;
        Ok(Self { wire, connection })
    }

    pub(super) fn connection(&self) -> &zbus::Connection {
        &self.connection
    }

    /// Runs `call` until it returns, or until `until`; without one for as long as the connection lives.
    pub(super) fn run<T>(
        &self,
        until: Option<Instant>,
        call: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        drive(&self.wire, Some(self.connection.executor()), until, call)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // A forked child may hold a copy of the socket; the service must see the end all the same.
        drop(self.wire.stream.shutdown(std::net::Shutdown::Both));
    }
}

/// Why a call on the bus did not finish.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The deadline passed.
    Elapsed,
    /// The connection could not be made, or has ended.
    Failed(zbus::Error),
}

fn drive<T>(
    wire: &Wire,
    executor: Option<&zbus::Executor<'_>>,
    until: Option<Instant>,
    call: impl Future<Output = T>,
) -> Result<T, Stopped> {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut context = Context::from_waker(&waker);
    let mut call = pin!(call);
    let mut tasks = pin!(async {
        match executor {
            Some(executor) => loop {
                executor.tick().await;
                futures_lite::future::yield_now().await;
            },
            None => std::future::pending::<()>().await,
        }
    });
    loop {
        if let Poll::Ready(value) = call.as_mut().poll(&mut context) {
            return Ok(value);
        }
        if tasks.as_mut().poll(&mut context).is_ready() {
            return Err(Stopped::Failed(io::Error::from(io::ErrorKind::BrokenPipe).into()));
        }
        if until.is_some_and(|until| until <= Instant::now()) {
            return Err(Stopped::Elapsed);
        }
        if !woken.0.swap(false, Ordering::SeqCst) {
            wire.wait(until)?;
        }
    }
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The socket, and who waits for it.
#[derive(Debug)]
struct Wire {
    stream: UnixStream,
    reader: Mutex<Option<Waker>>,
    writer: Mutex<Option<Waker>>,
}

impl Wire {
    /// Sleeps until the socket is ready for whoever waits for it, and wakes them.
    fn wait(&self, until: Option<Instant>) -> Result<(), Stopped> {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, is_waiting(&self.reader));
        interest.set(PollFlags::OUT, is_waiting(&self.writer));
        if interest.is_empty() {
            // Nobody can wake the call any more: the connection has ended beneath it.
            return Err(Stopped::Failed(io::Error::from(io::ErrorKind::NotConnected).into()));
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.and_then(|left| Timespec::try_from(left).ok());
        let mut ready = [PollFd::new(&self.stream, interest)];
        match poll(&mut ready, left.as_ref()) {
            Ok(0) if until.is_some() => Err(Stopped::Elapsed),
            Ok(_) | Err(rustix::io::Errno::INTR) => {
                let happened = ready[0].revents();
                if happened.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) {
                    wake(&self.reader);
                }
                if happened.intersects(PollFlags::OUT | PollFlags::HUP | PollFlags::ERR) {
                    wake(&self.writer);
                }
                Ok(())
            }
            Err(error) => Err(Stopped::Failed(io::Error::from(error).into())),
        }
    }
}

fn is_waiting(who: &Mutex<Option<Waker>>) -> bool {
    who.lock().unwrap_or_else(PoisonError::into_inner).is_some()
}

fn wake(who: &Mutex<Option<Waker>>) {
    if let Some(waker) = who.lock().unwrap_or_else(PoisonError::into_inner).take() {
        waker.wake();
    }
}

/// Tries `operation`; if the socket is not ready, `who` is woken when it is.
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

#[derive(Debug)]
struct Ends(Arc<Wire>);

impl Socket for Ends {
    type ReadHalf = ReadEnd;
    type WriteHalf = WriteEnd;

    fn split(self) -> Split<ReadEnd, WriteEnd> {
        Split::new(ReadEnd(Arc::clone(&self.0)), WriteEnd(self.0))
    }
}

#[derive(Debug)]
struct ReadEnd(Arc<Wire>);

#[derive(Debug)]
struct WriteEnd(Arc<Wire>);

/// What `async_trait` turns an async method of zbus's traits into.
type Pending<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

impl ReadHalf for ReadEnd {
    fn recvmsg<'end, 'buffer, 'a>(
        &'end mut self,
        buffer: &'buffer mut [u8],
    ) -> Pending<'a, (usize, Vec<OwnedFd>)>
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

impl WriteHalf for WriteEnd {
    fn sendmsg<'end, 'buffer, 'fds, 'fd, 'a>(
        &'end mut self,
        buffer: &'buffer [u8],
        fds: &'fds [BorrowedFd<'fd>],
    ) -> Pending<'a, usize>
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

    fn close<'end, 'a>(&'end mut self) -> Pending<'a, ()>
    where
        'end: 'a,
        Self: 'a,
    {
        Box::pin(async { self.0.stream.shutdown(std::net::Shutdown::Both) })
    }
}
