//! Where the way to AWS leads through a proxy: `HTTPS_PROXY`, `HTTP_PROXY`, `NO_PROXY`. Never to metadata and
//! introspection.

use std::net::IpAddr;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ecs_lifecycle_rig::Scratch;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::packages;
use super::stage::{PATIENCE, Stage, web};
use super::tls::{behind_tls, drains_and_signals};

/// A proxy of Debian's, whose own connections come from another address than everybody else's.
struct Tinyproxy {
    scratch: Scratch,
    url: String,
    _child: Child,
}

const ADDRESS: &str = "127.0.0.2";

impl Tinyproxy {
    /// `None` where there is none to be had, which is said.
    async fn start(test: &str) -> Option<Self> {
        if !packages::has("/usr/bin/tinyproxy", test) {
            return None;
        }
        let scratch = Scratch::new().unwrap();
        let port = {
            let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
            free.local_addr().unwrap().port()
        };
        let path = |name: &str| scratch.path().join(name).display().to_string();
        let text = format!(
            "Port {port}\nListen 127.0.0.1\nBind {ADDRESS}\nTimeout 60\nLogLevel Connect\n\
             LogFile \"{}\"\nMaxClients 100\n",
            path("log")
        );
        std::fs::write(path("conf"), text).unwrap();
        let child = Command::new("/usr/bin/tinyproxy")
            .args(["-d", "-c", &path("conf")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let listens = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, listens).await.unwrap();
        Some(Self {
            scratch,
            url: format!("http://127.0.0.1:{port}"),
            _child: child,
        })
    }

    /// What was asked of it: a line each, `CONNECT localhost:443 HTTP/1.1` and the like.
    fn asked(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.scratch.path().join("log")).unwrap();
        log.lines()
            .filter_map(|line| Some(line.split_once("Request (file descriptor")?.1.to_owned()))
            .collect()
    }
}

/// AWS takes what comes from the proxy, and nothing else.
#[tokio::test]
async fn aws_is_reached_by_the_proxy_alone() {
    for name in ["HTTPS_PROXY", "https_proxy"] {
        let Some(proxy) = Tinyproxy::start("proxies::aws_is_reached_by_the_proxy_alone").await
        else {
            return;
        };
        let only: IpAddr = ADDRESS.parse().unwrap();
        let mut stage = behind_tls(true, Some(only)).await;
        // Metadata and introspection are plain HTTP: they must not go there.
        stage.builder = stage
            .builder
            .env(name, &proxy.url)
            .env("HTTP_PROXY", &proxy.url);
        drains_and_signals(&stage).await;
        let asked = proxy.asked();
        assert!(asked.len() >= 3, "{asked:?}");
        for line in asked {
            assert!(line.contains("CONNECT localhost:"), "{line}");
        }
    }
}

/// Plain HTTP to AWS takes the proxy, too: by it, or not at all.
#[tokio::test]
async fn plain_http_takes_the_proxy_for_http() {
    let Some(proxy) = Tinyproxy::start("proxies::plain_http_takes_the_proxy_for_http").await else {
        return;
    };
    let mut stage = Stage::new(vec![web(300)]).await;
    stage.builder = stage.builder.env("http_proxy", &proxy.url);
    let _agent = stage.leaving().await;
    stage.completed().await;
    stage.assert_safe();
    let asked = proxy.asked();
    let to_aws = asked.iter().filter(|line| line.contains("POST ")).count();
    assert!(to_aws >= 1 && to_aws == asked.len(), "{asked:?}");
}

#[tokio::test]
async fn no_proxy_names_what_is_reached_without_one() {
    let mut stage = behind_tls(true, None).await;
    stage.builder = stage
        .builder
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .env("NO_PROXY", "169.254.169.254,localhost");
    drains_and_signals(&stage).await;
}

/// What is asked of a proxy that leads nowhere.
async fn nowhere() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let mut line = String::new();
            if BufReader::new(client).read_line(&mut line).await.is_ok() {
                lines.lock().unwrap().push(line.trim_end().to_owned());
            }
        }
    });
    (url, asked)
}

/// The signal goes where the SDK would send it, in every partition, with FIPS and dual stack.
#[tokio::test]
async fn the_signal_finds_cloudformation_as_the_sdk_does() {
    let cases = [
        (None, "us-east-1", "cloudformation.us-east-1.amazonaws.com"),
        (
            Some("AWS_USE_FIPS_ENDPOINT"),
            "us-east-1",
            "cloudformation-fips.us-east-1.amazonaws.com",
        ),
        (
            Some("AWS_USE_DUALSTACK_ENDPOINT"),
            "eu-central-1",
            "cloudformation.eu-central-1.api.aws",
        ),
        (
            Some("AWS_USE_FIPS_ENDPOINT"),
            "us-gov-west-1",
            "cloudformation.us-gov-west-1.amazonaws.com",
        ),
        (
            None,
            "cn-north-1",
            "cloudformation.cn-north-1.amazonaws.com.cn",
        ),
        (
            None,
            "us-isob-east-1",
            "cloudformation.us-isob-east-1.sc2s.sgov.gov",
        ),
        (
            None,
            "us-isof-south-1",
            "cloudformation.us-isof-south-1.csp.hci.ic.gov",
        ),
    ];
    for (variable, region, host) in cases {
        let mut stage = super::stage::in_region(region, vec![web(100)])
            .await
            .signalling()
            .configured("cloudformation.signal_on_timeout=FAILURE drain.timeout=1s");
        let (url, asked) = nowhere().await;
        stage.builder = stage
            .builder
            .unset("AWS_ENDPOINT_URL_CLOUDFORMATION")
            .env("HTTPS_PROXY", url);
        if let Some(variable) = variable {
            stage.builder = stage.builder.env(variable, "true");
        }
        let agent = stage.leaving().await;
        agent.says("cloudformation:SignalResource failed").await;
        let asked = asked.lock().unwrap().clone();
        let wanted = format!("CONNECT {host}:443 HTTP/1.1");
        assert!(asked.contains(&wanted), "{wanted}: {asked:?}");
    }
}
