//! A real Prometheus as a child process.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::{Assets, Error, child::Program, site::free_ports};

/// A busy machine starts it slowly.
const READY_WITHIN: Duration = Duration::from_mins(1);
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What it writes once it answers queries.
const READY: &str = "Server is ready to receive web requests";

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct PrometheusOptions {
    /// What it scrapes, as its configuration file has it.
    pub config: String,
    /// How it is reached (`--web.config.file`): TLS, users. Paths in it are relative to the folder.
    pub web_config: Option<String>,
    /// Where it listens on loopback; a free port if none.
    pub port: Option<u16>,
}

/// A running Prometheus. It ends when it is dropped; what it stored stays in its folder.
pub struct PrometheusServer {
    program: Program,
    port: u16,
}

impl PrometheusServer {
    /// Starts it in `folder`, with the data that is in `folder/data`, and waits until it serves.
    ///
    /// # Errors
    /// The program is missing, ends, or is not ready in a minute; the end of its log is in the error.
    pub async fn start(assets: &Assets, folder: &Path, options: PrometheusOptions) -> Result<Self, Error> {
        let PrometheusOptions { config, web_config, port } = options;
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).map_err(Error::io(format!("write {}", path.display())))?;
            Ok::<_, Error>(path)
        };
        let port = match port {
            Some(port) => port,
            None => free_ports::<1>()?[0],
        };
        let flag = |name: &str, value: &Path| {
            let mut flag = OsString::from(format!("--{name}="));
            flag.push(value);
            flag
        };
        let mut flags = vec![
            flag("config.file", &write("prometheus.yml", &config)?),
            flag("storage.tsdb.path", &folder.join("data")),
            OsString::from(format!("--web.listen-address=127.0.0.1:{port}")),
        ];
        if let Some(web_config) = web_config {
            flags.push(flag("web.config.file", &write("web.yml", &web_config)?));
        }
        let program = Program::start("prometheus", &assets.need("prometheus")?, flags, folder)?;
        let mut server = Self { program, port };
        server.wait().await?;
        Ok(server)
    }

    async fn wait(&mut self) -> Result<(), Error> {
        let began = Instant::now();
        while !self.program.wrote(READY) {
            self.program.check()?;
            if began.elapsed() > READY_WITHIN {
                let (what, program, log) = ("Prometheus", self.program.name(), self.program.log());
                return Err(Error::NotReady { what, after: READY_WITHIN, program, log });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
        Ok(())
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// Makes the data of a Prometheus that is yet to be started in `folder` out of OpenMetrics text with times.
///
/// # Errors
/// promtool is missing or refuses the text; what it wrote is in the error.
pub fn backfill(assets: &Assets, folder: &Path, text: &str) -> Result<(), Error> {
    let input: PathBuf = folder.join("backfill.txt");
    fs::write(&input, text).map_err(Error::io(format!("write {}", input.display())))?;
    let mut command = Command::new(assets.need("promtool")?);
    command.args(["tsdb", "create-blocks-from", "openmetrics"]).arg(input).arg(folder.join("data"));
    let done = command.output().map_err(Error::io("run promtool"))?;
    if done.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(Error::io("store what was recorded")(io::Error::other(said)))
}
