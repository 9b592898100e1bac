//! Looks host names up, one look-up at a time for each name.
//!
//! The system's resolver blocks a thread for as long as it likes, also once nobody waits for the address any more. So a
//! request for a name that is being looked up waits for that look-up: a name that is stuck takes one thread, and leaves
//! the others to the other names. The threads are the process's, and so is the list of names.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

type Found = Result<Vec<IpAddr>, Arc<io::Error>>;

/// The names that are being looked up, or were.
static LOOK_UPS: LazyLock<Mutex<HashMap<String, watch::Receiver<Option<Found>>>>> =
    LazyLock::new(Mutex::default);

/// The addresses of a host. An address and `localhost` (RFC 6761) need no look-up; of a name that is being looked up,
/// the result is awaited.
///
/// # Errors
/// Fails if the name has no address, or if the resolver cannot find out.
pub async fn look_up(host: &str) -> Found {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    if host == "localhost" {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let mut found = under_way(host);
    let found = found.wait_for(Option::is_some).await;
    match found.as_deref() {
        Ok(Some(found)) => found.clone(),
        _ => Err(Arc::new(io::Error::other("the look-up has not ended"))),
    }
}

fn under_way(name: &str) -> watch::Receiver<Option<Found>> {
    let mut names = LOOK_UPS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = names.get(name)
        && found.has_changed().is_ok()
    {
        return found.clone();
    }
    let (send, found) = watch::channel(None);
    names.insert(name.to_owned(), found.clone());
    let name = name.to_owned();
    tokio::task::spawn_blocking(move || {
        let found = (name.as_str(), 0).to_socket_addrs();
        let found = found.map(|found| found.map(|address| address.ip()).collect());
        send.send_replace(Some(found.map_err(Arc::new)));
    });
    found
}

/// [`look_up`], for the HTTP clients.
#[derive(Clone, Copy, Debug)]
pub struct Names;

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async { look_up(name).await.map_err(ResolveDnsError::new) })
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = look_up(name.as_str()).await?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
