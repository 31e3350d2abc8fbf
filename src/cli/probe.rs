//! `tailor probe`: whether a Tailor that runs elsewhere is ready. Its image has no other program that could ask.

use std::{io::Write, time::Duration};

use anyhow::{Context, anyhow};
use reqwest::{Client, Url};

use super::Failure;
use crate::tls;

/// How long one answer may take, and how long to wait before the next attempt.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_secs(1);

/// Asks a URL, such as `http://tailor.tailor-system:8080/readyz`, until it answers 200.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// What to ask.
    url: Url,
    /// Seconds after which it fails.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    #[arg(value_parser = clap::value_parser!(u64).range(0..=3_600))]
    within: u64,
}

/// Waits for the answer.
///
/// # Errors
/// The URL is not one for HTTP, or no 200 has come in time; the last answer is in the error.
pub fn run(args: &Args, out: &mut dyn Write) -> Result<(), Failure> {
    if !matches!(args.url.scheme(), "http" | "https") {
        return Err(Failure::BadInput(anyhow!("{} is no URL for HTTP; write http://host:port/readyz", args.url)));
    }
    tls::use_ring();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the asynchronous runtime")?.block_on(wait(args))?;
    writeln!(out, "{} is ready", args.url).context("cannot write")?;
    Ok(())
}

async fn wait(args: &Args) -> anyhow::Result<()> {
    let redirects = reqwest::redirect::Policy::none();
    let client = Client::builder().timeout(PATIENCE).redirect(redirects).build().context("cannot make a client")?;
    let mut last = anyhow!("it has not been asked");
    let asking = async {
        while let Err(error) = ask(&client, &args.url).await {
            last = error;
            tokio::time::sleep(PAUSE).await;
        }
    };
    let within = Duration::from_secs(args.within).max(PAUSE);
    let asked = tokio::time::timeout(within, asking).await;
    asked.or_else(|_| Err(last).with_context(|| format!("{} was not ready within {within:?}", args.url)))
}

async fn ask(client: &Client, url: &Url) -> anyhow::Result<()> {
    let answer = client.get(url.clone()).send().await?;
    let status = answer.status();
    if status == reqwest::StatusCode::OK {
        return Ok(());
    }
    Err(anyhow!("it answers {status}"))
}
