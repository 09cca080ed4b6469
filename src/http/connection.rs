//! Connections that are given up when nothing comes: a client may not keep one busy by sending its request a byte at a time.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, Sleep};

/// How long a connection may be without a whole request, or without taking what it is sent.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Who is at the other end, and how many of its requests are being answered.
#[derive(Clone)]
pub struct Peer {
    /// Its address.
    pub address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl Peer {
    /// Says that a request is being answered, until the result is dropped.
    pub fn begin(&self) -> impl Drop + use<> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Answering(Arc::clone(&self.requests))
    }
}

struct Answering(Arc<AtomicUsize>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connected<IncomingStream<'_, Patient>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Patient>) -> Self {
        Self { address: *stream.remote_addr(), requests: Arc::clone(&stream.io().requests) }
    }
}

/// Listens for connections, and waits for their requests as long as it says.
pub struct Patient(pub TcpListener, pub Duration);

impl Listener for Patient {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        // Small answers go out at once; a socket that refuses this is merely slower.
        stream.set_nodelay(true).ok();
        let timer = Box::pin(tokio::time::sleep(self.1));
        (Connection { stream, requests: Arc::default(), progress: Instant::now(), patience: self.1, timer }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    requests: Arc<AtomicUsize>,
    /// When it was made, or last took something that it was sent.
    progress: Instant,
    patience: Duration,
    timer: Pin<Box<Sleep>>,
}

impl Connection {
    /// Called while there is nothing to do but wait: an error when that has lasted too long. A request that is being
    /// answered may take its time to arrive and to be worked on; the routes have limits of their own.
    fn wait(&mut self, cx: &mut Context<'_>, excused: bool) -> io::Result<()> {
        while self.timer.as_mut().poll(cx).is_ready() {
            if excused {
                self.progress = Instant::now();
            }
            let due = self.progress + self.patience;
            if due <= Instant::now() {
                return Err(io::ErrorKind::TimedOut.into());
            }
            self.timer.as_mut().reset(due);
        }
        Ok(())
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let excused = self.requests.load(Ordering::Relaxed) > 0;
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending => self.wait(cx, excused).map_or_else(|e| Poll::Ready(Err(e)), |()| Poll::Pending),
            ready @ Poll::Ready(_) => ready,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write(cx, bytes) {
            Poll::Pending => self.wait(cx, false).map_or_else(|e| Poll::Ready(Err(e)), |()| Poll::Pending),
            ready @ Poll::Ready(_) => {
                self.progress = Instant::now();
                ready
            }
        }
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, parts: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.stream).poll_write_vectored(cx, parts) {
            Poll::Pending => self.wait(cx, false).map_or_else(|e| Poll::Ready(Err(e)), |()| Poll::Pending),
            ready @ Poll::Ready(_) => {
                self.progress = Instant::now();
                ready
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    const PATIENCE: Duration = Duration::from_millis(300);

    async fn pair() -> (Connection, Peer, TcpStream) {
        let mut listener = Patient(TcpListener::bind("127.0.0.1:0").await.unwrap(), PATIENCE);
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (connection, address) = listener.accept().await;
        let peer = Peer { address, requests: Arc::clone(&connection.requests) };
        (connection, peer, client)
    }

    #[tokio::test]
    async fn bytes_that_make_no_request_do_not_keep_a_connection() {
        let (mut connection, _, mut client) = pair().await;
        let begun = Instant::now();
        tokio::spawn(async move {
            while client.write_all(b"G").await.is_ok() {
                tokio::time::sleep(PATIENCE / 10).await;
            }
        });
        let end = loop {
            if let Err(error) = connection.read(&mut [0; 8]).await {
                break error;
            }
        };
        assert_eq!(end.kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() >= PATIENCE);
    }

    #[tokio::test]
    async fn a_request_that_is_being_answered_keeps_it() {
        let (mut connection, peer, _client) = pair().await;
        let answering = peer.begin();
        let waiting = tokio::time::timeout(3 * PATIENCE, connection.read(&mut [0; 8])).await;
        assert!(waiting.is_err(), "still open");
        drop(answering);
        assert_eq!(connection.read(&mut [0; 8]).await.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
