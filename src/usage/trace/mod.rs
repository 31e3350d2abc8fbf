//! Recorded usage: CSV files, gzipped or plain, with one row per series and interval.
//!
//! The header is `series,t_seconds,cpu_cores,memory_bytes`. A row is the average over the interval that ends at its
//! time; an empty memory is one that was not measured. Within a series the times rise; series may be interleaved. A
//! file is read as a whole or refused: every bad value is an [`Error`] that names its line and column.

mod read;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

pub use read::Error;

use crate::resources::{Bytes, NanoCpu};

/// All series of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    series: BTreeMap<String, Arc<Series>>,
}

/// One recorded container or machine, never empty. Time starts at the beginning of the first row's interval.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    rows: Vec<Row>,
    length: Duration,
}

/// Usage that holds from `start` to the start of the next row, or to the end of the series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The beginning of the interval, counted from that of the first row.
    pub start: Duration,
    /// Average CPU.
    pub cpu: NanoCpu,
    /// Average memory, if it was measured.
    pub memory: Option<Bytes>,
}

impl Trace {
    /// Every series, by name.
    pub fn series(&self) -> impl ExactSizeIterator<Item = (&str, &Arc<Series>)> {
        self.series.iter().map(|(name, series)| (name.as_str(), series))
    }

    /// The series of that name.
    pub fn get(&self, name: &str) -> Option<&Arc<Series>> {
        self.series.get(name)
    }
}

impl Series {
    /// Lays out rows that end at `ends` (seconds, rising). The usual step is the median of the steps: a row that comes
    /// later than that leaves a hole, through which the row before it holds.
    fn new(measured: Vec<(f64, NanoCpu, Option<Bytes>)>) -> Self {
        let mut steps: Vec<f64> = measured.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
        steps.sort_by(f64::total_cmp);
        let step = steps.get(steps.len() / 2).copied().unwrap_or(1.0);
        let origin = measured.first().map_or(0.0, |first| first.0 - step);
        let mut previous = origin;
        let mut rows = Vec::with_capacity(measured.len());
        for (end, cpu, memory) in measured {
            let start = Duration::from_secs_f64((end - step).max(previous) - origin);
            rows.push(Row { start, cpu, memory });
            previous = end;
        }
        Self { rows, length: Duration::from_secs_f64(previous - origin) }
    }

    /// The rows, by start.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// From the beginning of the first row's interval to the end of the last one's.
    pub fn length(&self) -> Duration {
        self.length
    }

    /// The largest CPU and, where it was measured, memory of a row that starts before `within`.
    pub fn peak(&self, within: Duration) -> (NanoCpu, Option<Bytes>) {
        let rows = self.rows.iter().take_while(|row| row.start < within);
        rows.fold((NanoCpu(0), None), |(cpu, memory), row| (cpu.max(row.cpu), memory.max(row.memory)))
    }
}

#[cfg(test)]
mod tests;
