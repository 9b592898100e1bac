//! A proxy that passes everything on, and keeps the heads of the requests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The head of one request, taken apart.
#[derive(Clone, Debug)]
pub struct Head {
    pub method: String,
    pub path: String,
    /// In the order of their names: no parameter comes twice.
    pub parameters: BTreeMap<String, String>,
    /// By lower-case names.
    pub headers: BTreeMap<String, String>,
}

/// A listening proxy; it goes on until the test ends.
pub struct Tap {
    pub url: String,
    heads: Arc<Mutex<Vec<Head>>>,
}

impl Tap {
    /// Before `upstream` (`http://127.0.0.1:PORT`).
    pub async fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").to_owned();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = heads.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, upstream.clone(), kept.clone()));
            }
        });
        Self { url, heads }
    }

    /// The requests so far.
    pub fn heads(&self) -> Vec<Head> {
        self.heads.lock().unwrap().clone()
    }
}

async fn pass(mut client: TcpStream, upstream: String, heads: Arc<Mutex<Vec<Head>>>) {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut chunk = [0; 4096];
        match client.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    }
    heads
        .lock()
        .unwrap()
        .push(Head::parse(&String::from_utf8_lossy(&bytes)));
    let mut server = TcpStream::connect(upstream).await.unwrap();
    server.write_all(&bytes).await.unwrap();
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}

impl Head {
    fn parse(text: &str) -> Self {
        let (head, _) = text.split_once("\r\n\r\n").unwrap();
        let (first, rest) = head.split_once("\r\n").unwrap();
        let mut words = first.split(' ');
        let method = words.next().unwrap().to_owned();
        let target = format!("http://x{}", words.next().unwrap());
        let url = reqwest::Url::parse(&target).unwrap();
        let pairs: Vec<_> = url
            .query_pairs()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        let parameters: BTreeMap<_, _> = pairs.iter().cloned().collect();
        assert_eq!(parameters.len(), pairs.len(), "a parameter twice: {target}");
        let headers = rest
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Self {
            method,
            path: url.path().to_owned(),
            parameters,
            headers,
        }
    }

    /// Scheme, identity document (decoded) and signature of `Authorization`.
    pub fn authorization(&self) -> (String, serde_json::Value, String) {
        let (scheme, rest) = self.headers["authorization"].split_once(' ').unwrap();
        let (document, signature) = rest.split_once(':').unwrap();
        let document = base64::engine::general_purpose::STANDARD
            .decode(document)
            .unwrap();
        let document = serde_json::from_slice(&document).unwrap();
        (scheme.to_owned(), document, signature.to_owned())
    }
}
