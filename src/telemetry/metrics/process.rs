//! The process itself, under the names that every Prometheus client library gives it. Known on Linux only.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, NoLabelSet},
};

use super::{Description, Kind, begin};

const CPU: Description = Description {
    stem: "process_cpu_seconds",
    kind: Kind::Counter,
    labels: &[],
    help: "CPU time that the process has used",
};
const RESIDENT: Description = gauge("process_resident_memory_bytes", "Memory that the process holds");
const VIRTUAL: Description = gauge("process_virtual_memory_bytes", "Address space of the process");
const START: Description = gauge("process_start_time_seconds", "When the process was started, in seconds since 1970");
const OPEN: Description = gauge("process_open_fds", "Files and sockets that are open");
const MOST: Description = gauge("process_max_fds", "How many files and sockets may be open");

/// What is described here.
pub(super) const ALL: [Description; 6] = [CPU, RESIDENT, VIRTUAL, START, OPEN, MOST];

const fn gauge(stem: &'static str, help: &'static str) -> Description {
    Description { stem, kind: Kind::Gauge, labels: &[], help }
}

/// Reads /proc at each scrape.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        read().map_or(Ok(()), |reading| reading.encode(encoder))
    }
}

struct Reading {
    cpu_seconds: f64,
    resident: u64,
    address_space: u64,
    start: f64,
    open: usize,
    most: u64,
}

/// None where /proc cannot be read: that says nothing of the process.
#[cfg(target_os = "linux")]
#[expect(clippy::cast_precision_loss, reason = "ticks of a process are far below 2^52")]
fn read() -> Option<Reading> {
    let own = procfs::process::Process::myself().ok()?;
    let stat = own.stat().ok()?;
    let ticks = procfs::ticks_per_second() as f64;
    let most = match own.limits().ok()?.max_open_files.soft_limit {
        procfs::process::LimitValue::Value(most) => most,
        procfs::process::LimitValue::Unlimited => u64::MAX,
    };
    Some(Reading {
        cpu_seconds: (stat.utime + stat.stime) as f64 / ticks,
        resident: stat.rss * procfs::page_size(),
        address_space: stat.vsize,
        start: procfs::boot_time_secs().ok()? as f64 + stat.starttime as f64 / ticks,
        open: own.fd_count().ok()?,
        most,
    })
}

#[cfg(not(target_os = "linux"))]
fn read() -> Option<Reading> {
    None
}

impl Reading {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        begin(&mut encoder, &CPU)?.encode_counter::<NoLabelSet, _, u64>(&self.cpu_seconds, None)?;
        begin(&mut encoder, &RESIDENT)?.encode_gauge(&self.resident)?;
        begin(&mut encoder, &VIRTUAL)?.encode_gauge(&self.address_space)?;
        begin(&mut encoder, &START)?.encode_gauge(&self.start)?;
        begin(&mut encoder, &OPEN)?.encode_gauge(&self.open)?;
        begin(&mut encoder, &MOST)?.encode_gauge(&self.most)
    }
}
