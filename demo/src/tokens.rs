//! The tokens that the bookshop's programs send to each other, and the keys that they are signed with.
//!
//! They are fixed: a demo needs no issuer. The private keys were thrown away once these were signed.

/// Who has issued them.
pub const ISSUER: &str = "https://login.example.com";
/// The issuer's keys, as a JWKS.
pub const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"shop","x":"gmGdRlqgycIIuDo-5tL-iUOkvc0VL6xbOl_3ofxj8L4","y":"Q8gT94l3EcxodOerasXvi2gj2_DHmTc4AndNqKppPwI"}]}"#;
/// Keys of somebody else, by the same name.
pub const OTHER_KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","alg":"ES256","kid":"shop","x":"RIoNNuYnh7a0TFMoEZ2tWmcXd3UGFL3-Lx8kPnUeFFw","y":"2eYtjGErP3csCBXPbMUssiyO7HF30KrFvD9HuAbCFFY"}]}"#;

/// Good until 2100.
const GOOD: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6InNob3AiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwic3ViIjoic2hvcCIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjo0MTAyNDQ0ODAwfQ.yns_Je6Tyfnbnvi79FNUnE7WYuAaVjFLS6tCplhG-jTOBgPAUSdIRSZ7wAXWcb8VC2pDrFFQPFCw6HvGbRixyA";
/// Good until the end of 2023.
const EXPIRED: &str = "eyJhbGciOiJFUzI1NiIsImtpZCI6InNob3AiLCJ0eXAiOiJKV1QifQ.eyJpc3MiOiJodHRwczovL2xvZ2luLmV4YW1wbGUuY29tIiwic3ViIjoic2hvcCIsImlhdCI6MTcwMDAwMDAwMCwiZXhwIjoxNzAzOTgwODAwfQ.DlRizjLUCPbbwrd6qVx126MoHue0rvEZWX1PYV_DD2g6TWGEhtt1KSkkIHkyPV4DZSB2jwfB_hoHWUvPFlwJzA";

/// Which token a program sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Token {
    #[default]
    Good,
    Expired,
}

impl Token {
    pub fn text(self) -> &'static str {
        match self {
            Token::Good => GOOD,
            Token::Expired => EXPIRED,
        }
    }
}
