//! A listening port that can be closed, refusing connections, and opened again.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};

use super::connection::{ResetFlag, Stream};
use super::serve::serve;
use crate::model::Service;
use crate::shared::Shared;

/// What answers at a port.
#[derive(Clone, Debug)]
pub(crate) enum Front {
    /// The metadata service of an instance.
    Imds(String),
    /// The ECS agent's introspection server of an instance.
    Introspection(String),
    /// One AWS API, or all of them.
    Aws(Option<Service>),
}

/// A port of 127.0.0.1.
pub(crate) struct Listener {
    address: SocketAddr,
    /// Bound and never listening: keeps the port ours while it is closed.
    _reservation: Socket,
    shared: Arc<Shared>,
    front: Front,
    runtime: Handle,
    open: Mutex<Option<Open>>,
}

struct Open {
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Listener {
    /// Takes a port, without opening it yet.
    pub(crate) fn reserve(shared: Arc<Shared>, front: Front, runtime: Handle) -> io::Result<Self> {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let reservation = bind(any)?;
        let address = reservation
            .local_addr()?
            .as_socket()
            .ok_or_else(|| io::Error::other("the socket has no internet address"))?;
        Ok(Self {
            address,
            _reservation: reservation,
            shared,
            front,
            runtime,
            open: Mutex::default(),
        })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Accepts connections from now on.
    pub(crate) fn open(&self) -> io::Result<()> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.is_some() {
            return Ok(());
        }
        let socket = listen_when_free(self.address)?;
        socket.set_nonblocking(true)?;
        let _inside = self.runtime.enter();
        let listener = TcpListener::from_std(socket.into())?;
        let (stop, stopped) = oneshot::channel();
        let done = self.runtime.spawn(accept(
            listener,
            stopped,
            self.shared.clone(),
            self.front.clone(),
        ));
        *open = Some(Open { stop, done });
        Ok(())
    }

    /// Refuses connections from now on, and breaks off those there are.
    pub(crate) async fn close(&self) {
        let open = self
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(open) = open {
            let _ = open.stop.send(());
            let _ = open.done.await;
        }
    }
}

/// Listens at a reserved port. On a busy machine the kernel has been seen to say "in use" for a moment
/// after the last listener was closed.
#[expect(
    clippy::disallowed_methods,
    reason = "a moment, in a simulator, on a thread of its caller"
)]
fn listen_when_free(address: SocketAddr) -> io::Result<Socket> {
    let mut tries = 0;
    loop {
        let listening = bind(address).and_then(|socket| socket.listen(1024).map(|()| socket));
        match listening {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries < 400 => tries += 1,
            done => return done,
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

fn bind(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

async fn accept(
    listener: TcpListener,
    mut stopped: oneshot::Receiver<()>,
    shared: Arc<Shared>,
    front: Front,
) {
    let front = Arc::new(front);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(connection(stream, shared.clone(), front.clone()));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection(stream: TcpStream, shared: Arc<Shared>, front: Arc<Front>) {
    let _ = stream.set_nodelay(true);
    let reset = ResetFlag::default();
    let io = TokioIo::new(Stream::new(stream, reset.clone()));
    let service =
        service_fn(move |request| serve(shared.clone(), front.clone(), reset.clone(), request));
    // An error here is a connection that broke off, on our side or the caller's: both are meant.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(io, service)
        .await;
}
