use super::*;
use proptest::prelude::*;

fn target(text: &str) -> Target {
    Target::parse(text).unwrap_or_else(|fault| panic!("{text}: {fault}"))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_target_is_read_in_one_way_only() {
    let read = target("HTTPS://Hooks.Example.com:8443/In/Box?key=A%20b");
    assert_eq!(read.as_str(), "https://hooks.example.com:8443/In/Box?key=A%20b");
    assert_eq!(read.origin(), "https://hooks.example.com:8443");
    assert_eq!(*read.host(), Host::Name("hooks.example.com".to_owned()));
    assert!(read.is_secure() && !target("http://a.example").is_secure());
    assert_eq!(target("https://a.example?x=1").as_str(), "https://a.example/?x=1");
    assert_eq!(target("https://[2001:DB8::1]:99/x").as_str(), "https://[2001:db8::1]:99/x");
    assert_eq!(*target("https://8.8.8.8/").host(), Host::Address(ip("8.8.8.8")));
    assert_eq!(Target::parse(read.as_str()), Ok(read));
}

#[test]
fn whatever_others_might_read_differently_is_no_target() {
    let refused = |text: &str, fault| assert_eq!(Target::parse(text), Err(fault), "{text}");
    for text in
        ["https://127.1/", "https://2130706433", "https://0x7f000001/", "https://0177.0.0.1/", "https://1.2.3.4.5/"]
    {
        refused(text, InvalidTarget::Host);
    }
    for text in [
        "https://",
        "https:///x",
        "https://a..b",
        "https://a.example./",
        "https://[fe80::1%25eth0]/",
        "https://a_b.example",
        "https://-a.example",
        "https://%6c.example/",
    ] {
        refused(text, InvalidTarget::Host);
    }
    for text in ["https://me:secret@a.example", "https://me@127.0.0.1/", "https://a.example:80@127.0.0.1/"] {
        refused(text, InvalidTarget::Credentials);
    }
    for text in
        ["", "https://a.example\\@127.0.0.1/", "https://a.example/ x", "https://a.example/\n", "https://ä.example/"]
    {
        refused(text, InvalidTarget::Form);
    }
    for text in ["ftp://a.example", "a.example", "//a.example", "file:///etc/passwd", "gopher://a.example"] {
        refused(text, InvalidTarget::Scheme);
    }
    for text in [
        "https://a.example:0",
        "https://a.example:65536",
        "https://a.example:",
        "https://a.example:+80",
        "https://[::1]:x",
        "https://[::1",
    ] {
        refused(text, InvalidTarget::Port);
    }
    refused("https://a.example/#x", InvalidTarget::Fragment);
    refused(&format!("https://a.example/{}", "x".repeat(Target::BYTES_MAX)), InvalidTarget::Form);
}

#[test]
fn only_public_addresses_are_public() {
    for text in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff:fff::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
        "5f00::1",
        "4000::1",
    ] {
        assert!(!is_public(ip(text)), "{text}");
    }
    for text in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "168.63.129.17",
        "172.15.0.1",
        "172.32.0.1",
        "192.0.1.1",
        "192.167.0.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2001:4860:4860::8888",
        "2001:200::1",
        "2606:4700:4700::1111",
        "2a00:1450::1",
        "3fff:1000::1",
        "2000::1",
    ] {
        assert!(is_public(ip(text)), "{text}");
    }
}

#[test]
fn a_network_is_a_prefix_and_nothing_behind_it() {
    for text in ["10.1.0.0/16", "127.0.0.1", "0.0.0.0/0", "fd00::/8", "::1/128", "::/0"] {
        assert!(Network::parse(text).is_ok(), "{text}");
    }
    for text in
        ["", "10.1.2.0/16", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "fd00::1/8", "::/129", "a.example", "10/8"]
    {
        assert!(Network::parse(text).is_err(), "{text}");
    }
    let network = Network::parse("10.1.0.0/16").unwrap();
    assert!(network.contains(ip("10.1.255.255")));
    for text in ["10.2.0.0", "10.0.255.255", "::ffff:10.1.0.1", "a01::"] {
        assert!(!network.contains(ip(text)), "{text}");
    }
    assert!(Network::parse("0.0.0.0/0").unwrap().contains(ip("255.1.2.3")));
    assert!(!Network::parse("::/0").unwrap().contains(ip("1.2.3.4")), "one family says nothing about the other");
}

#[test]
fn what_is_not_public_goes_where_a_setting_names_it_and_in_the_clear_nowhere_else() {
    let none = AddressRules::default();
    let rules = AddressRules {
        hosts: vec!["hooks.local".to_owned(), "*.inner.example".to_owned(), "10.9.9.9".to_owned()],
        networks: vec![Network::parse("127.0.0.0/8").unwrap()],
    };
    let (public, inner) = (ip("8.8.8.8"), ip("10.0.0.7"));
    assert_eq!(none.allow(&target("https://a.example"), public), Ok(()));
    assert_eq!(none.allow(&target("https://a.example"), inner), Err(AddressFault::NotPublic { address: inner }));
    assert_eq!(none.allow(&target("http://a.example"), public), Err(AddressFault::InTheClear));
    for text in ["https://hooks.local", "http://hooks.local", "http://a.b.inner.example"] {
        assert_eq!(rules.allow(&target(text), inner), Ok(()), "{text}");
    }
    for text in ["https://inner.example", "https://hooks.local.example", "https://xinner.example"] {
        assert!(rules.allow(&target(text), inner).is_err(), "{text}");
    }
    assert_eq!(rules.allow(&target("http://127.0.0.1:9"), ip("127.0.0.1")), Ok(()));
    assert_eq!(rules.allow(&target("http://rebound.example"), ip("127.0.0.1")), Ok(()), "the address is what counts");
    assert_eq!(rules.allow(&target("https://10.9.9.9"), ip("10.9.9.9")), Ok(()));
    assert!(rules.allow(&target("https://10.9.9.8"), ip("10.9.9.8")).is_err());
}

proptest! {
    #[test]
    fn reading_a_target_twice_changes_nothing(text in "[hH]ttps?://[a-zA-Z0-9.:\\[\\]@-]{0,20}[/?]?[a-z%&=/?#]{0,12}") {
        if let Ok(read) = Target::parse(&text) {
            prop_assert_eq!(Target::parse(read.as_str()), Ok(read.clone()));
            prop_assert!(read.as_str().starts_with(read.origin()));
        }
    }
}
