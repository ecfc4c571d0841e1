//! Orders certificates from a directory (RFC 8555): one host, one challenge, one certificate.
//!
//! A certificate is stored before it is used, and the one in use stays until there is another.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use edge::tls::{Certificate, Challenge};
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount, NewOrder, Order,
    OrderStatus, RetryPolicy,
};

use crate::jobs::acme::client::Client;
use crate::jobs::acme::folder::{Folder, KeptAccount};
use crate::jobs::acme::settings::AcmeSettings;

/// How long a directory may take to check a host, and then again to issue. Other hosts wait
/// meanwhile.
const PATIENCE: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(60));
const UNKNOWN_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// A directory, with its settings and our account there.
pub(super) struct Directory {
    settings: AcmeSettings,
    client: Client,
    account: Option<Account>,
}

impl Directory {
    /// Makes a directory; sends no request yet.
    ///
    /// # Errors
    /// When the roots cannot be read.
    pub(super) fn new(settings: AcmeSettings) -> Result<Self> {
        let client = Client::new(settings.roots.as_deref())?;
        Ok(Self { settings, client, account: None })
    }

    pub(super) fn address(&self) -> &str {
        &self.settings.directory
    }

    /// Orders a certificate for a host and stores it.
    ///
    /// # Errors
    /// When the directory refuses (with its reason) or cannot be asked, or the certificate cannot
    /// be stored.
    pub(super) async fn order(
        &mut self,
        host: &str,
        challenge: &Challenge,
        folder: &Folder,
    ) -> Result<Certificate> {
        let ordered = self.try_order(host, challenge, folder).await;
        if !ordered.as_ref().err().is_some_and(is_unknown_account) {
            return ordered;
        }
        tracing::warn!("the directory does not know our account any more: making a new one");
        self.account = Some(self.make_account(folder).await?);
        self.try_order(host, challenge, folder).await
    }

    async fn try_order(
        &mut self,
        host: &str,
        challenge: &Challenge,
        folder: &Folder,
    ) -> Result<Certificate> {
        let account = self.account(folder).await?;
        let names = [Identifier::Dns(host.to_owned())];
        let mut order =
            account.new_order(&NewOrder::new(&names)).await.context("the order was not taken")?;
        prove(&mut order, host, challenge).await?;
        let key = order.finalize().await.context("the order could not be finished")?;
        let chain = order.poll_certificate(&PATIENCE).await.context("no certificate came")?;
        let certificate = Certificate::read(chain.as_bytes(), key.as_bytes())?;
        ensure!(certificate.is_for(host), "the certificate that came is for another host");
        folder.keep_certificate(host, &self.settings.directory, &chain, &key)?;
        Ok(certificate)
    }

    async fn account(&mut self, folder: &Folder) -> Result<&Account> {
        let account = match self.account.take() {
            Some(account) => account,
            None => match folder.account()?.filter(|kept| self.is_ours(kept)) {
                Some(kept) => {
                    let found =
                        Account::builder_with_http(self.boxed()).from_credentials(kept.credentials);
                    found.await.context("the directory could not be read")?
                }
                None => self.make_account(folder).await?,
            },
        };
        Ok(self.account.insert(account))
    }

    fn is_ours(&self, kept: &KeptAccount) -> bool {
        (&kept.directory, &kept.contact) == (&self.settings.directory, &self.settings.contact)
    }

    async fn make_account(&self, folder: &Folder) -> Result<Account> {
        let AcmeSettings { directory, contact, .. } = &self.settings;
        let wanted = NewAccount {
            contact: &[contact],
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let made =
            Account::builder_with_http(self.boxed()).create(&wanted, directory.clone(), None);
        let (account, credentials) = made.await.context("no account with the directory")?;
        let kept =
            KeptAccount { directory: directory.clone(), contact: contact.clone(), credentials };
        folder.keep_account(&kept)?;
        Ok(account)
    }

    fn boxed(&self) -> Box<Client> {
        Box::new(self.client.clone())
    }
}

fn is_unknown_account(error: &anyhow::Error) -> bool {
    let Some(Error::Api(problem)) = error.downcast_ref() else { return false };
    problem.r#type.as_deref() == Some(UNKNOWN_ACCOUNT)
}

/// Proves to the directory that the host leads here, unless the directory knows that already.
async fn prove(order: &mut Order, host: &str, challenge: &Challenge) -> Result<()> {
    let mut showing = None;
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization?;
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            other => bail!("the directory does not let us prove the host: {other:?}"),
        }
        let asked = authorization.challenge(ChallengeType::TlsAlpn01);
        let mut asked = asked.context("the directory does not offer tls-alpn-01")?;
        let digest = asked.key_authorization().digest();
        showing = Some(challenge.show(host, digest.as_ref().try_into()?)?);
        asked.set_ready().await?;
    }
    let ready = order.poll_ready(&PATIENCE).await;
    drop(showing);
    match ready {
        Ok(OrderStatus::Ready) => Ok(()),
        ready => Err(match (refusal(order).await, ready.err()) {
            (Some(reason), _) => anyhow!("the directory did not find the host here: {reason}"),
            (None, Some(error)) => error.into(),
            (None, None) => anyhow!("the directory refused the order and gave no reason"),
        }),
    }
}

/// Returns the reason why a challenge failed, if the directory gave one.
async fn refusal(order: &mut Order) -> Option<String> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization = authorization.ok()?;
        let state = authorization.refresh().await.ok()?;
        if let Some(error) = state.challenges.iter().find_map(|challenge| challenge.error.as_ref())
        {
            return Some(error.detail.clone().unwrap_or_else(|| error.to_string()));
        }
    }
    None
}
