//! The stack's own certificate authority, and what it issues.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use flotilla::{Code, Error, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

use crate::files::{self, File, Owner};
use crate::plan::Plan;

/// How long the authority is valid; the members' certificates end with it at the latest.
const AUTHORITY_DAYS: u64 = 3650;
/// How long a member's certificate is valid.
const MEMBER_DAYS: u64 = 825;
/// Certificates are valid from a little before now, for clocks that lag a little.
const LEEWAY: Duration = Duration::from_hours(1);

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Answers as a server.
    Server,
    /// Answers as a server and shows itself as a client: etcd to its peers, Patroni to etcd and to
    /// other Patronis. Only these and the operator may change anything in Patroni or etcd.
    Both,
    /// Shows itself as a client.
    Client,
}

/// A certificate that a member needs.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The file's name and the subject.
    pub name: String,
    /// The names it is valid for.
    pub names: Vec<String>,
    /// The addresses it is valid for.
    pub addresses: Vec<IpAddr>,
    /// What it is for.
    pub usage: Usage,
    /// Who holds the key.
    pub owner: Owner,
}

/// Makes the authority and the certificates that aren't there yet.
pub fn prepare(plan: &Plan, certificates: &[Certificate]) -> Result<()> {
    let key_path = plan.key("ca");
    let (key, certificate) = match (files::read_if_there(&key_path)?, files::read_if_there(&plan.authority())?) {
        (Some(key), Some(certificate)) => (key, certificate),
        (None, None) => create(plan)?,
        _ => {
            return Err(Error::config(format!("of the authority in {} only half is there", key_path.display()))
                .hint("Bring the other file back from a copy, or start anew with `compose/down --wipe`."));
        }
    };
    let key = KeyPair::from_pem(&key).map_err(unusable)?;
    let issuer = Issuer::from_ca_cert_pem(&certificate, key).map_err(unusable)?;
    for certificate in certificates {
        if !plan.certificate(&certificate.name).exists() || !plan.key(&certificate.name).exists() {
            issue(plan, &issuer, certificate)?;
        }
    }
    Ok(())
}

fn create(plan: &Plan) -> Result<(String, String)> {
    let key = KeyPair::generate().map_err(unusable)?;
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "Flotilla");
    params.distinguished_name.push(DnType::CommonName, format!("{} authority", plan.name));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, AUTHORITY_DAYS);
    let (key, certificate) = (key.serialize_pem(), params.self_signed(&key).map_err(unusable)?.pem());
    File::new("tls/ca.key", &*key).private().write(plan)?;
    File::new("tls/ca.crt", &*certificate).write(plan)?;
    Ok((key, certificate))
}

fn issue(plan: &Plan, issuer: &Issuer<'_, KeyPair>, wanted: &Certificate) -> Result<()> {
    let key = KeyPair::generate().map_err(unusable)?;
    let mut params = CertificateParams::new(wanted.names.clone()).map_err(unusable)?;
    params.subject_alt_names.extend(wanted.addresses.iter().copied().map(SanType::IpAddress));
    params.distinguished_name.push(DnType::OrganizationName, "Flotilla");
    params.distinguished_name.push(DnType::CommonName, wanted.name.as_str());
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = match wanted.usage {
        Usage::Server => vec![ExtendedKeyUsagePurpose::ServerAuth],
        Usage::Both => vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth],
        Usage::Client => vec![ExtendedKeyUsagePurpose::ClientAuth],
    };
    validity(&mut params, MEMBER_DAYS);
    let certificate = params.signed_by(&key, issuer).map_err(unusable)?;
    let name = &wanted.name;
    File::new(format!("tls/{name}.key"), key.serialize_pem()).owner(wanted.owner).private().write(plan)?;
    File::new(format!("tls/{name}.crt"), certificate.pem()).owner(wanted.owner).write(plan)?;
    Ok(())
}

fn validity(params: &mut CertificateParams, days: u64) {
    let now = SystemTime::now();
    params.not_before = (now - LEEWAY).into();
    params.not_after = (now + Duration::from_hours(24 * days)).into();
}

#[expect(clippy::needless_pass_by_value, reason = "its type is that of map_err's argument")]
fn unusable(error: rcgen::Error) -> Error {
    Error::new(Code::Tls, "could not make a certificate").source(error.to_string())
}
