//! The way to AWS is TLS: a proxy with a certificate of its own stands before the simulator's APIs.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::stage::{Stage, web};

/// Ends TLS for `localhost`, and passes on to `upstream` (`http://127.0.0.1:PORT`) what comes from `only`,
/// where that is given. Returns its URL, and its certificate.
async fn proxy(upstream: &str, only: Option<IpAddr>) -> (String, String) {
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let private = PrivateKeyDer::try_from(key.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![key.cert.der().clone()], private)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let upstream = upstream.trim_start_matches("http://").to_owned();
    tokio::spawn(async move {
        while let Ok((client, from)) = listener.accept().await {
            if only.is_some_and(|only| from.ip() != only) {
                continue;
            }
            let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
            tokio::spawn(async move {
                // A client that does not trust us ends here: that is what one test is about.
                let Ok(mut client) = acceptor.accept(client).await else {
                    return;
                };
                let mut server = TcpStream::connect(upstream).await.unwrap();
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (format!("https://localhost:{port}"), key.cert.pem())
}

/// A stage whose agent reaches every API by `AWS_ENDPOINT_URL` alone, and that from `only`, where that is
/// given.
pub async fn behind_tls(trusted: bool, only: Option<IpAddr>) -> Stage {
    let mut stage = Stage::new(vec![web(500)]).await.signalling();
    let (url, certificate) = proxy(&stage.simulator.aws_endpoint(), only).await;
    let file = stage.scratch.path().join("ca.pem");
    let other = rcgen::generate_simple_self_signed(vec!["elsewhere".to_owned()]).unwrap();
    let vouched = if trusted {
        certificate
    } else {
        other.cert.pem()
    };
    std::fs::write(&file, vouched).unwrap();
    stage.builder = stage
        .builder
        .unset("AWS_ENDPOINT_URL_ECS")
        .unset("AWS_ENDPOINT_URL_AUTO_SCALING")
        .unset("AWS_ENDPOINT_URL_CLOUDFORMATION")
        .env("AWS_ENDPOINT_URL", url)
        .env("SSL_CERT_FILE", file.display().to_string());
    stage
}

#[tokio::test]
async fn a_drain_over_tls() {
    drains_and_signals(&behind_tls(true, None).await).await;
}

/// The whole way: drained, completed, signalled.
pub async fn drains_and_signals(stage: &Stage) {
    let agent = stage.leaving().await;
    agent.says("lifecycle action completed").await;
    stage.assert_safe();
    stage.world(|world| {
        assert_eq!(
            world.requests().accepted("cloudformation:SignalResource"),
            1,
            "{}",
            agent.text()
        );
    });
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused_and_said() {
    let stage = behind_tls(false, None).await;
    let agent = stage.leaving().await;
    let line = agent.says("ecs:DescribeContainerInstances failed").await;
    assert!(line.to_lowercase().contains("certificate"), "{line}");
    stage.world(|world| {
        assert_eq!(
            world.requests().count("ecs:UpdateContainerInstancesState"),
            0
        );
    });
}
