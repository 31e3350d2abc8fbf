//! A body on its way from the task that receives it to the thread that parses it, a few parts at a time.

use std::io::{self, Read};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// So many parts may be received that are not parsed yet.
const PARTS: usize = 4;

/// The thread's end. Without the other end the body ends, so that no thread waits for a server that nobody asks any more.
pub(super) struct Body {
    parts: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

pub(super) fn channel() -> (mpsc::Sender<io::Result<Bytes>>, Body) {
    let (feed, parts) = mpsc::channel(PARTS);
    (feed, Body { parts, current: Bytes::new() })
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.parts.blocking_recv() {
                Some(part) => self.current = part?,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
