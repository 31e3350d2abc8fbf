//! A certificate that somebody else keeps (cert-manager), in files that are read again when they change.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::time::sleep;

use super::certificates::{Error, Pair, Shown};
use crate::telemetry::metrics::Metrics;

/// How often the files are looked at. A kubelet brings a changed Secret within a minute or two.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those that lead from it to one that is trusted.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

impl Files {
    /// Reads both.
    async fn pair(&self) -> Result<Pair, Error> {
        let read = async |what, path: &PathBuf| {
            let text = tokio::fs::read_to_string(path).await;
            text.map_err(|error| Error::Read { what, problem: format!("{}: {error}", path.display()) })
        };
        let (certificate, key) = (read("certificate", &self.certificate).await?, read("key", &self.key).await?);
        Ok(Pair { authority: String::new(), certificate, key })
    }

    /// Shows what is in the files now.
    ///
    /// # Errors
    /// One cannot be read, or they do not belong together.
    pub async fn show(&self, shown: &Shown, metrics: &Metrics) -> Result<Pair, Error> {
        let pair = self.pair().await?;
        let (key, read) = (pair.certified()?, pair.read()?);
        shown.show(key);
        metrics.certificate_expires(read.expires);
        Ok(pair)
    }

    /// Shows what they say whenever that is something else than `known`. What cannot be used is told, and what was
    /// shown before is shown on.
    pub async fn follow(self, mut known: Pair, shown: Arc<Shown>, metrics: Arc<Metrics>) {
        let mut told = None;
        loop {
            sleep(LOOK_EVERY).await;
            let outcome = match self.pair().await {
                Ok(pair) if pair == known => continue,
                Ok(_) => self.show(&shown, &metrics).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(pair) => {
                    tracing::info!(file = %self.certificate.display(), "the webhook shows a new certificate");
                    (known, told) = (pair, None);
                }
                Err(error) => {
                    let problem = error.to_string();
                    if told.as_ref() != Some(&problem) {
                        tracing::warn!(%problem, "the webhook goes on with the certificate that it has");
                    }
                    told = Some(problem);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn pair(seconds: u64) -> Pair {
        Pair::issue(&["tailor.tailor-system.svc".to_owned()], NOW, Duration::from_secs(seconds)).unwrap()
    }

    /// By when it expires, as the metric says.
    fn shows(metrics: &Metrics, seconds: i64) -> bool {
        let expiry = NOW.as_second() + seconds;
        metrics.text().contains(&format!("tailor_webhook_certificate_expiry_timestamp_seconds {expiry}\n"))
    }

    #[tokio::test(start_paused = true)]
    async fn files_that_change_are_shown_once_they_belong_together() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files { certificate: folder.path().join("tls.crt"), key: folder.path().join("tls.key") };
        let (shown, metrics) = (Arc::new(Shown::default()), Arc::new(Metrics::default()));
        let missing = files.show(&shown, &metrics).await.unwrap_err();
        assert!(missing.to_string().contains("tls.crt"), "{missing}");

        let (old, new) = (pair(1_000), pair(2_000));
        std::fs::write(&files.certificate, &old.certificate).unwrap();
        std::fs::write(&files.key, &old.key).unwrap();
        let known = files.show(&shown, &metrics).await.unwrap();
        let following = tokio::spawn(files.clone().follow(known, shown, Arc::clone(&metrics)));
        std::fs::write(&files.certificate, &new.certificate).unwrap();
        sleep(LOOK_EVERY * 3).await;
        assert!(shows(&metrics, 1_000), "the key is still the old one: {}", metrics.text());
        std::fs::write(&files.key, &new.key).unwrap();
        sleep(LOOK_EVERY * 3).await;
        assert!(shows(&metrics, 2_000), "{}", metrics.text());
        following.abort();
    }
}
