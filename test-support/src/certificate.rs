//! Certificates for servers of tests, made when they are wanted.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use graviola::{
    hashing::Sha256,
    signing::ecdsa::{P256, SigningKey},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber, SignatureAlgorithm,
};

/// A certificate of a server with its key, and that of its authority, each as PEM. Nobody has the
/// authority's key any more.
#[derive(Clone)]
pub struct ServerCertificate {
    authority: String,
    certificate: String,
    key: String,
}

impl ServerCertificate {
    /// Makes one for these names: of hosts, or addresses.
    ///
    /// # Panics
    /// When a name is none, or the system has no random bytes.
    pub fn new(names: &[&str]) -> Self {
        let (own, server) = (Key::generate(), Key::generate());
        let mut authority = params(&[], "An authority for tests", 1);
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let signed = authority.self_signed(&own).expect("its names are right");
        let mut params = params(names, "A server for tests", 2);
        // A node of a Cluster is a client of the others, too.
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let issuer = Issuer::from_params(&authority, &own);
        let certificate = params.signed_by(&server, &issuer).expect("its names are right");
        Self {
            authority: pem("CERTIFICATE", signed.der()),
            certificate: pem("CERTIFICATE", certificate.der()),
            key: pem("PRIVATE KEY", &server.pkcs8()),
        }
    }

    /// The certificate of the authority that vouches for the server's.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// The server's certificate.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The server's key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for ServerCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerCertificate").finish_non_exhaustive()
    }
}

fn params(names: &[&str], called: &str, serial: u64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("these are names");
    params.distinguished_name.push(DnType::CommonName, called);
    params.serial_number = Some(SerialNumber::from(serial));
    params
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        (0..text.len()).step_by(LINE).map(|at| &text[at..text.len().min(at + LINE)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

const LINE: usize = 64;

/// A key that signs certificates, or that a certificate is for.
struct Key {
    key: SigningKey<P256>,
    point: Vec<u8>,
}

impl Key {
    fn generate() -> Self {
        let key = SigningKey::generate().expect("the system has random bytes");
        let mut buffer = [0; LARGEST];
        let info = key.to_spki_der(&mut buffer).expect("it fits");
        // The point is the end of it: a byte, and two numbers of 32 bytes.
        let point = info[info.len() - 65..].to_vec();
        Self { key, point }
    }

    fn pkcs8(&self) -> Vec<u8> {
        self.key.to_pkcs8_der(&mut [0; LARGEST]).expect("it fits").to_vec()
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let mut buffer = [0; LARGEST];
        let signature = self.key.sign_asn1::<Sha256>(&[message], &mut buffer);
        Ok(signature.map_err(|_| rcgen::Error::RemoteKeyError)?.to_vec())
    }
}

/// Larger than any of these encodings.
const LARGEST: usize = 256;
