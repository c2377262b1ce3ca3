//! The certificates of the servers and of one client.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};

/// A CA with a server's and a client's certificate, an expired one, another CA, and a self-signed one.
pub(super) fn write(path: &Path) {
    let authority = |name: &str| {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let names = || CertificateParams::new(vec!["db.test".to_owned(), "127.0.0.1".to_owned()]).unwrap();
    let write = |name: &str, certificate: &str, key: &KeyPair| {
        fs::write(path.join(format!("{name}.crt")), certificate).unwrap();
        let file = path.join(format!("{name}.key"));
        fs::write(&file, key.serialize_pem()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let ca = authority("the authority");
    fs::write(path.join("ca.crt"), ca.pem()).unwrap();
    fs::write(path.join("other.crt"), authority("another authority").pem()).unwrap();
    let issue = |name: &str, params: CertificateParams| {
        let key = KeyPair::generate().unwrap();
        write(name, &params.signed_by(&key, &ca).unwrap().pem(), &key);
    };
    issue("server", names());
    let mut params = names();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    issue("expired", params);
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(rcgen::DnType::CommonName, "certy");
    issue("client", params);
    let key = KeyPair::generate().unwrap();
    let mut params = names();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    write("own", &params.self_signed(&key).unwrap().pem(), &key);
}
