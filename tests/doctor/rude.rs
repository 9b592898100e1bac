//! A metadata service with manners that the simulator's does not have, in front of the simulator's.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

/// How it behaves.
#[derive(Clone, Default)]
pub struct Rude {
    /// Answers without a token.
    pub version_1: bool,
    /// Says it is this time, in the form of HTTP.
    pub date: Option<&'static str>,
    /// The answer with a token never arrives.
    pub no_tokens: bool,
}

impl Rude {
    /// Starts it, on threads that end with the test program. Returns its URL.
    pub fn start(self, upstream: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let upstream = upstream.trim_start_matches("http://").to_owned();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (rude, upstream) = (self.clone(), upstream.clone());
                std::thread::spawn(move || rude.serve(client, &upstream));
            }
        });
        url
    }

    /// One request to a connection. A client that leaves early is none of our trouble.
    fn serve(&self, mut client: TcpStream, upstream: &str) {
        let Some(head) = head(&mut client) else {
            return;
        };
        let lower = head.to_ascii_lowercase();
        if self.no_tokens && head.starts_with("PUT ") {
            // Until the client gives up.
            let _ = client.read(&mut [0]);
            return;
        }
        let mut answer = if self.version_1 && !lower.contains("x-aws-ec2-metadata-token") {
            "HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\ni-1".to_owned()
        } else {
            let mut server = TcpStream::connect(upstream).unwrap();
            let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
            server.write_all(head.as_bytes()).unwrap();
            let mut answer = String::new();
            server.read_to_string(&mut answer).unwrap();
            answer
        };
        if let Some(date) = self.date {
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            let head: Vec<&str> = head
                .lines()
                .filter(|line| !line.to_ascii_lowercase().starts_with("date:"))
                .collect();
            answer = format!("{}\r\ndate: {date}\r\n\r\n{body}", head.join("\r\n"));
        }
        let _ = client.write_all(answer.as_bytes());
    }
}

fn head(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}
