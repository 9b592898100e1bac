//! Looks host names up, one look-up at a time for each name.
//!
//! The system's resolver blocks a thread for as long as it likes, also once nobody waits for the address any more. So a
//! request for a name that is being looked up waits for that look-up: a name that is stuck takes one thread, and leaves
//! the others to the other names.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::watch;

type Found = Result<Vec<IpAddr>, Arc<io::Error>>;

/// The names that are being looked up.
#[derive(Clone, Debug, Default)]
pub struct Names(Arc<Mutex<HashMap<String, watch::Receiver<Option<Found>>>>>);

impl Names {
    /// Looks a name up, or waits for the look-up that is under way.
    ///
    /// # Errors
    /// Fails if the name has no address, or if the resolver cannot find out.
    async fn look_up(&self, name: &str) -> Found {
        let mut found = self.under_way(name);
        let found = found.wait_for(Option::is_some).await;
        match found.as_deref() {
            Ok(Some(found)) => found.clone(),
            _ => Err(Arc::new(io::Error::other("the look-up has not ended"))),
        }
    }

    fn under_way(&self, name: &str) -> watch::Receiver<Option<Found>> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
}

impl ResolveDns for Names {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async { self.look_up(name).await.map_err(ResolveDnsError::new) })
    }
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let names = self.clone();
        Box::pin(async move {
            let found = names.look_up(name.as_str()).await?;
            let addresses = found.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(addresses) as Addrs)
        })
    }
}
