//! Reads a trace, and says what is wrong with it.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    io::{self, Read},
    path::Path,
    sync::Arc,
};

use flate2::read::MultiGzDecoder;
use thiserror::Error;

use super::{Series, Trace};
use crate::resources::{Bytes, NanoCpu};

const HEADER: [&str; 4] = ["series", "t_seconds", "cpu_cores", "memory_bytes"];
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// No machine has more cores; a larger number is in another unit.
const MOST_CORES: f64 = 1e6;
/// 2^53 bytes are eight pebibytes; above that, an `f64` skips bytes.
const MOST_BYTES: f64 = 9_007_199_254_740_992.0;
/// About thirty thousand years. A time beyond it is not in seconds.
const MOST_SECONDS: f64 = 1e12;

/// Why a file is not a usable trace.
#[derive(Debug, Error)]
pub enum Error {
    /// It cannot be opened or read to its end.
    #[error("cannot read trace {file}; check that it exists, may be read, and is whole (plain CSV or gzip)")]
    Unreadable {
        /// The file.
        file: String,
        /// What went wrong.
        source: io::Error,
    },
    /// It is not CSV text.
    #[error("trace {file}, line {line}: the row cannot be read; save the file as CSV in UTF-8")]
    NotCsv {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// What went wrong.
        source: csv::Error,
    },
    /// The first line names other columns.
    #[error("trace {file}, line 1: the header is `{found}`; it must be `series,t_seconds,cpu_cores,memory_bytes`")]
    Header {
        /// The file.
        file: String,
        /// The header that was found.
        found: String,
    },
    /// One value is wrong.
    #[error("trace {file}, line {line}, column {column}: {problem}")]
    Value {
        /// The file.
        file: String,
        /// The line, from 1.
        line: u64,
        /// The column's name.
        column: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// There is nothing but a header.
    #[error("trace {file} has no rows; give it at least one row below the header")]
    NoRows {
        /// The file.
        file: String,
    },
}

impl Trace {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// The file cannot be read, or has a bad value.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let file = path.display().to_string();
        let bytes = fs::read(path).map_err(|source| Error::Unreadable { file: file.clone(), source })?;
        Self::parse(&file, &bytes)
    }

    /// Reads `bytes`, gzipped or plain; `file` is what errors call them.
    ///
    /// # Errors
    /// They are not a whole gzip stream, or there is a bad value in them.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, Error> {
        if !bytes.starts_with(&GZIP) {
            return Reader::read(file, bytes);
        }
        let mut text = Vec::new();
        match MultiGzDecoder::new(bytes).read_to_end(&mut text) {
            Ok(_) => Reader::read(file, &text),
            Err(source) => Err(Error::Unreadable { file: file.to_owned(), source }),
        }
    }
}

type Measured = Vec<(f64, NanoCpu, Option<Bytes>)>;

struct Reader<'a> {
    file: &'a str,
    line: u64,
}

impl Reader<'_> {
    fn read(file: &str, text: &[u8]) -> Result<Trace, Error> {
        let mut csv = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
        let mut reader = Reader { file, line: 1 };
        let mut measured = BTreeMap::<String, Measured>::new();
        let mut record = csv::StringRecord::new();
        let mut headed = false;
        loop {
            match csv.read_record(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(source) => return Err(reader.not_csv(source)),
            }
            reader.line = record.position().map_or(reader.line, csv::Position::line);
            if headed {
                reader.row(&record, &mut measured)?;
            } else {
                reader.header(&record)?;
                headed = true;
            }
        }
        if measured.is_empty() {
            return Err(Error::NoRows { file: file.to_owned() });
        }
        let series = measured.into_iter().map(|(name, rows)| (name, Arc::new(Series::new(rows))));
        Ok(Trace { series: series.collect() })
    }

    fn header(&self, record: &csv::StringRecord) -> Result<(), Error> {
        if record.iter().eq(HEADER) {
            return Ok(());
        }
        Err(Error::Header { file: self.file.to_owned(), found: record.iter().collect::<Vec<_>>().join(",") })
    }

    fn row(&self, record: &csv::StringRecord, measured: &mut BTreeMap<String, Measured>) -> Result<(), Error> {
        if let Some(missing) = HEADER.get(record.len()) {
            return self.wrong(missing, "the field is missing; a row has four fields, and an empty one for no memory");
        }
        if record.len() > HEADER.len() {
            return self.wrong("memory_bytes", "more fields follow; a row has four fields");
        }
        let name = &record[0];
        if name.trim().is_empty() {
            return self.wrong(HEADER[0], "the name is empty; name the series that the row belongs to");
        }
        let time = self.number(HEADER[1], &record[1], MOST_SECONDS)?;
        let cpu = NanoCpu::from_cores(self.number(HEADER[2], &record[2], MOST_CORES)?);
        let memory = if record[3].trim().is_empty() { None } else { Some(self.memory(&record[3])?) };
        let rows = match measured.entry(name.to_owned()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Vec::new()),
        };
        if let Some((last, ..)) = rows.last() {
            self.after(name, *last, time)?;
        }
        rows.push((time, cpu, memory));
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be from 0 to 2^53")]
    fn memory(&self, text: &str) -> Result<Bytes, Error> {
        Ok(Bytes(self.number(HEADER[3], text, MOST_BYTES)?.round() as u64))
    }

    fn after(&self, name: &str, last: f64, time: f64) -> Result<(), Error> {
        if time == last {
            let problem = format!("series `{name}` has a row at {time} already; keep one of the two");
            return self.wrong(HEADER[1], &problem);
        }
        if time < last {
            let problem = format!("{time} comes after {last} in series `{name}`; sort the rows by time");
            return self.wrong(HEADER[1], &problem);
        }
        Ok(())
    }

    fn number(&self, column: &'static str, text: &str, most: f64) -> Result<f64, Error> {
        let text = text.trim();
        let problem = match text.parse::<f64>() {
            _ if text.is_empty() => "the value is missing; leave the whole row out if it was not measured".to_owned(),
            Err(_) => format!("`{text}` is not a number; write it like 0.25 or 1.5e-3"),
            Ok(number) if !number.is_finite() => {
                format!("`{text}` is not a finite number; leave the row out if it was not measured")
            }
            Ok(number) if number < 0.0 => format!("`{text}` is negative; it must be zero or more"),
            Ok(number) if number > most => format!("`{text}` is too large to be true; check the unit"),
            Ok(number) => return Ok(number),
        };
        self.wrong(column, &problem)
    }

    fn wrong<T>(&self, column: &'static str, problem: &str) -> Result<T, Error> {
        Err(Error::Value { file: self.file.to_owned(), line: self.line, column, problem: problem.to_owned() })
    }

    fn not_csv(&self, source: csv::Error) -> Error {
        let line = source.position().map_or(self.line, csv::Position::line);
        Error::NotCsv { file: self.file.to_owned(), line, source }
    }
}
