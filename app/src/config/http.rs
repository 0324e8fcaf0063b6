use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use serde::Deserialize;

use super::reader::Reader;

/// The HTTP server.
#[derive(Debug, Clone)]
pub struct Http {
    /// The address to listen on; port 0 takes any free port, `[::]` accepts IPv4 as well.
    pub listen: SocketAddr,
    /// Async worker threads; `None` means one for each processor.
    pub workers: Option<NonZeroUsize>,
    /// How long a connection may stay open with no request on it.
    pub keep_alive: Duration,
    /// Whether each answered request is logged.
    pub access_log: bool,
    /// How long one request may take; requests that may wait for a lock get the wait on top of it.
    pub request_timeout: Duration,
    /// How long a client may take to send the head of a request, or pause in the middle of its body.
    pub read_timeout: Duration,
    /// Connections at most; the rest wait in the operating system's queue.
    pub connections_max: usize,
}

impl Http {
    /// Whether only this machine can reach the server.
    pub fn is_loopback(&self) -> bool {
        self.listen.ip().to_canonical().is_loopback()
    }
}

#[derive(Default, Deserialize)]
struct Raw {
    host: Option<String>,
    port: Option<String>,
    workers: Option<String>,
    timeout_keep_alive: Option<String>,
    access_log: Option<String>,
    request_timeout_seconds: Option<String>,
    read_timeout_seconds: Option<String>,
    max_connections: Option<String>,
}

impl Http {
    pub(super) fn read(reader: &mut Reader, notices: &mut Vec<String>) -> Self {
        let raw: Raw = reader.section("API_");
        let platform_port = reader.alone("PORT");
        let default_host = match platform_port {
            Some(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
        };
        let host = match raw.host.as_deref().map(parse_host) {
            None => default_host,
            Some(Some(host)) => host,
            Some(None) => {
                reader.refuse("API_HOST", "must be an IP address or `localhost`; names are not looked up");
                default_host
            }
        };
        let platform_port: Option<u16> = reader.number_if_set("PORT", platform_port);
        let own_port: Option<u16> = reader.number_if_set("API_PORT", raw.port);
        if own_port.zip(platform_port).is_some_and(|(own, platform)| own != platform) {
            notices.push("PORT and API_PORT are both set; API_PORT is used".to_owned());
        }
        let port = own_port.or(platform_port).unwrap_or_else(|| reader.number("API_PORT", None));
        let keep_alive: u64 = reader.number("API_TIMEOUT_KEEP_ALIVE", raw.timeout_keep_alive);
        let request_timeout: u64 = reader.number("API_REQUEST_TIMEOUT_SECONDS", raw.request_timeout_seconds);
        let read_timeout: u64 = reader.number("API_READ_TIMEOUT_SECONDS", raw.read_timeout_seconds);
        let workers: Option<u16> = reader.number_if_set("API_WORKERS", raw.workers);
        let connections_max: u32 = reader.number("API_MAX_CONNECTIONS", raw.max_connections);
        Self {
            listen: SocketAddr::new(host, port),
            workers: workers.and_then(|workers| NonZeroUsize::new(workers.into())),
            keep_alive: Duration::from_secs(keep_alive),
            access_log: reader.flag("API_ACCESS_LOG", raw.access_log.as_deref()),
            request_timeout: Duration::from_secs(request_timeout),
            read_timeout: Duration::from_secs(read_timeout),
            connections_max: usize::try_from(connections_max).unwrap_or(usize::MAX),
        }
    }
}

fn parse_host(host: &str) -> Option<IpAddr> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bracketed {
        Some(host) => host.parse().ok().map(IpAddr::V6),
        None => host.parse().ok(),
    }
}
