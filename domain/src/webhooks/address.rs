//! Where webhooks may go: a rule on what is written and a rule on what is connected to.
//!
//! The text of an address is read strictly, so that nothing else can read it differently: whoever connects must hold each
//! address that a name resolves to against [`AddressRules::allow`], and connect to no other.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use serde::{Deserialize, Serialize};

/// Why a text cannot be the target of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum InvalidTarget {
    /// Too long, empty, or with characters that no URL has.
    #[error("`url` must be a URL of at most {} bytes of plain ASCII", Target::BYTES_MAX)]
    Form,
    /// Neither `https` nor `http`.
    #[error("`url` must begin with `https://`")]
    Scheme,
    /// A name and a password before the host.
    #[error("`url` must not hold a user name or a password: calls are signed instead")]
    Credentials,
    /// A part behind `#`, which is never sent.
    #[error("`url` must not have a part behind `#`")]
    Fragment,
    /// The host is neither a name nor an address in its usual form.
    #[error("the host of `url` must be a name of letters, digits and `-`, or an IP address in its usual form")]
    Host,
    /// The port is none.
    #[error("the port of `url` must be 1 to 65535")]
    Port,
}

/// Where a webhook goes: the URL, read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    url: String,
    is_secure: bool,
    host: Host,
    /// How much of the URL is scheme, host and port.
    origin_bytes: usize,
}

/// The host of a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

impl Target {
    /// The greatest length in bytes.
    pub const BYTES_MAX: usize = 2_048;
    /// The greatest length of the name of a host, in bytes.
    pub const HOST_BYTES_MAX: usize = 253;

    /// Reads a URL. Scheme and host become lower case; nothing else is changed.
    pub fn parse(text: &str) -> Result<Self, InvalidTarget> {
        if !(1..=Self::BYTES_MAX).contains(&text.len()) || !text.bytes().all(is_url_byte) {
            return Err(InvalidTarget::Form);
        }
        let (scheme, rest) = text.split_once("://").ok_or(InvalidTarget::Scheme)?;
        let is_secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(InvalidTarget::Scheme),
        };
        if rest.contains('#') {
            return Err(InvalidTarget::Fragment);
        }
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(authority_end);
        if authority.contains('@') {
            return Err(InvalidTarget::Credentials);
        }
        let (host, port) = split_port(authority)?;
        let host = read_host(&host.to_ascii_lowercase())?;
        let origin = format!(
            "{}://{}{}",
            if is_secure { "https" } else { "http" },
            match &host {
                Host::Name(name) => name.clone(),
                Host::Address(IpAddr::V4(address)) => address.to_string(),
                Host::Address(IpAddr::V6(address)) => format!("[{address}]"),
            },
            port.map(|port| format!(":{port}")).unwrap_or_default()
        );
        let origin_bytes = origin.len();
        let slash = if tail.starts_with('/') { "" } else { "/" };
        Ok(Self { url: format!("{origin}{slash}{tail}"), is_secure, host, origin_bytes })
    }

    /// The whole URL. Its path may be a secret of the target's.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Scheme, host and port: what may be told to everybody.
    pub fn origin(&self) -> &str {
        self.url.get(..self.origin_bytes).unwrap_or_default()
    }

    /// The host.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Whether it is `https`.
    pub fn is_secure(&self) -> bool {
        self.is_secure
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.url
    }
}

impl TryFrom<String> for Target {
    type Error = InvalidTarget;
    fn try_from(text: String) -> Result<Self, InvalidTarget> {
        Self::parse(&text)
    }
}

fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte)
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), InvalidTarget> {
    // The colons inside of brackets belong to the address.
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let Some(colon) = authority.get(host_end..).and_then(|rest| rest.find(':')) else {
        return Ok((authority, None));
    };
    let (host, port) = authority.split_at(host_end + colon);
    let digits = port.get(1..).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let port: Option<u16> = digits.and_then(|digits| digits.parse().ok()).filter(|port| *port > 0);
    port.map(|port| (host, Some(port))).ok_or(InvalidTarget::Port)
}

/// Reads a host in lower case. What ends in a number must be an address as everybody writes it, since some readers take
/// `127.1` and `0x7f000001` for addresses too.
fn read_host(host: &str) -> Result<Host, InvalidTarget> {
    if let Some(inside) = host.strip_prefix('[') {
        let inside = inside.strip_suffix(']').ok_or(InvalidTarget::Host)?;
        return inside.parse().map(|address| Host::Address(IpAddr::V6(address))).map_err(|_| InvalidTarget::Host);
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > Target::HOST_BYTES_MAX || !host.split('.').all(is_label) {
        return Err(InvalidTarget::Host);
    }
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") {
        return host.parse().map(|address| Host::Address(IpAddr::V4(address))).map_err(|_| InvalidTarget::Host);
    }
    Ok(Host::Name(host.to_owned()))
}

/// A range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    first: IpAddr,
    prefix_bits: u8,
}

/// A text that is no range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an address or a range such as `10.1.0.0/16` or `fd00::/8`, with nothing set behind the prefix")]
pub struct InvalidNetwork;

impl Network {
    /// Reads `address/bits`, or one address.
    pub fn parse(text: &str) -> Result<Self, InvalidNetwork> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| InvalidNetwork)?;
        let bits_max = if first.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            None => bits_max,
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => {
                bits.parse().ok().filter(|bits| *bits <= bits_max).ok_or(InvalidNetwork)?
            }
            Some(_) => return Err(InvalidNetwork),
        };
        let network = Self { first, prefix_bits };
        if number_of(first) == network.masked_bits(first) { Ok(network) } else { Err(InvalidNetwork) }
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.masked_bits(address) == number_of(self.first)
    }

    fn masked_bits(self, address: IpAddr) -> u128 {
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_bits)).unwrap_or(0);
        number_of(address) & mask
    }
}

/// An address as a number, filled up from the right.
fn number_of(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()) << 96,
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Why an address may not be connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum AddressFault {
    /// The address belongs to no public network, and no setting names it.
    #[error(
        "{address} is not a public address, and neither WEBHOOKS_ALLOWED_HOSTS nor WEBHOOKS_ALLOWED_NETWORKS names it"
    )]
    NotPublic {
        /// The address.
        address: IpAddr,
    },
    /// The text would be readable on the way.
    #[error(
        "`url` must begin with `https://`: only what WEBHOOKS_ALLOWED_HOSTS or WEBHOOKS_ALLOWED_NETWORKS names is called in the clear"
    )]
    InTheClear,
}

/// What the operator allows beyond public addresses over https.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AddressRules {
    /// Names of hosts in lower case; `*.example.com` stands for one or more labels before `example.com`.
    pub hosts: Vec<String>,
    /// Ranges of addresses.
    pub networks: Vec<Network>,
}

impl AddressRules {
    /// Whether a target may be called at an address that its host stands for.
    pub fn allow(&self, target: &Target, address: IpAddr) -> Result<(), AddressFault> {
        let is_named = match target.host() {
            Host::Name(name) => self.hosts.iter().any(|pattern| is_match(pattern, name)),
            Host::Address(own) => self.hosts.iter().any(|host| host.parse() == Ok(*own)),
        };
        if is_named || self.networks.iter().any(|network| network.contains(address)) {
            return Ok(());
        }
        if !target.is_secure() {
            return Err(AddressFault::InTheClear);
        }
        if is_public(address) { Ok(()) } else { Err(AddressFault::NotPublic { address }) }
    }
}

fn is_match(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(domain) => host.strip_suffix(domain).is_some_and(|labels| labels.len() > 1 && labels.ends_with('.')),
        None => pattern == host,
    }
}

/// Whether an address belongs to the public internet. What is reserved, however innocent, does not, and neither do
/// addresses that carry another one inside.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// What of IPv4 is no public internet: the first address of each range, and how many bits of it count.
const RESERVED_V4: [([u8; 4], u32); 17] = [
    // This network, private ones, this machine.
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([127, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    // Between carriers and their customers.
    ([100, 64, 0, 0], 10),
    // Link-local, with the metadata of clouds; and those of a cloud that has them elsewhere.
    ([169, 254, 0, 0], 16),
    ([168, 63, 129, 16], 32),
    // Protocols, and the relays of 6to4.
    ([192, 0, 0, 0], 24),
    ([192, 88, 99, 0], 24),
    // Documentation and measurements.
    ([192, 0, 2, 0], 24),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([198, 18, 0, 0], 15),
    // Multicast, what is kept for later, and everybody.
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
    ([255, 255, 255, 255], 32),
];

fn is_public_v4(address: Ipv4Addr) -> bool {
    let is_in = |(first, bits): &([u8; 4], u32)| (address.to_bits() ^ u32::from_be_bytes(*first)) >> (32 - bits) == 0;
    !RESERVED_V4.iter().any(is_in)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // All that is public today begins with the bits 001. Loopback, mapped and translated IPv4, local and multicast do not.
    let is_global = a & 0xe000 == 0x2000;
    // Protocols with Teredo; documentation; 6to4; documentation again.
    let is_reserved = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || (a == 0x3fff && b < 0x1000);
    is_global && !is_reserved
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
