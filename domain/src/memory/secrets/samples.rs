//! Secrets for tests, put together while they run, so that no file holds anything that looks like one.

const DIGITS: &str = "0123456789";
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// Drawn text of this length from some letters, always the same for the same seed.
pub(super) fn drawn(letters: &str, length: usize, seed: u64) -> String {
    let letters: Vec<char> = letters.chars().collect();
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % letters.len()
    };
    (0..length).map(|_| letters[next()]).collect()
}

/// Letters of both cases and digits.
pub(super) fn alnum(length: usize, seed: u64) -> String {
    drawn(&format!("{DIGITS}{LETTERS}"), length, seed)
}

/// Base 64 as URLs hold it; it ends with a letter, as a text may go on behind it.
pub(super) fn base64url(length: usize, seed: u64) -> String {
    drawn(&format!("{DIGITS}{LETTERS}-_"), length - 1, seed) + "w"
}

/// Base 64.
pub(super) fn base64(length: usize, seed: u64) -> String {
    drawn(&format!("{DIGITS}{LETTERS}+/"), length, seed)
}

/// Hexadecimal digits.
pub(super) fn hex(length: usize, seed: u64) -> String {
    drawn("0123456789abcdef", length, seed)
}

/// A UUID of version 4, more or less.
pub(super) fn uuid(seed: u64) -> String {
    let part = |length, more| hex(length, seed * 7 + more);
    format!("{}-{}-4{}-a{}-{}", part(8, 1), part(4, 2), part(3, 3), part(3, 4), part(12, 5))
}

/// A private key in PEM under this label.
pub(super) fn pem(label: &str, seed: u64) -> String {
    let body: Vec<String> = (0..6).map(|line| base64(if line == 5 { 20 } else { 64 }, seed + line)).collect();
    format!("-----{} {label}-----\n{}\n-----{} {label}-----", "BEGIN", body.join("\n"), "END")
}

/// A JSON web token.
pub(super) fn jwt(seed: u64) -> String {
    format!("{}{}.{}{}.{}", "ey", "JhbGciOiJIUzI1NiJ9", "eyJ", base64url(60, seed), base64url(43, seed + 1))
}

/// A rule, and a secret that it finds.
type Sample = (&'static str, String);

/// An example of each kind.
pub(super) fn samples(seed: u64) -> Vec<Sample> {
    [of_clouds, of_code, of_models_and_money, of_the_rest].iter().flat_map(|samples| samples(seed)).collect()
}

fn of(rule: &'static str, prefix: &str, mut rest: String) -> Sample {
    rest.insert_str(0, prefix);
    (rule, rest)
}

/// Pointsman's own, and those of clouds.
fn of_clouds(seed: u64) -> Vec<Sample> {
    let a = |n| alnum(n, seed);
    let u = |n| base64url(n, seed);
    let h = |n| hex(n, seed);
    let b = |n| base64(n, seed);
    let upper = |n| drawn("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", n, seed);
    vec![
        ("pointsman-key", format!("{}k{}_{}", "pm_", hex(20, seed + 1), u(43))),
        of("webhook-secret", "whsec_", b(43) + "="),
        of("aws-access-key", "AKIA", upper(16)),
        of("aws-access-key", "ASIA", upper(16)),
        of("aws-bedrock-key", "ABSK", b(132)),
        of("google-api-key", "AIza", u(35)),
        of("google-oauth", "GOCSPX-", u(28)),
        of("google-oauth", "ya29.", u(120)),
        of("google-oauth", "1//0", u(60)),
        ("azure-client-secret", format!("{}8Q~{}", alnum(3, seed), alnum(34, seed + 1))),
        of("azure-storage-key", "AccountKey=", b(86) + "=="),
        of("azure-sas", "?sig=", a(20) + "%2B" + &alnum(22, seed + 1) + "%3D"),
        of("alibaba-key", "LTAI", a(20)),
        of("tencent-key", "AKID", a(32)),
        of("digitalocean-token", "dop_v1_", h(64)),
        of("heroku-key", "HRKU-", uuid(seed)),
        of("fly-token", "fm2_", b(100)),
        ("cloudflare-origin-key", format!("v1.0-{}-{}", h(24), hex(146, seed + 1))),
        of("netlify-token", "nfp_", a(36)),
        of("render-key", "rnd_", a(28)),
        of("scaleway-key", "SCW", drawn("ABCDEFGH23456789", 17, seed)),
        of("yandex-key", "AQVN", u(36)),
    ]
}

/// Those of where code lives, is built and is kept.
fn of_code(seed: u64) -> Vec<Sample> {
    let a = |n| alnum(n, seed);
    let u = |n| base64url(n, seed);
    let h = |n| hex(n, seed);
    let lower = |n| drawn("abcdefghijklmnopqrstuvwxyz0123456789", n, seed);
    vec![
        of("github-token", "ghp_", a(36)),
        of("github-token", "gho_", a(36)),
        of("github-token", "ghs_", a(36)),
        ("github-token", format!("github_{}_{}_{}", "pat", a(22), alnum(59, seed + 1))),
        of("gitlab-token", "glpat-", u(20)),
        of("gitlab-token", "glrt-", u(20)),
        of("gitlab-token", "GR1348941", u(20)),
        of("bitbucket-token", "ATBB", a(32)),
        of("atlassian-token", "ATATT3", u(186)),
        of("circleci-token", "CCIPAT_", a(22) + "_" + &hex(40, seed)),
        of("buildkite-token", "bkua_", a(40)),
        of("pulumi-token", "pul-", h(40)),
        ("terraform-token", format!("{}.atlasv1.{}", a(14), base64url(67, seed + 1))),
        of("sonar-token", "squ_", h(40)),
        of("sourcegraph-token", "sgp_", h(40)),
        of("npm-token", "npm_", a(36)),
        of("pypi-token", "pypi-", "AgEI".to_owned() + &u(150)),
        of("crates-token", "cio", a(32)),
        of("rubygems-token", "rubygems_", h(48)),
        of("nuget-key", "oy2", lower(43)),
        of("clojars-token", "CLOJARS_", a(60)),
        of("docker-token", "dckr_pat_", u(27)),
        of("artifactory-key", "AKCp", a(69)),
        of("artifactory-key", "cmVmdGtu", a(56)),
    ]
}

/// Those of models and of payments.
fn of_models_and_money(seed: u64) -> Vec<Sample> {
    let a = |n| alnum(n, seed);
    let u = |n| base64url(n, seed);
    let h = |n| hex(n, seed);
    let lower = |n| drawn("abcdefghijklmnopqrstuvwxyz0123456789", n, seed);
    vec![
        of("anthropic-key", "sk-ant-", "api03-".to_owned() + &u(95)),
        of("openai-key", "sk-proj-", u(120)),
        of("openai-key", "sk-", a(20) + "T3Blbk" + "FJ" + &alnum(20, seed + 1)),
        of("openai-key", "sk-", h(32)),
        of("openrouter-key", "sk-or-v1-", h(64)),
        of("langfuse-key", "sk-lf-", uuid(seed)),
        of("huggingface-token", "hf_", drawn(LETTERS, 34, seed)),
        of("groq-key", "gsk_", a(52)),
        of("xai-key", "xai-", a(80)),
        of("perplexity-key", "pplx-", a(48)),
        of("replicate-token", "r8_", a(37)),
        of("fireworks-key", "fw_", a(24)),
        of("nvidia-key", "nvapi-", u(64)),
        of("cerebras-key", "csk-", lower(48)),
        of("elevenlabs-key", "sk_", h(48)),
        of("langsmith-key", "lsv2_pt_", h(32) + "_" + &hex(10, seed + 1)),
        of("jina-key", "jina_", a(60)),
        of("tavily-key", "tvly-", a(32)),
        of("firecrawl-key", "fc-", h(32)),
        of("pinecone-key", "pcsk_", a(70)),
        of("e2b-key", "e2b_", h(40)),
        of("stripe-key", "sk_live_", a(24)),
        of("stripe-key", "rk_test_", a(99)),
        of("square-token", "sq0csp-", u(43)),
        of("square-token", "EAAA", u(60)),
        of("plaid-token", "access-production-", uuid(seed)),
        of("razorpay-key", "rzp_live_", a(14)),
        of("shopify-token", "shpat_", h(32)),
        of("easypost-key", "EZAK", a(54)),
    ]
}

/// Those of everything else.
fn of_the_rest(seed: u64) -> Vec<Sample> {
    let a = |n| alnum(n, seed);
    let u = |n| base64url(n, seed);
    let h = |n| hex(n, seed);
    let b = |n| base64(n, seed);
    let upper = |n| drawn("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", n, seed);
    let lower = |n| drawn("abcdefghijklmnopqrstuvwxyz0123456789", n, seed);
    vec![
        ("slack-token", format!("{}b-{}-{}-{}", "xox", drawn(DIGITS, 12, seed), drawn(DIGITS, 12, 9), a(24))),
        of("slack-token", "xapp-", "1-A".to_owned() + &upper(10) + "-" + &hex(64, seed)),
        ("slack-webhook", format!("hooks.slack.com/services/T{}/B{}/{}", upper(10), upper(10), a(24))),
        ("discord-webhook", format!("discord.com/api/webhooks/{}/{}", drawn(DIGITS, 18, seed), u(68))),
        ("teams-webhook", format!("webhook.office.com/webhookb2/{}@{}", uuid(seed), uuid(seed + 1))),
        ("telegram-token", format!("{}:AA{}", drawn("123456789", 10, seed), u(33))),
        of("twilio-key", "SK", h(32)),
        ("sendgrid-key", format!("SG.{}.{}", u(22), base64url(43, seed + 1))),
        of("brevo-key", "xkeysib-", h(64) + "-" + &a(16)),
        of("resend-key", "re_", a(8) + "_" + &alnum(24, seed + 1)),
        of("mailersend-key", "mlsn.", h(64)),
        of("vault-token", "hvs.", u(90)),
        of("databricks-token", "dapi", h(32)),
        of("mongodb-atlas-secret", "mdb_sa_sk_", u(40)),
        of("supabase-key", "sbp_", h(40)),
        of("planetscale-token", "pscale_tkn_", u(43)),
        of("neon-key", "napi_", lower(64)),
        of("doppler-token", "dp.pt.", a(43)),
        of("onepassword-token", "ops_eyJ", b(300)),
        of("grafana-token", "glsa_", a(32) + "_" + &hex(8, seed)),
        of("sentry-token", "sntryu_", h(64)),
        of("newrelic-key", "NRAK-", drawn("ABCDEFGHJKLMNPQRSTUVWXYZ0123456789", 27, seed)),
        of("dynatrace-token", "dt0c01.", upper(24) + "." + &drawn("ABCDEFGHJKLMNP0123456789", 64, seed)),
        of("honeycomb-key", "hcaik_", lower(58)),
        of("posthog-key", "phx_", a(43)),
        of("logfire-token", "pylf_v1_", "us_".to_owned() + &a(43)),
        of("tailscale-key", "tskey-", "auth-".to_owned() + &a(17) + "-" + &alnum(32, seed)),
        of("age-key", "AGE-SECRET-KEY-1", drawn("QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L", 58, seed)),
        of("openshift-token", "sha256~", u(43)),
        of("postman-key", "PMAK-", h(24) + "-" + &hex(34, seed + 1)),
        of("prefect-key", "pnu_", a(36)),
        of("linear-key", "lin_api_", a(40)),
        of("notion-token", "ntn_", a(46)),
        of("notion-token", "secret_", a(43)),
        ("airtable-token", format!("pat{}.{}", a(14), h(64))),
        of("figma-token", "figd_", u(40)),
        of("typeform-token", "tfp_", u(59)),
        of("contentful-token", "CFPAT-", u(43)),
        of("dropbox-token", "sl.u.", u(135)),
        of("facebook-token", "EAAG", a(160)),
        ("private-key", pem("RSA PRIVATE KEY", seed)),
        ("private-key", pem("OPENSSH PRIVATE KEY", seed)),
        ("private-key", pem("PGP PRIVATE KEY BLOCK", seed)),
        ("putty-key", format!("Private-{}: 2\n{}\n{}", "Lines", b(64), base64(24, seed + 1))),
        ("jwt", jwt(seed)),
    ]
}
