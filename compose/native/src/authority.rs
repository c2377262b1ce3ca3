//! The stack's own certificate authority, and what it issues.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use flotilla::{Code, Error, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData as _, SanType,
};
use x509_parser::extensions::GeneralName;

use crate::files::{self, File, Owner};
use crate::parts::{Member, Part, Renewed};
use crate::plan::{Host, Plan};
use crate::{change, clients, show};

/// How long the authority is valid; the members' certificates end with it at the latest.
const AUTHORITY_DAYS: u64 = 3650;
/// How long a member's certificate is valid.
const MEMBER_DAYS: u64 = 825;
/// What ends within this time is renewed.
const RENEW_BEFORE: Duration = Duration::from_hours(24 * 30);
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

impl Certificate {
    /// What a member of the servers' account shows by its own name and address.
    pub(crate) fn of(host: &Host, usage: Usage) -> Self {
        Self {
            name: host.name.clone(),
            names: vec![host.name.clone()],
            addresses: vec![host.address.into()],
            usage,
            owner: Owner::Servers,
        }
    }
}

/// Makes what isn't there yet and renews what expires soon; true when anything was renewed. What
/// members have to do to take it is noted before it is written.
pub fn prepare(plan: &Plan, members: &[(&'static dyn Part, Member)]) -> Result<bool> {
    let key_path = plan.key("ca");
    let there = (files::read_if_there(&key_path)?, files::read_if_there(&plan.authority())?);
    let mut renewed = false;
    let (key, certificate) = match there {
        (None, None) => create(plan, &KeyPair::generate().map_err(unusable)?)?,
        (Some(key), Some(certificate)) => {
            let loaded = KeyPair::from_pem(&key).map_err(unusable)?;
            match Issued::read(&certificate).filter(Issued::is_expiring) {
                None => (key, certificate),
                Some(old) => {
                    for (part, member) in members {
                        change::note(plan, &member.name, part.takes(Renewed::Authority))?;
                    }
                    show::say(&format!("renewing the authority's certificate, which ends on {}", old.last_day()));
                    renewed = true;
                    // With the same key: what it has issued before stays good.
                    create(plan, &loaded)?
                }
            }
        }
        _ => {
            return Err(Error::config(format!("of the authority in {} only half is there", key_path.display()))
                .hint("Bring the other file back from a copy, or start anew with `compose/down --wipe`."));
        }
    };
    let latest = Issued::read(&certificate).map_or_else(SystemTime::now, |authority| authority.end);
    let issuer = Issuer::from_ca_cert_pem(&certificate, KeyPair::from_pem(&key).map_err(unusable)?);
    let issuer = issuer.map_err(unusable)?;
    for (part, member) in members {
        let Some(certificate) = &member.certificate else { continue };
        let state = State::of(plan, certificate)?;
        if let State::Stale(why) = &state {
            change::note(plan, &member.name, part.takes(Renewed::Own))?;
            show::say(&format!("renewing the certificate of \"{}\", which {why}", member.name));
            renewed = true;
        }
        if state != State::Good {
            issue(plan, &issuer, latest, certificate)?;
        }
    }
    let operator = clients::operator();
    match State::of(plan, &operator)? {
        State::Good => {}
        state => {
            renewed |= matches!(state, State::Stale(_));
            issue(plan, &issuer, latest, &operator)?;
        }
    }
    Ok(renewed)
}

/// What is there of a certificate.
#[derive(Debug, PartialEq, Eq)]
enum State {
    Absent,
    Good,
    /// It has to be renewed, because it does this.
    Stale(String),
}

impl State {
    fn of(plan: &Plan, wanted: &Certificate) -> Result<Self> {
        let key = files::read_if_there(&plan.key(&wanted.name))?;
        let certificate = files::read_if_there(&plan.certificate(&wanted.name))?;
        let (Some(key), Some(certificate)) = (key, certificate) else { return Ok(Self::Absent) };
        let Some(issued) = Issued::read(&certificate) else { return Ok(Self::Stale("can't be read".to_owned())) };
        let fits = KeyPair::from_pem(&key).is_ok_and(|key| key.subject_public_key_info() == issued.public_key);
        let mut names: Vec<String> = wanted.names.clone();
        names.extend(wanted.addresses.iter().map(IpAddr::to_string));
        names.sort();
        Ok(if !fits {
            // A run was killed between the two files.
            Self::Stale("doesn't fit its key".to_owned())
        } else if issued.is_expiring() {
            Self::Stale(format!("ends on {}", issued.last_day()))
        } else if issued.names != names {
            Self::Stale("is for other names".to_owned())
        } else {
            Self::Good
        })
    }
}

/// What an issued certificate says.
struct Issued {
    end: SystemTime,
    public_key: Vec<u8>,
    /// Names and addresses, sorted.
    names: Vec<String>,
}

impl Issued {
    fn read(text: &str) -> Option<Self> {
        let (_, document) = x509_parser::pem::parse_x509_pem(text.as_bytes()).ok()?;
        let certificate = document.parse_x509().ok()?;
        let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        let alternatives = certificate.subject_alternative_name().ok()?;
        let mut names: Vec<String> = alternatives
            .iter()
            .flat_map(|extension| &extension.value.general_names)
            .filter_map(|name| match name {
                GeneralName::DNSName(name) => Some((*name).to_owned()),
                GeneralName::IPAddress(bytes) => {
                    <[u8; 4]>::try_from(*bytes).ok().map(|bytes| Ipv4Addr::from(bytes).to_string())
                }
                _ => None,
            })
            .collect();
        names.sort();
        let public_key = certificate.public_key().raw.to_vec();
        Some(Self { end: UNIX_EPOCH + Duration::from_secs(seconds), public_key, names })
    }

    fn is_expiring(&self) -> bool {
        self.end < SystemTime::now() + RENEW_BEFORE
    }

    fn last_day(&self) -> String {
        DateTime::<Utc>::from(self.end).format("%Y-%m-%d").to_string()
    }
}

fn create(plan: &Plan, key: &KeyPair) -> Result<(String, String)> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::OrganizationName, "Flotilla");
    params.distinguished_name.push(DnType::CommonName, format!("{} authority", plan.name));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    validity(&mut params, days_from_now(AUTHORITY_DAYS));
    let (key, certificate) = (key.serialize_pem(), params.self_signed(key).map_err(unusable)?.pem());
    File::new("tls/ca.key", &*key).private().write(plan)?;
    File::new("tls/ca.crt", &*certificate).write(plan)?;
    Ok((key, certificate))
}

fn issue(plan: &Plan, issuer: &Issuer<'_, KeyPair>, latest: SystemTime, wanted: &Certificate) -> Result<()> {
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
    validity(&mut params, days_from_now(MEMBER_DAYS).min(latest));
    let certificate = params.signed_by(&key, issuer).map_err(unusable)?;
    let name = &wanted.name;
    File::new(format!("tls/{name}.key"), key.serialize_pem()).owner(wanted.owner).private().write(plan)?;
    File::new(format!("tls/{name}.crt"), certificate.pem()).owner(wanted.owner).write(plan)?;
    Ok(())
}

fn days_from_now(days: u64) -> SystemTime {
    SystemTime::now() + Duration::from_hours(24 * days)
}

fn validity(params: &mut CertificateParams, end: SystemTime) {
    params.not_before = (SystemTime::now() - LEEWAY).into();
    params.not_after = end.into();
}

#[expect(clippy::needless_pass_by_value, reason = "its type is that of map_err's argument")]
fn unusable(error: rcgen::Error) -> Error {
    Error::new(Code::Tls, "could not make a certificate").source(error.to_string())
}
