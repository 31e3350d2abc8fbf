//! A child process that never outlives its parent.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::Error;

/// Runs a program and kills it, by its own id, when standard input closes: also a parent that was killed closes it.
const GUARD: &str = r#"
exec 3<&0
"$@" </dev/null 3<&- & program=$!
{ read -r _ <&3; kill -9 "$program"; } 2>/dev/null & watch=$!
exec 3<&-
wait "$program"; code=$?
kill "$watch" 2>/dev/null
exit "$code"
"#;

/// How much of a log is shown.
const LOG_LINES: usize = 15;

/// A running program with its log.
pub(super) struct Program {
    name: &'static str,
    guard: Child,
    log: PathBuf,
}

impl Program {
    /// Starts `binary` with its output going to a file in `folder`.
    pub(super) fn start(
        name: &'static str,
        binary: &Path,
        arguments: Vec<OsString>,
        folder: &Path,
    ) -> Result<Self, Error> {
        let log = folder.join(format!("{name}.log"));
        let start = || {
            let output = File::create(&log)?;
            let mut command = Command::new("sh");
            command.args(["-c", GUARD, "guard"]).arg(binary).args(arguments).current_dir(folder);
            command.stdin(Stdio::piped()).stderr(output.try_clone()?).stdout(output).spawn()
        };
        let guard = start().map_err(Error::io(format!("start {}", binary.display())))?;
        Ok(Self { name, guard, log })
    }

    /// An error if it has ended.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self.guard.try_wait() {
            Ok(None) => Ok(()),
            _ => Err(Error::Ended { program: self.name, log: self.log() }),
        }
    }

    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Whether it has written that.
    pub(super) fn wrote(&self, text: &str) -> bool {
        fs::read_to_string(&self.log).is_ok_and(|log| log.contains(text))
    }

    /// The end of what it wrote.
    pub(super) fn log(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.guard.stdin.take());
        // Nothing can be done about a guard that cannot be waited for.
        let _ = self.guard.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn shell(script: &str, folder: &Path) -> Program {
        Program::start("script", Path::new("/bin/sh"), vec!["-c".into(), script.into()], folder).unwrap()
    }

    async fn until(mut holds: impl FnMut() -> bool) {
        for _ in 0..1_000 {
            if holds() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came true");
    }

    #[tokio::test]
    async fn what_was_started_ends_when_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let program = shell("echo $$ > pid; exec sleep 1000", folder.path());
        until(|| fs::read_to_string(&pid).is_ok_and(|pid| pid.ends_with('\n'))).await;
        let process = Path::new("/proc").join(fs::read_to_string(&pid).unwrap().trim());
        assert!(process.exists());
        drop(program);
        until(|| !process.exists()).await;
    }

    #[tokio::test]
    async fn a_program_that_ends_is_an_error_with_the_end_of_its_log() {
        let folder = tempfile::tempdir().unwrap();
        let mut program = shell("echo no port is free; exit 3", folder.path());
        until(|| program.check().is_err()).await;
        let error = program.check().unwrap_err().to_string();
        assert_eq!(error, "script ended by itself; the end of its log:\nno port is free");
    }
}
