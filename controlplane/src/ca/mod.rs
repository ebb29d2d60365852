//! The certificate authority of the mesh: a root of its own or one that is given, and certificates of workloads by their
//! SPIFFE identities. The clock is an argument. Keys are in memory alone, and nothing here prints or writes them.

mod identity;
mod tokens;

pub use identity::Identity;
pub use tokens::Tokens;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use std::fmt;
use std::time::Duration;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Seconds since 1970.
pub type Instant = i64;

/// A workload's certificate lives for a day, and is renewed at half of that.
pub const LIFETIME: Duration = Duration::from_secs(24 * 3600);
pub const RENEW_AT: f64 = 0.5;
/// Clocks differ: a certificate counts from a little before it was made.
const SKEW: i64 = 120;
const ROOT_LIFETIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// A request is no longer than that.
const LONGEST_REQUEST: usize = 64 * 1024;

#[derive(Debug)]
pub enum Error {
    /// A certificate or key that was given is none, or does not do.
    Given(String),
    /// A certificate request that is not fulfilled.
    Refused(String),
    /// The library or the system's randomness failed.
    Failed(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Given(m) | Error::Refused(m) | Error::Failed(m) => f.write_str(m),
        }
    }
}

impl std::error::Error for Error {}

impl From<rcgen::Error> for Error {
    fn from(e: rcgen::Error) -> Error {
        Error::Failed(format!("the certificate can't be made: {e}"))
    }
}

/// A certificate with its key.
#[derive(Clone)]
pub struct Issued {
    /// The certificate and those that it was signed by, without the root, in PEM.
    pub chain: String,
    /// PKCS #8 in PEM.
    pub key: String,
    pub not_after: Instant,
    pub renew_at: Instant,
}

impl fmt::Debug for Issued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Issued {{ not_after: {}, .. }}", self.not_after)
    }
}

pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// What stands between a workload's certificate and the root, in PEM; "" where the root signs itself.
    intermediates: String,
    root: String,
    not_after: Instant,
    /// Of workloads' certificates.
    lifetime: Duration,
    renew_at: f64,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority {{ not_after: {}, .. }}", self.not_after)
    }
}

/// An instant as rcgen writes it.
macro_rules! at {
    ($instant:expr) => {
        rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(u64::try_from($instant).unwrap_or(0))
    };
}

impl Authority {
    /// A new root, which lives as long as this value.
    pub fn self_signed(trust_domain: &str, now: Instant) -> Result<Authority, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        let mut name = DistinguishedName::new();
        name.push(DnType::OrganizationName, trust_domain);
        params.distinguished_name = name;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let not_after = now + ROOT_LIFETIME.as_secs() as i64;
        params.not_before = at!(now - SKEW);
        params.not_after = at!(not_after);
        let root = params.self_signed(&key)?.pem();
        Ok(Authority { issuer: Issuer::new(params, key), intermediates: String::new(), root, not_after, lifetime: LIFETIME, renew_at: RENEW_AT })
    }

    /// A certificate and key that were given, both in PEM, and the root where the certificate is not it.
    pub fn given(certificates: &str, key: &str, root: Option<&str>, now: Instant) -> Result<Authority, Error> {
        let bad = |m: &str| Error::Given(m.to_owned());
        let der = first_certificate(certificates).ok_or_else(|| bad("the certificate of the authority holds no certificate in PEM"))?;
        let (_, parsed) = X509Certificate::from_der(&der).map_err(|_| bad("the certificate of the authority can't be read"))?;
        if !parsed.is_ca() {
            return Err(bad("the certificate of the authority may sign no other: it lacks CA:TRUE"));
        }
        let not_after = parsed.validity().not_after.timestamp();
        if not_after <= now {
            return Err(bad("the certificate of the authority has expired"));
        }
        let key = KeyPair::from_pem(key).map_err(|_| bad("the key of the authority can't be read: PKCS #8 in PEM is wanted"))?;
        if parsed.public_key().subject_public_key.data.as_ref() != key.public_key_raw() {
            return Err(bad("the key of the authority is not that of its certificate"));
        }
        let is_root = parsed.subject() == parsed.issuer();
        let root = match root {
            Some(root) if first_certificate(root).is_none() => return Err(bad("the root holds no certificate in PEM")),
            Some(root) => root.to_owned(),
            None if is_root => certificates.to_owned(),
            None => return Err(bad("the certificate of the authority is no root; give the root as well")),
        };
        let intermediates = if is_root { String::new() } else { certificates.to_owned() };
        Ok(Authority { issuer: Issuer::from_ca_cert_der(&der.into(), key)?, intermediates, root, not_after, lifetime: LIFETIME, renew_at: RENEW_AT })
    }

    /// An authority below this one, with a key of its own: certificates of both are checked against the one root.
    pub fn subordinate(&self, name: &str, now: Instant) -> Result<Authority, Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        let mut distinguished = DistinguishedName::new();
        distinguished.push(DnType::OrganizationName, name);
        params.distinguished_name = distinguished;
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        params.not_before = at!(now - SKEW);
        params.not_after = at!(self.not_after);
        let signed = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Authority {
            issuer: Issuer::new(params, key),
            intermediates: signed + &self.intermediates,
            root: self.root.clone(),
            not_after: self.not_after,
            lifetime: self.lifetime,
            renew_at: self.renew_at,
        })
    }

    /// The same, whose certificates live so long and are renewed at this share of it.
    pub fn with_lifetime(self, lifetime: Duration, renew_at: f64) -> Authority {
        Authority { lifetime, renew_at: renew_at.clamp(0.05, 0.95), ..self }
    }

    /// What clients check certificates of the mesh against, in PEM.
    pub fn root(&self) -> &str {
        &self.root
    }
    /// When the authority's own certificate ends.
    pub fn not_after(&self) -> Instant {
        self.not_after
    }

    /// Signs a request of a caller who is known to be `identity`. Of the request its key counts, and nothing else: one that
    /// asks for other names is refused. The chain, the workload's certificate first and the root last.
    pub fn sign(&self, request: &str, identity: &Identity, asked: Duration, now: Instant) -> Result<Vec<String>, Error> {
        if request.len() > LONGEST_REQUEST {
            return Err(Error::Refused("the certificate request is longer than 64 KiB".into()));
        }
        let csr = CertificateSigningRequestParams::from_pem(request)
            .map_err(|e| Error::Refused(format!("the certificate request can't be read, or its signature is wrong: {e}")))?;
        let own = identity.to_string();
        for name in &csr.params.subject_alt_names {
            let is_own = matches!(name, SanType::URI(uri) if uri.as_str() == own);
            if !is_own {
                return Err(Error::Refused(format!("the certificate request asks for {name:?}; its caller is {own}, and gets no other name")));
            }
        }
        if matches!(csr.params.is_ca, IsCa::Ca(_)) {
            return Err(Error::Refused("the certificate request asks for a certificate that signs others".into()));
        }
        let asked = if asked.is_zero() { self.lifetime } else { asked.min(self.lifetime) };
        let (params, _) = self.workload(identity, asked, now)?;
        let signed = params.signed_by(&csr.public_key, &self.issuer)?.pem();
        Ok(std::iter::once(signed).chain((!self.intermediates.is_empty()).then(|| self.intermediates.clone())).chain([self.root.clone()]).collect())
    }

    /// A certificate with a new key, for a proxy that has no agent beside it that would make one.
    pub fn issue(&self, identity: &Identity, now: Instant) -> Result<Issued, Error> {
        let key = KeyPair::generate()?;
        let (params, not_after) = self.workload(identity, self.lifetime, now)?;
        Ok(self.finish(params.signed_by(&key, &self.issuer)?.pem(), &key, not_after, now))
    }

    /// A certificate for a server of the control plane's own.
    pub fn issue_server(&self, names: &[&str], now: Instant) -> Result<Issued, Error> {
        let key = KeyPair::generate()?;
        let not_after = (now + ROOT_LIFETIME.as_secs() as i64 / 10).min(self.not_after);
        let mut params = CertificateParams::new(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>())?;
        params.distinguished_name = DistinguishedName::new();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = at!(now - SKEW);
        params.not_after = at!(not_after);
        Ok(self.finish(params.signed_by(&key, &self.issuer)?.pem(), &key, not_after, now))
    }

    fn finish(&self, signed: String, key: &KeyPair, not_after: Instant, now: Instant) -> Issued {
        let renew_at = now + ((not_after - now) as f64 * self.renew_at) as i64;
        Issued { chain: signed + &self.intermediates, key: key.serialize_pem(), not_after, renew_at }
    }

    fn workload(&self, identity: &Identity, lifetime: Duration, now: Instant) -> Result<(CertificateParams, Instant), Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let uri = identity.to_string().try_into().map_err(|_| Error::Refused(format!("{identity} is no name for a certificate")))?;
        params.subject_alt_names = vec![SanType::URI(uri)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        // No certificate outlives who signed it.
        let not_after = (now + i64::try_from(lifetime.as_secs()).unwrap_or(i64::MAX)).min(self.not_after);
        params.not_before = at!(now - SKEW);
        params.not_after = at!(not_after);
        Ok((params, not_after))
    }
}

/// The first certificate of a PEM file, in DER.
fn first_certificate(pem: &str) -> Option<Vec<u8>> {
    x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes()).flatten().find(|p| p.label == "CERTIFICATE").map(|p| p.contents)
}

/// Who a certificate is of, by its URI.
pub fn identity_of(der: &[u8]) -> Option<Identity> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let mut uris = names.value.general_names.iter().filter_map(|n| match n {
        x509_parser::prelude::GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    // SPIFFE: one URI, and no more.
    let only = uris.next()?;
    if uris.next().is_some() { None } else { Identity::parse(only) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Instant = 1_800_000_000;

    fn request(names: Vec<SanType>, is_ca: IsCa) -> String {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.is_ca = is_ca;
        params.serialize_request(&key).expect("a request").pem().expect("PEM")
    }

    fn uri(text: &str) -> SanType {
        SanType::URI(text.try_into().expect("a URI"))
    }

    #[test]
    fn authorities_below_one_root_differ_and_end_with_it() {
        let root = Authority::self_signed("cluster.local", NOW).expect("an authority");
        let [east, west] = ["east", "west"].map(|name| root.subordinate(name, NOW).expect("an authority"));
        let issued = [&east, &west].map(|a| a.issue(&Identity::new("cluster.local", "shop", "cart"), NOW).expect("a certificate"));
        assert!(east.root() == root.root() && west.root() == root.root() && east.not_after() == root.not_after());
        let parents = issued.map(|i| {
            let chain: Vec<Vec<u8>> = x509_parser::pem::Pem::iter_from_buffer(i.chain.as_bytes()).flatten().map(|p| p.contents).collect();
            let root = first_certificate(root.root()).expect("a root");
            let [own, between] = chain.as_slice() else { panic!("{} certificates", chain.len()) };
            let parse = |der: &'_ [u8]| X509Certificate::from_der(der).map(|(_, c)| (c.subject().to_string(), c.is_ca())).expect("a certificate");
            let signed_by = |der: &[u8], by: &[u8]| {
                let (_, by) = X509Certificate::from_der(by).expect("a certificate");
                X509Certificate::from_der(der).expect("a certificate").1.verify_signature(Some(by.public_key())).is_ok()
            };
            assert!(signed_by(own, between) && signed_by(between, &root) && !signed_by(own, &root));
            assert!(parse(between).1 && !parse(own).1);
            parse(between).0
        });
        assert_eq!(parents, ["O=east", "O=west"]);
    }

    #[test]
    fn a_caller_gets_its_own_name_and_no_other() {
        let ca = Authority::self_signed("cluster.local", NOW).expect("an authority");
        let cart = Identity::new("cluster.local", "shop", "cart");
        for names in [vec![], vec![uri(&cart.to_string())]] {
            let chain = ca.sign(&request(names, IsCa::NoCa), &cart, Duration::ZERO, NOW).expect("signed");
            assert_eq!((chain.len(), chain[1].as_str()), (2, ca.root()));
            let der = first_certificate(&chain[0]).expect("a certificate");
            assert_eq!(identity_of(&der), Some(cart.clone()));
        }
        let others = [
            vec![uri("spiffe://cluster.local/ns/shop/sa/admin")],
            vec![uri(&cart.to_string()), uri("spiffe://cluster.local/ns/shop/sa/admin")],
            vec![SanType::DnsName("istiod.istio-system.svc".try_into().expect("a name"))],
        ];
        for names in others {
            assert!(matches!(ca.sign(&request(names, IsCa::NoCa), &cart, Duration::ZERO, NOW), Err(Error::Refused(_))));
        }
        let signer = request(vec![], IsCa::Ca(BasicConstraints::Unconstrained));
        assert!(matches!(ca.sign(&signer, &cart, Duration::ZERO, NOW), Err(Error::Refused(_))));
        assert!(matches!(ca.sign("rubbish", &cart, Duration::ZERO, NOW), Err(Error::Refused(_))));
    }

    #[test]
    fn certificates_live_as_long_as_allowed_and_no_longer() {
        let ca = Authority::self_signed("cluster.local", NOW).expect("an authority").with_lifetime(Duration::from_secs(100), 0.5);
        let cart = Identity::new("cluster.local", "shop", "cart");
        let issued = ca.issue(&cart, NOW).expect("issued");
        assert_eq!((issued.not_after, issued.renew_at), (NOW + 100, NOW + 50));
        let late = ca.issue(&cart, ca.not_after() - 10).expect("issued");
        assert_eq!(late.not_after, ca.not_after());
        let chain = ca.sign(&request(vec![], IsCa::NoCa), &cart, Duration::from_secs(1 << 40), NOW).expect("signed");
        let der = first_certificate(&chain[0]).expect("a certificate");
        let (_, parsed) = X509Certificate::from_der(&der).expect("a certificate");
        assert_eq!(parsed.validity().not_after.timestamp(), NOW + 100);
        assert!(!format!("{issued:?}").contains("PRIVATE"), "keys are not printed");
    }

    #[test]
    fn an_authority_that_was_given_signs_and_one_that_does_not_do_is_refused() {
        let root = Authority::self_signed("cluster.local", NOW).expect("an authority");
        let key = root.issuer.key().serialize_pem();
        let cart = Identity::new("cluster.local", "shop", "cart");
        let again = Authority::given(root.root(), &key, None, NOW).expect("the same");
        assert_eq!(again.root(), root.root());
        assert!(again.issue(&cart, NOW).is_ok());
        let leaf = root.issue(&cart, NOW).expect("issued");
        let of = |cert: &str, key: &str, now| Authority::given(cert, key, None, now).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(of(&leaf.chain, &leaf.key, NOW).contains("CA:TRUE"));
        assert!(of(root.root(), &leaf.key, NOW).contains("not that of its certificate"));
        assert!(of(root.root(), &key, root.not_after() + 1).contains("expired"));
        assert!(of("x", &key, NOW).contains("no certificate"));
        assert!(of(root.root(), "x", NOW).contains("key of the authority can't be read"));
    }
}
