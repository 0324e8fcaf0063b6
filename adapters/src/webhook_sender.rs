//! Tells webhooks over HTTP, to addresses that the rules allow and no others.
//!
//! A name is resolved once for each connection, by `Guard`, which holds every address it stands for against the rules and
//! gives the connection those very addresses. An address in the URL itself is never resolved, so that is checked before.

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::webhooks::address::{AddressFault, AddressRules, Host, Target};
use domain::webhooks::delivery::{ANSWER_BYTES_MAX, Outcome};
use hmac::{Hmac, KeyInit, Mac};
use ports::webhooks::{Dispatch, WebhookSender};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Response, Url, redirect};
use sha2::Sha256;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// How much longer than its timeout a call may take in all, before it is given up from outside.
const GRACE: Duration = Duration::from_secs(1);

/// Calls webhooks.
#[derive(Debug)]
pub struct HttpWebhookSender {
    rules: Arc<AddressRules>,
    timeout: Duration,
    over_tls: Client,
    in_the_clear: Client,
}

/// Why there can be no sender.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for webhooks cannot be made")]
pub struct NoSender(#[source] reqwest::Error);

/// Why a name stands for nothing that may be connected to.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error(transparent)]
    Refused(#[from] AddressFault),
    #[error("the host `{0}` stands for no address")]
    Nobody(String),
    #[error("the host `{host}` cannot be looked up: {cause}")]
    Failed { host: String, cause: std::io::Error },
}

/// Looks names up for connections of one scheme.
#[derive(Debug)]
struct Guard {
    rules: Arc<AddressRules>,
    scheme: &'static str,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let (rules, url) = (self.rules.clone(), format!("{}://{}/", self.scheme, name.as_str()));
        Box::pin(async move {
            let target = Target::parse(&url)?;
            let addresses = look_up(&rules, &target).await?;
            // The client puts the port of the URL in place of this one.
            let addresses: Addrs = Box::new(addresses.into_iter().map(|address| SocketAddr::new(address, 0)));
            Ok(addresses)
        })
    }
}

/// The addresses of a target, all of which may be called.
async fn look_up(rules: &AddressRules, target: &Target) -> Result<Vec<IpAddr>, Unusable> {
    let name = match target.host() {
        Host::Address(address) => {
            rules.allow(target, *address)?;
            return Ok(vec![*address]);
        }
        Host::Name(name) => name,
    };
    let found = tokio::net::lookup_host((name.as_str(), 0)).await;
    let found = found.map_err(|cause| Unusable::Failed { host: name.clone(), cause })?;
    let addresses: Vec<IpAddr> = found.map(|address| address.ip()).collect();
    if addresses.is_empty() {
        return Err(Unusable::Nobody(name.clone()));
    }
    // One that is not allowed speaks against the name, not only against itself.
    addresses.iter().try_for_each(|address| rules.allow(target, *address))?;
    Ok(addresses)
}

impl HttpWebhookSender {
    /// Calls what the rules allow; each call is over after `timeout`.
    pub fn new(rules: AddressRules, timeout: Duration) -> Result<Self, NoSender> {
        let rules = Arc::new(rules);
        let client = |scheme| {
            Client::builder()
                .dns_resolver(Arc::new(Guard { rules: rules.clone(), scheme }))
                .redirect(redirect::Policy::none())
                .no_proxy()
                .timeout(timeout)
                // Each call is checked anew.
                .pool_max_idle_per_host(0)
                .user_agent(concat!("pointsman/", env!("CARGO_PKG_VERSION")))
                .build()
                .map_err(NoSender)
        };
        Ok(Self { over_tls: client("https")?, in_the_clear: client("http")?, rules, timeout })
    }

    async fn call(&self, dispatch: &Dispatch) -> Result<u16, Outcome> {
        let target = &dispatch.target;
        let url = Url::parse(target.as_str()).ok().filter(|url| is_same_host(url, target));
        let Some(url) = url else {
            return Err(Outcome::AddressRefused { detail: "the host can be read in more than one way".to_owned() });
        };
        if let Host::Address(address) = target.host() {
            self.rules
                .allow(target, *address)
                .map_err(|fault| Outcome::AddressRefused { detail: fault.to_string() })?;
        }
        let client = if target.is_secure() { &self.over_tls } else { &self.in_the_clear };
        let (id, timestamp) = (dispatch.id.to_string(), dispatch.at.timestamp().to_string());
        let signatures: Vec<String> =
            dispatch.secrets.iter().map(|secret| sign(secret.bytes(), &id, &timestamp, &dispatch.body)).collect();
        let request = client
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signatures.join(" "))
            .body(dispatch.body.clone());
        let response = request.send().await.map_err(|error| outcome_of(&error))?;
        let status = response.status().as_u16();
        drain(response).await;
        Ok(status)
    }
}

#[async_trait]
impl WebhookSender for HttpWebhookSender {
    async fn check(&self, target: &Target) -> Result<(), String> {
        match tokio::time::timeout(self.timeout, look_up(&self.rules, target)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(unusable)) => Err(unusable.to_string()),
            Err(_) => Err("its host could not be looked up in time".to_owned()),
        }
    }

    async fn send(&self, dispatch: &Dispatch) -> Outcome {
        // The client keeps to the timeout by itself; what comes after an answer that came in time must not make it late.
        match tokio::time::timeout(self.timeout + GRACE, self.call(dispatch)).await {
            Ok(Ok(status)) => Outcome::Answered { status },
            Ok(Err(outcome)) => outcome,
            Err(_) => Outcome::TimedOut,
        }
    }
}

/// Reads the rest of an answer, so that the target can finish it, up to a limit. The status has said everything: if the
/// rest breaks off, that changes nothing.
async fn drain(mut response: Response) {
    let mut bytes = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        bytes += chunk.len();
        if bytes > ANSWER_BYTES_MAX {
            return;
        }
    }
}

/// Whether the client reads the same host out of a URL as the rules did.
fn is_same_host(url: &Url, target: &Target) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_same_scheme = url.scheme() == if target.is_secure() { "https" } else { "http" };
    is_same_scheme
        && match target.host() {
            Host::Name(name) => host == name,
            Host::Address(address) => bare.parse() == Ok(*address),
        }
}

/// A signature as Standard Webhooks has it: `v1,` and base 64 of HMAC-SHA256.
fn sign(secret: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    // A key of any length will do, so the other arm is never taken; an empty signature would satisfy nobody.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return String::new() };
    for part in [id, ".", timestamp, ".", body] {
        mac.update(part.as_bytes());
    }
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

fn outcome_of(error: &reqwest::Error) -> Outcome {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut last = error.to_string();
    while let Some(here) = cause {
        match here.downcast_ref::<Unusable>() {
            Some(Unusable::Refused(fault)) => return Outcome::AddressRefused { detail: fault.to_string() },
            Some(unusable @ (Unusable::Nobody(_) | Unusable::Failed { .. })) => {
                return Outcome::Unresolved { detail: Outcome::detail(&unusable.to_string()) };
            }
            None => {}
        }
        last = here.to_string();
        cause = here.source();
    }
    if error.is_timeout() { Outcome::TimedOut } else { Outcome::Unreachable { detail: Outcome::detail(&last) } }
}

#[cfg(test)]
mod tests;
