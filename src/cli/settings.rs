//! Settings from a file, under those from flags and environment.
//!
//! A subcommand with a `--config` takes any of its other settings from that YAML file, by the name of its flag without
//! the dashes. There is no second list of names, types or defaults: what the file says and neither flag nor environment
//! does is put before the parser as if it had been a flag, and so is checked by it. Flag wins over environment, that
//! over the file, that over the default.

use std::{ffi::OsString, fmt::Write, fs, path::Path};

use anyhow::{Context, anyhow};
use clap::{
    Arg, ArgMatches, Command, CommandFactory, FromArgMatches,
    parser::ValueSource::{CommandLine, EnvVariable},
};
use serde_json::{Map, Value};

/// The setting that names the file.
const CONFIG: &str = "config";

/// Parses `arguments`, and the file that they or the environment name.
///
/// # Errors
/// The file cannot be read, or says what no flag does. What clap finds wrong is the inner error.
pub fn parse<C: CommandFactory + FromArgMatches>(
    arguments: impl IntoIterator<Item = OsString>,
) -> anyhow::Result<Result<C, clap::Error>> {
    let mut arguments: Vec<_> = arguments.into_iter().collect();
    let command = C::command();
    let matches = match command.clone().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return Ok(Err(error)),
    };
    let Some((command, chosen)) = subcommand(&command, &matches) else { return Ok(C::from_arg_matches(&matches)) };
    let file: Option<&String> = chosen.try_get_one(CONFIG).ok().flatten();
    let Some(file) = file else { return Ok(C::from_arg_matches(&matches)) };
    arguments.extend(from_file(Path::new(file), command, chosen)?);
    match C::command().try_get_matches_from(arguments).and_then(|matches| C::from_arg_matches(&matches)) {
        Ok(parsed) => Ok(Ok(parsed)),
        // The flags alone were right.
        Err(error) => Err(anyhow!("{file}: {}", error.to_string().trim_start_matches("error: ").trim_end())),
    }
}

/// The command whose arguments were given: the subcommand, or the command itself where it has none.
fn subcommand<'a>(command: &'a Command, matches: &'a ArgMatches) -> Option<(&'a Command, &'a ArgMatches)> {
    match matches.subcommand() {
        Some((name, matches)) => Some((command.find_subcommand(name)?, matches)),
        None => Some((command, matches)),
    }
}

/// The arguments that the file adds.
fn from_file(file: &Path, command: &Command, given: &ArgMatches) -> anyhow::Result<Vec<OsString>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read the settings in {}", file.display()))?;
    let settings: Option<Map<String, Value>> =
        serde_saphyr::from_str(&text).with_context(|| format!("{} is not a list of settings", file.display()))?;
    let mut arguments = Vec::new();
    for (name, value) in settings.unwrap_or_default() {
        let Some(arg) = args(command).find(|arg| arg.get_long() == Some(&name)) else {
            return Err(unknown(file, &name, command));
        };
        if !matches!(given.value_source(arg.get_id().as_str()), Some(CommandLine | EnvVariable)) {
            let values = texts(&value).with_context(|| format!("{}: {name}", file.display()))?;
            arguments.extend(values.into_iter().map(|value| OsString::from(format!("--{name}={value}"))));
        }
    }
    Ok(arguments)
}

/// The settings of a command.
fn args(command: &Command) -> impl Iterator<Item = &Arg> {
    let is_setting = |arg: &&Arg| arg.get_long().is_some_and(|long| ![CONFIG, "help", "version"].contains(&long));
    command.get_arguments().filter(is_setting)
}

fn unknown(file: &Path, name: &str, command: &Command) -> anyhow::Error {
    let mut known: Vec<_> = args(command).filter_map(Arg::get_long).collect();
    known.sort_unstable();
    anyhow!("{}: there is no setting `{name}`; there are {}", file.display(), known.join(", "))
}

/// One value, or each of a list, as a flag has it.
fn texts(value: &Value) -> anyhow::Result<Vec<String>> {
    match value {
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Bool(_) | Value::Number(_) => Ok(vec![value.to_string()]),
        Value::Array(items) if items.iter().all(|item| !item.is_array()) => {
            let items = items.iter().map(texts).collect::<Result<Vec<_>, _>>()?;
            Ok(items.into_iter().flatten().collect())
        }
        Value::Null => Err(anyhow!("has no value; leave the line out for the default")),
        Value::Array(_) | Value::Object(_) => Err(anyhow!("must be one value, or a list of values")),
    }
}

/// A table of all settings of a command, with the three names of each.
pub fn reference(command: &Command) -> String {
    let mut table =
        String::from("| flag, and key in the file | environment | default | what it does |\n|---|---|---|---|\n");
    for arg in command.get_arguments().filter(|arg| arg.get_long().is_some_and(|long| long != "help")) {
        let long = arg.get_long().unwrap_or_default();
        let code = |text: String| if text.is_empty() { text } else { format!("`{text}`") };
        let env = code(arg.get_env().map_or_else(String::new, |env| env.to_string_lossy().into_owned()));
        let defaults = arg.get_default_values().iter().map(|value| value.to_string_lossy().into_owned());
        let default = code(defaults.collect::<Vec<_>>().join(" "));
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let help = if help.ends_with('.') { help } else { format!("{help}.") };
        writeln!(table, "| `{long}` | {env} | {default} | {} |", help.replace('|', "\\|"))
            .expect("a String takes all that is written to it");
    }
    table
}

/// Parses the flags of one subcommand alone, as its tests do.
#[cfg(test)]
pub fn parsed<A: clap::Args>(args: &[&str]) -> Result<A, String> {
    #[derive(clap::Parser)]
    struct Alone<A: clap::Args> {
        #[command(flatten)]
        args: A,
    }
    let arguments = std::iter::once("tailor").chain(args.iter().copied()).map(OsString::from);
    match parse::<Alone<A>>(arguments) {
        Ok(Ok(alone)) => Ok(alone.args),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(format!("{error:#}")),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[derive(Debug, PartialEq, clap::Args)]
    struct Sample {
        #[arg(long)]
        config: Option<String>,
        /// How many.
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=10))]
        count: u32,
        // Cargo sets it for every test.
        #[arg(long, env = "CARGO_PKG_NAME")]
        package: Option<String>,
        #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true)]
        loud: Option<bool>,
        #[arg(long)]
        label: Vec<String>,
    }

    fn with(file: &str, flags: &[&str]) -> Result<Sample, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.yaml");
        fs::write(&path, file).unwrap();
        let config = format!("--config={}", path.display());
        parsed(&[&[config.as_str()], flags].concat())
    }

    #[test]
    fn a_flag_wins_over_the_environment_that_over_the_file_and_that_over_the_default() {
        let file = "count: 5\npackage: other\nloud: false\nlabel: [a, b c]\n";
        let all = with(file, &[]).unwrap();
        assert_eq!((all.count, all.package.as_deref(), all.loud), (5, Some("tailor"), Some(false)));
        assert_eq!(all.label, ["a", "b c"]);
        let flagged = with(file, &["--count", "7", "--loud", "--package=mine"]).unwrap();
        assert_eq!((flagged.count, flagged.package.as_deref(), flagged.loud), (7, Some("mine"), Some(true)));
        assert_eq!(with("", &[]).unwrap().count, 3);
        assert_eq!(with("# nothing\n", &[]).unwrap().count, 3);
    }

    #[rstest]
    #[case::unknown("cuont: 5", "there is no setting `cuont`; there are count, label, loud, package")]
    #[case::the_file_itself("config: other.yaml", "there is no setting `config`")]
    #[case::out_of_range("count: 11", "settings.yaml: invalid value '11' for '--count <COUNT>'")]
    #[case::not_a_number("count: many", "invalid value 'many' for '--count <COUNT>'")]
    #[case::nothing("count:", "count: has no value")]
    #[case::nested("count: {a: 1}", "count: must be one value")]
    #[case::twice("count: 1\ncount: 2", "is not a list of settings")]
    #[case::not_settings("[a, b]", "is not a list of settings")]
    fn what_no_flag_would_say_is_refused(#[case] file: &str, #[case] says: &str) {
        let error = with(file, &[]).unwrap_err();
        assert!(error.contains(says), "{error}");
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = parsed::<Sample>(&["--config=/no/such/file"]).unwrap_err();
        assert!(error.contains("cannot read the settings in /no/such/file"), "{error}");
    }
}
