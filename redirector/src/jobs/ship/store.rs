//! The place for copies: a folder, or a bucket of an S3-compatible store. A copy is there whole or
//! not at all.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rusty_s3::{Bucket, Credentials, S3Action, UrlStyle};
use ureq::Agent;

use crate::outbound::{self, Policy};
use crate::secret_file;

/// How long a signed address is valid.
const SIGNED_FOR: Duration = Duration::from_secs(3600);
/// How long a request may take. A segment may have some hundred megabytes.
const TIMEOUT: Duration = Duration::from_secs(600);

/// The place for copies, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ShipTo {
    Folder(PathBuf),
    /// Bucket and prefix.
    S3(String, String),
}

impl ShipTo {
    /// Reads a folder, or `s3://bucket/prefix`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        if let Some(place) = text.strip_prefix("s3://") {
            let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
            return match bucket {
                "" => Err("expected s3://bucket or s3://bucket/prefix".to_owned()),
                _ => Ok(Self::S3(bucket.to_owned(), prefix.trim_matches('/').to_owned())),
            };
        }
        if text.contains("://") {
            return Err("expected a folder or s3://bucket/prefix".to_owned());
        }
        Ok(Self::Folder(text.into()))
    }
}

/// An opened place for copies.
pub(crate) enum Store {
    Folder(PathBuf),
    S3(Box<S3>),
}

/// A bucket, and what requests to it need.
pub(crate) struct S3 {
    bucket: Bucket,
    credentials: Credentials,
    prefix: String,
    agent: Agent,
}

impl Store {
    /// Opens a place. For a bucket, the keys, region and address come from variables that other
    /// tools read too: `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_REGION`, `AWS_ENDPOINT_URL`. The first three may end in `_FILE` and name a file.
    ///
    /// # Errors
    /// When a variable is missing, a file cannot be used, or the address is invalid.
    pub(crate) fn open(to: &ShipTo) -> Result<Self> {
        let (bucket, prefix) = match to {
            ShipTo::Folder(folder) => return Ok(Self::Folder(folder.clone())),
            ShipTo::S3(bucket, prefix) => (bucket, prefix),
        };
        let variable = |name: &str| {
            secret_of(name)?.with_context(|| format!("{name} or {name}_FILE is needed for s3://"))
        };
        let region = std::env::var("AWS_REGION").unwrap_or_else(|_| "us-east-1".to_owned());
        let own = std::env::var("AWS_ENDPOINT_URL").ok();
        // S3-compatible stores of other makers rarely have a host name for each bucket.
        let style = if own.is_some() { UrlStyle::Path } else { UrlStyle::VirtualHost };
        let address = own.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
        let endpoint = address.parse().with_context(|| format!("AWS_ENDPOINT_URL `{address}`"))?;
        let (key, secret) = (variable("AWS_ACCESS_KEY_ID")?, variable("AWS_SECRET_ACCESS_KEY")?);
        let credentials = match secret_of("AWS_SESSION_TOKEN")? {
            Some(token) => Credentials::new_with_token(key, secret, token),
            None => Credentials::new(key, secret),
        };
        let agent = outbound::client(Policy { timeout: TIMEOUT, ..Policy::default() });
        let bucket = Bucket::new(endpoint, style, bucket.clone(), region)?;
        Ok(Self::S3(Box::new(S3 { bucket, credentials, prefix: prefix.clone(), agent })))
    }

    /// Returns the size of a copy in bytes; `None` when there is no copy.
    pub(crate) fn size(&self, key: &str) -> Result<Option<u64>> {
        match self {
            Self::Folder(folder) => match fs::metadata(folder.join(key)) {
                Ok(about) => Ok(Some(about.len())),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error).with_context(|| format!("{}", folder.join(key).display())),
            },
            Self::S3(s3) => s3.size(key),
        }
    }

    /// Copies a file. Afterwards the copy is there whole. It survives a power cut if the place
    /// keeps what it confirmed.
    pub(crate) fn put(&self, key: &str, file: &Path) -> Result<()> {
        match self {
            Self::Folder(folder) => copy(file, &folder.join(key)),
            Self::S3(s3) => s3.put(key, file),
        }
    }

    /// Fetches a copy.
    pub(crate) fn get(&self, key: &str, file: &Path) -> Result<()> {
        match self {
            Self::Folder(folder) => copy(&folder.join(key), file),
            Self::S3(s3) => s3.get(key, file),
        }
    }

    /// Returns the keys of all copies.
    pub(crate) fn keys(&self) -> Result<Vec<String>> {
        let mut keys = match self {
            Self::Folder(folder) => keys_below(folder)?,
            Self::S3(s3) => s3.keys()?,
        };
        keys.sort();
        Ok(keys)
    }
}

/// Returns a secret from the environment, or from the file that the variable with `_FILE` names.
fn secret_of(name: &str) -> Result<Option<String>> {
    let (in_file, path) = (format!("{name}_FILE"), std::env::var_os(format!("{name}_FILE")));
    match (std::env::var(name).ok(), path) {
        (Some(_), Some(_)) => bail!("{name}, {in_file}: both are set; keep one of them"),
        (given, None) => Ok(given),
        (None, Some(path)) => {
            let secret = secret_file::read(Path::new(&path));
            let why = |why| anyhow::anyhow!("{in_file} = `{}`: {why}", path.display());
            secret.map(Some).map_err(why)
        }
    }
}

/// Copies under another name first, so that nobody sees half a file.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let folder = to.parent().context("a copy needs a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("folder {}", folder.display()))?;
    let half = to.with_extension("half");
    let copied = || -> std::io::Result<()> {
        fs::copy(from, &half)?;
        // A segment that an older version wrote may be open to others. Its copy is not.
        fs::set_permissions(&half, fs::Permissions::from_mode(0o600))?;
        File::open(&half)?.sync_all()?;
        fs::rename(&half, to)?;
        File::open(folder)?.sync_all()
    };
    copied().with_context(|| format!("copy to {}", to.display()))
}

/// Returns the keys of the segments in a folder of streams, and of what belongs to them.
fn keys_below(folder: &Path) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    for stream in journal::streams(folder)? {
        for entry in fs::read_dir(folder.join(stream.as_str()))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".seg") || name == "gaps" {
                keys.push(format!("{stream}/{name}"));
            }
        }
    }
    Ok(keys)
}

impl S3 {
    fn object(&self, key: &str) -> String {
        if self.prefix.is_empty() { key.to_owned() } else { format!("{}/{key}", self.prefix) }
    }

    fn size(&self, key: &str) -> Result<Option<u64>> {
        let object = self.object(key);
        let address = self.bucket.head_object(Some(&self.credentials), &object).sign(SIGNED_FOR);
        let answer =
            self.agent.head(address.as_str()).call().with_context(|| format!("HEAD {object}"))?;
        match answer.status().as_u16() {
            404 => Ok(None),
            200 => {
                let length =
                    answer.headers().get("content-length").and_then(|text| text.to_str().ok());
                Ok(Some(
                    length.and_then(|text| text.parse().ok()).context("HEAD: no content-length")?,
                ))
            }
            status => bail!("HEAD {object} answered {status}: check keys and rights"),
        }
    }

    fn put(&self, key: &str, file: &Path) -> Result<()> {
        let object = self.object(key);
        let address = self.bucket.put_object(Some(&self.credentials), &object).sign(SIGNED_FOR);
        let source = File::open(file).with_context(|| format!("{}", file.display()))?;
        let length = source.metadata()?.len();
        let request = self.agent.put(address.as_str()).header("content-length", length.to_string());
        let mut answer = request.send(source).with_context(|| format!("PUT {object}"))?;
        if answer.status().as_u16() != 200 {
            let why: String =
                answer.body_mut().read_to_string().unwrap_or_default().chars().take(300).collect();
            bail!("PUT {object} answered {}: {why}", answer.status());
        }
        ensure!(
            self.size(key)? == Some(length),
            "PUT {object}: the copy has another size than the file"
        );
        Ok(())
    }

    fn get(&self, key: &str, file: &Path) -> Result<()> {
        let object = self.object(key);
        let address = self.bucket.get_object(Some(&self.credentials), &object).sign(SIGNED_FOR);
        let answer =
            self.agent.get(address.as_str()).call().with_context(|| format!("GET {object}"))?;
        ensure!(answer.status().as_u16() == 200, "GET {object} answered {}", answer.status());
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut out = File::create(file)?;
        std::io::copy(&mut answer.into_body().into_reader(), &mut out)
            .with_context(|| format!("GET {object}"))?;
        Ok(out.sync_all()?)
    }

    fn keys(&self) -> Result<Vec<String>> {
        let (mut keys, mut token) = (Vec::new(), None::<String>);
        loop {
            let mut list = self.bucket.list_objects_v2(Some(&self.credentials));
            list.with_prefix(self.object(""));
            if let Some(token) = token.take() {
                list.with_continuation_token(token);
            }
            let mut answer = self
                .agent
                .get(list.sign(SIGNED_FOR).as_str())
                .call()
                .context("list of the bucket")?;
            ensure!(
                answer.status().as_u16() == 200,
                "the bucket's list answered {}",
                answer.status()
            );
            let page = rusty_s3::actions::ListObjectsV2::parse_response(
                &answer.body_mut().read_to_string()?,
            )?;
            let below = self.object("");
            keys.extend(
                page.contents
                    .iter()
                    .filter_map(|found| Some(found.key.strip_prefix(&below)?.to_owned())),
            );
            match page.next_continuation_token {
                Some(next) => token = Some(next),
                None => return Ok(keys),
            }
        }
    }
}
