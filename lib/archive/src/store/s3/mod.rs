//! S3, Amazon's or another's.

mod absent;
mod ahead;
mod connection;
mod failure;
mod get;
mod list;
mod multipart;
mod put;
mod versions;

use std::ops::Range;
use std::sync::Arc;

use aws_config::BehaviorVersion;
use aws_config::profile::ProfileFileCredentialsProvider;
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Region, RequestChecksumCalculation, ResponseChecksumValidation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use flotilla::config::ArchiveStore;

use super::{
    Backend, Body, Class, Credentials, Entries, Later, Listing, Meta, Over, Patience, Put, Source, StoreError, Upload,
};

/// The region that is signed for where nobody names one; services other than Amazon's seldom care.
const REGION: &str = "us-east-1";

/// A bucket.
#[derive(Clone, Debug)]
pub(super) struct S3 {
    client: Client,
    bucket: Arc<str>,
    patience: Patience,
    credentials: Option<SharedCredentialsProvider>,
    /// Whether a request's signature covers what it carries. Over TLS nobody can change that, and a SHA-256 of it
    /// would take both sides as long as to send it; CRC-64 says whether all of it arrived.
    signs_content: bool,
}

impl S3 {
    pub(super) async fn open(store: &ArchiveStore, bucket: &str, patience: Patience) -> flotilla::Result<Self> {
        let (http, others) = connection::clients(store, patience)?;
        // Trying again, and what counts as standing still, is the same for all stores: not the client's.
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(others.clone())
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        if let Some(region) = &store.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if store.profile.is_some() || store.credentials_file.is_some() {
            // What the topology names goes before what the environment says.
            // A profile may take a role, which another service gives: for that, there is a region.
            let region = Region::new(store.region.clone().unwrap_or_else(|| REGION.to_owned()));
            let surroundings =
                ProviderConfig::without_region().with_http_client(others.clone()).with_region(Some(region));
            let mut provider = ProfileFileCredentialsProvider::builder().configure(&surroundings);
            if let Some(profile) = &store.profile {
                provider = provider.profile_name(profile);
            }
            if let Some(file) = &store.credentials_file {
                let files = EnvConfigFiles::builder()
                    .include_default_config_file(true)
                    .with_file(EnvConfigFileKind::Credentials, file);
                provider = provider.profile_files(files.build());
            }
            loader = loader.credentials_provider(provider.build());
        }
        let shared = loader.load().await;
        let mut config = aws_sdk_s3::config::Builder::from(&shared)
            .http_client(http)
            .force_path_style(store.path_style)
            // Content is sent with its checksum always, by this code; and checked by it.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        if shared.region().is_none() {
            config = config.region(Region::new(REGION));
        }
        if let Some(endpoint) = &store.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Ok(Self {
            client: Client::from_conf(config.build()),
            bucket: bucket.into(),
            patience,
            credentials: shared.credentials_provider(),
            signs_content: store.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://")),
        })
    }

    /// A request's object in words.
    fn object(&self, verb: &str, key: &str) -> String {
        format!("{verb} \"{key}\" in bucket \"{}\"", self.bucket)
    }
}

impl Backend for S3 {
    fn credentials(&self) -> Later<'_, Option<Credentials>> {
        Box::pin(async move {
            let Some(provider) = &self.credentials else { return Ok(None) };
            let found = provider.provide_credentials().await.map_err(|source| {
                StoreError::new(Class::Other, "no credentials were found for the store").source(source)
            })?;
            Ok(Some(Credentials {
                key_id: found.access_key_id().to_owned(),
                secret: found.secret_access_key().into(),
                token: found.session_token().map(Into::into),
            }))
        })
    }

    fn keeps_versions(&self) -> Later<'_, Option<bool>> {
        Box::pin(async { self.is_versioned().await.map(Some) })
    }

    fn get(&self, key: String, range: Option<Range<u64>>) -> Later<'_, Body> {
        Box::pin(self.read(key, range))
    }

    fn head(&self, key: String) -> Later<'_, Meta> {
        Box::pin(self.look(key))
    }

    fn put(&self, key: String, content: Bytes, over: Over) -> Later<'_, Put> {
        Box::pin(self.write(key, content, over))
    }

    fn upload(&self, key: String, source: Source, how: Upload) -> Later<'_, Put> {
        Box::pin(self.write_parts(key, source, how))
    }

    fn list(&self, base: &str, listing: Listing) -> Entries {
        list::entries(self.clone(), base, listing)
    }

    fn delete(&self, keys: Vec<String>) -> Later<'_, ()> {
        Box::pin(self.remove(keys))
    }
}

/// A checksum as S3 writes it.
fn written(crc64: u64) -> String {
    STANDARD.encode(crc64.to_be_bytes())
}

/// The checksum of a whole object; one of an object's parts' checksums is no such thing.
fn read(text: &str) -> Option<u64> {
    Some(u64::from_be_bytes(STANDARD.decode(text).ok()?.try_into().ok()?))
}

fn crc64(content: &[u8]) -> u64 {
    crc_fast::checksum(crc_fast::CrcAlgorithm::Crc64Nvme, content)
}

/// S3's clock; what it doesn't say is the beginning of time.
fn moment(at: Option<&aws_sdk_s3::primitives::DateTime>) -> chrono::DateTime<chrono::Utc> {
    at.and_then(|at| chrono::DateTime::from_timestamp(at.secs(), at.subsec_nanos())).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksums_are_written_as_s3_does() {
        // The check value of CRC-64/NVME, over "123456789".
        assert_eq!(super::crc64(b"123456789"), 0xae8b_1486_0a79_9888);
        assert_eq!(super::written(0xae8b_1486_0a79_9888), "rosUhgp5mIg=");
        assert_eq!(super::read("rosUhgp5mIg="), Some(0xae8b_1486_0a79_9888));
        assert_eq!((super::read("rosUhgp5mIg=-3"), super::read("rosUhg==")), (None, None));
    }
}
