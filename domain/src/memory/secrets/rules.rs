//! The kinds of tokens that are known, by the prefixes and lengths that their issuers give them.
//!
//! A new kind is one line here and one example in the tests. The prefix must say enough by itself: text that could as
//! well be a name, a digest or an id is not a rule. Where an issuer promises no length, `least` is somewhat below what
//! is seen today. A short prefix comes
//! with an exact length, a narrow alphabet, or both.

use super::alphabet::{ALNUM, Alphabet, BASE64, DASHED, DIGIT, DOTTED, HEX, LOWER_ALNUM, UPPER, UPPER_ALNUM, WORD};
use super::token::Token;

const fn t(
    rule: &'static str,
    what: &'static str,
    prefixes: &'static [&'static str],
    alphabet: Alphabet,
    least: usize,
) -> Token {
    Token::new(rule, what, prefixes, alphabet, least)
}

/// The digits of AWS' key ids.
const BASE32: Alphabet = UPPER.and(Alphabet::of(b"234567"));
/// What addresses of incoming webhooks end with.
const PATH: Alphabet = DASHED.and(Alphabet::of(b"/@"));
/// The digits of bech32 in upper case.
const BECH32: Alphabet = Alphabet::of(b"QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L");

/// Every kind of token. Where two kinds fit the same place, the earlier one is told.
pub(super) const TOKENS: &[Token] = &[
    // Pointsman's own.
    t("pointsman-key", "an API key of Pointsman", &["pm_"], DASHED, 46).tenths(35).mixed(),
    t("webhook-secret", "a signing secret of a webhook", &["whsec_"], BASE64.and(DASHED), 24).tenths(30),
    // Clouds.
    t("aws-access-key", "an AWS access key id", &["AKIA", "ASIA", "ABIA", "ACCA"], BASE32, 16).most(16).tenths(27),
    t("aws-bedrock-key", "an Amazon Bedrock key", &["ABSK", "bedrock-api-key-"], BASE64, 100).tenths(35),
    t("google-api-key", "a Google API key", &["AIza"], DASHED, 35).most(35).tenths(32),
    t("google-oauth", "a Google OAuth secret or token", &["GOCSPX-", "ya29."], DOTTED, 28).tenths(35),
    t("google-oauth", "a Google OAuth refresh token", &["1//0"], DASHED, 40).tenths(35),
    t("azure-client-secret", "a Microsoft Entra client secret", &["Q~"], DOTTED.and(Alphabet::of(b"~")), 31)
        .most(34)
        .tenths(30)
        .behind(DOTTED.and(Alphabet::of(b"~")), 4, 4),
    t("azure-storage-key", "an Azure storage or bus key", &["AccountKey=", "SharedAccessKey="], BASE64, 43).tenths(35),
    t("azure-sas", "an Azure shared access signature", &["?sig=", "&sig="], BASE64.and(Alphabet::of(b"%")), 43)
        .tenths(35)
        .anywhere(),
    t("alibaba-key", "an Alibaba Cloud access key id", &["LTAI"], ALNUM, 17).most(26).mixed(),
    t("tencent-key", "a Tencent Cloud secret id", &["AKID"], ALNUM, 32).most(36).mixed(),
    t("digitalocean-token", "a DigitalOcean token", &["dop_v1_", "doo_v1_", "dor_v1_"], HEX, 64),
    t("heroku-key", "a Heroku API key", &["HRKU-"], DASHED, 36),
    t("fly-token", "a Fly.io token", &["fo1_", "fm1a_", "fm1r_", "fm2_"], BASE64.and(DASHED), 40).tenths(35),
    t("cloudflare-origin-key", "a Cloudflare origin CA key", &["v1.0-"], HEX.and(Alphabet::of(b"-")), 100),
    t("netlify-token", "a Netlify token", &["nfp_"], ALNUM, 36),
    t("render-key", "a Render API key", &["rnd_"], ALNUM, 28),
    t("scaleway-key", "a Scaleway access key", &["SCW"], UPPER_ALNUM, 17).most(17).tenths(24).mixed(),
    t("yandex-key", "a Yandex Cloud key", &["AQVN"], DASHED, 35).most(38).tenths(35),
    // Where code lives and is built.
    t("github-token", "a GitHub token", &["ghp_", "gho_", "ghu_", "ghs_", "ghr_"], WORD, 36).tenths(30),
    t("github-token", "a GitHub fine-grained token", &["github_pat_"], WORD, 60).tenths(30),
    t(
        "gitlab-token",
        "a GitLab token",
        &[
            "glpat-", "gldt-", "glrt-", "glrtr-", "glptt-", "glcbt-", "glft-", "glsoat-", "glimt-", "glagent-",
            "gloas-", "glffct-", "glwt-",
        ],
        DOTTED,
        20,
    )
    .tenths(30),
    t("gitlab-token", "a GitLab runner registration token", &["GR1348941"], DASHED, 20).tenths(30),
    t("bitbucket-token", "a Bitbucket app password", &["ATBB"], ALNUM, 32).most(32).tenths(30),
    t("atlassian-token", "an Atlassian token", &["ATATT3", "ATCTT3"], DASHED.and(BASE64), 100).tenths(35),
    t("circleci-token", "a CircleCI token", &["CCIPAT_", "CCIPRJ_"], WORD, 40),
    t("buildkite-token", "a Buildkite token", &["bkua_"], ALNUM, 40),
    t("pulumi-token", "a Pulumi token", &["pul-"], HEX, 40).most(40),
    t("terraform-token", "a Terraform Cloud token", &[".atlasv1."], DASHED, 60).behind(ALNUM, 14, 14),
    t("sonar-token", "a SonarQube token", &["squ_", "sqp_", "sqa_"], HEX, 40).most(40),
    t("sourcegraph-token", "a Sourcegraph token", &["sgp_"], WORD, 40),
    // Package registries.
    t("npm-token", "an npm token", &["npm_"], ALNUM, 36).tenths(30),
    t("pypi-token", "a PyPI token", &["pypi-"], DASHED, 50).tenths(35),
    t("crates-token", "a crates.io token", &["cio"], ALNUM, 32).most(32).tenths(32).mixed(),
    t("rubygems-token", "a RubyGems key", &["rubygems_"], HEX, 48),
    t("nuget-key", "a NuGet key", &["oy2"], LOWER_ALNUM, 43).most(43).mixed(),
    t("clojars-token", "a Clojars token", &["CLOJARS_"], ALNUM, 60),
    t("docker-token", "a Docker Hub token", &["dckr_pat_", "dckr_oat_"], DASHED, 27),
    t("artifactory-key", "a JFrog key", &["AKCp"], ALNUM, 60).mixed(),
    t("artifactory-key", "a JFrog reference token", &["cmVmdGtu"], ALNUM, 50).mixed(),
    // Models.
    t("anthropic-key", "an Anthropic key", &["sk-ant-"], DASHED, 32).tenths(32),
    t("openai-key", "an OpenAI key", &["sk-proj-", "sk-svcacct-", "sk-admin-", "sk-None-"], DASHED, 32).tenths(32),
    t("openrouter-key", "an OpenRouter key", &["sk-or-v1-"], HEX, 64),
    t("langfuse-key", "a Langfuse secret key", &["sk-lf-"], DASHED, 36),
    t("openai-key", "a key in OpenAI's form", &["sk-"], ALNUM, 32).most(64).tenths(30).mixed(),
    t("huggingface-token", "a Hugging Face token", &["hf_", "api_org_"], ALNUM, 34).most(40).tenths(32),
    t("groq-key", "a Groq key", &["gsk_"], ALNUM, 48).tenths(35),
    t("xai-key", "an xAI key", &["xai-"], ALNUM, 70).tenths(35),
    t("perplexity-key", "a Perplexity key", &["pplx-"], ALNUM, 40).tenths(35),
    t("replicate-token", "a Replicate token", &["r8_"], ALNUM, 37).most(40).tenths(35),
    t("fireworks-key", "a Fireworks key", &["fw_"], ALNUM, 22).most(28).tenths(32).mixed(),
    t("nvidia-key", "an NVIDIA key", &["nvapi-"], DASHED, 60).tenths(35),
    t("cerebras-key", "a Cerebras key", &["csk-"], LOWER_ALNUM, 48).tenths(35).mixed(),
    t("elevenlabs-key", "an ElevenLabs key", &["sk_"], HEX, 48).most(48),
    t("langsmith-key", "a LangSmith key", &["lsv2_pt_", "lsv2_sk_"], WORD, 40),
    t("jina-key", "a Jina key", &["jina_"], DASHED, 50).tenths(35),
    t("tavily-key", "a Tavily key", &["tvly-"], DASHED, 32).mixed(),
    t("firecrawl-key", "a Firecrawl key", &["fc-"], HEX, 32).most(32).mixed(),
    t("pinecone-key", "a Pinecone key", &["pcsk_"], WORD, 60).tenths(35),
    t("e2b-key", "an E2B key", &["e2b_"], HEX, 40).most(40),
    // Money.
    t(
        "stripe-key",
        "a Stripe key",
        &["sk_live_", "sk_test_", "rk_live_", "rk_test_", "sk_prod_", "rk_prod_"],
        ALNUM,
        20,
    )
    .tenths(30),
    t("square-token", "a Square token", &["sq0atp-", "sq0csp-", "sq0idp-"], DASHED, 22).tenths(30),
    t("square-token", "a Square token", &["EAAA"], DASHED, 60).most(60).tenths(40).mixed(),
    t("plaid-token", "a Plaid token", &["access-sandbox-", "access-development-", "access-production-"], DASHED, 36),
    t("razorpay-key", "a Razorpay key", &["rzp_live_", "rzp_test_"], ALNUM, 14),
    t("shopify-token", "a Shopify token", &["shpat_", "shpca_", "shppa_", "shpss_"], HEX.and(UPPER), 32),
    t("easypost-key", "an EasyPost key", &["EZAK", "EZTK"], ALNUM, 54).most(54).mixed(),
    // Messages.
    t(
        "slack-token",
        "a Slack token",
        &[
            "xoxb-",
            "xoxp-",
            "xoxa-",
            "xoxr-",
            "xoxs-",
            "xoxo-",
            "xoxc-",
            "xoxd-",
            "xoxe-",
            "xoxe.xoxp-",
            "xoxe.xoxb-",
            "xapp-",
        ],
        DASHED.and(Alphabet::of(b"%")),
        20,
    )
    .tenths(24),
    t(
        "slack-webhook",
        "the address of a Slack webhook",
        &["hooks.slack.com/services/", "hooks.slack.com/workflows/", "hooks.slack.com/triggers/"],
        PATH,
        40,
    )
    .tenths(32),
    t(
        "discord-webhook",
        "the address of a Discord webhook",
        &["discord.com/api/webhooks/", "discordapp.com/api/webhooks/"],
        PATH,
        70,
    )
    .tenths(35),
    t("teams-webhook", "the address of a Teams webhook", &["webhook.office.com/webhookb2/"], PATH, 60)
        .tenths(32)
        .anywhere(),
    t("telegram-token", "the token of a Telegram bot", &[":AA"], DASHED, 32).most(33).tenths(35).behind(DIGIT, 8, 10),
    t("twilio-key", "a Twilio key", &["SK"], HEX, 32).most(32).tenths(30).mixed(),
    t("sendgrid-key", "a SendGrid key", &["SG."], DOTTED, 66).most(66).tenths(40),
    t("brevo-key", "a Brevo key", &["xkeysib-", "xsmtpsib-"], DASHED, 64),
    t("resend-key", "a Resend key", &["re_"], WORD, 32).most(34).tenths(32).mixed(),
    t("mailersend-key", "a MailerSend key", &["mlsn."], HEX, 60),
    // Data, observation, operations.
    t("vault-token", "a Vault token", &["hvs.", "hvb.", "hvr."], DASHED, 24).tenths(32),
    t("databricks-token", "a Databricks token", &["dapi"], HEX, 32).most(34).mixed(),
    t("mongodb-atlas-secret", "a MongoDB Atlas secret", &["mdb_sa_sk_"], DASHED, 32),
    t("supabase-key", "a Supabase key", &["sbp_", "sb_secret_"], DASHED, 31).tenths(30).mixed(),
    t("planetscale-token", "a PlanetScale token", &["pscale_tkn_", "pscale_pw_", "pscale_oauth_"], DOTTED, 32),
    t("neon-key", "a Neon key", &["napi_"], ALNUM, 40).mixed(),
    t(
        "doppler-token",
        "a Doppler token",
        &["dp.pt.", "dp.st.", "dp.ct.", "dp.sa.", "dp.scim.", "dp.audit."],
        DOTTED,
        40,
    ),
    t("onepassword-token", "a 1Password service token", &["ops_eyJ"], BASE64.and(DASHED), 100).tenths(35),
    t("grafana-token", "a Grafana token", &["glc_", "glsa_"], BASE64.and(DASHED), 32),
    t("sentry-token", "a Sentry token", &["sntrys_", "sntryu_"], BASE64.and(DASHED), 40),
    t("newrelic-key", "a New Relic key", &["NRAK-", "NRJS-", "NRII-"], DASHED, 19).mixed(),
    t("dynatrace-token", "a Dynatrace token", &["dt0c01.", "dt0s01.", "dt0s16."], DOTTED, 80),
    t("honeycomb-key", "a Honeycomb key", &["hcaik_", "hcbik_", "hcamk_"], ALNUM, 32).mixed(),
    t("posthog-key", "a PostHog personal key", &["phx_"], ALNUM, 40),
    t("logfire-token", "a Logfire token", &["pylf_v1_"], WORD, 32),
    t("tailscale-key", "a Tailscale key", &["tskey-"], DASHED, 32).mixed(),
    t("age-key", "an age secret key", &["AGE-SECRET-KEY-1"], BECH32, 58).most(58),
    t("openshift-token", "an OpenShift token", &["sha256~"], DASHED, 43).most(43).tenths(35).mixed(),
    t("postman-key", "a Postman key", &["PMAK-"], DASHED, 50),
    t("prefect-key", "a Prefect key", &["pnu_", "pnb_"], ALNUM, 36).most(36).mixed(),
    // Where people work.
    t("linear-key", "a Linear key", &["lin_api_", "lin_oauth_"], ALNUM, 32),
    t("notion-token", "a Notion token", &["ntn_"], ALNUM, 43).mixed(),
    t("notion-token", "a Notion token", &["secret_"], ALNUM, 43).most(43).mixed(),
    t("airtable-token", "an Airtable token", &["pat"], ALNUM.and(Alphabet::of(b".")), 79).most(79).mixed(),
    t("figma-token", "a Figma token", &["figd_", "figo_", "figu_"], DASHED, 36),
    t("typeform-token", "a Typeform token", &["tfp_"], DOTTED, 50),
    t("contentful-token", "a Contentful token", &["CFPAT-"], DASHED, 43),
    t("dropbox-token", "a Dropbox token", &["sl.u.", "sl.B"], DASHED, 100).tenths(35),
    t("facebook-token", "a Facebook token", &["EAAC", "EAAG", "EAAM", "EAAB"], ALNUM, 80).tenths(35).mixed(),
];
