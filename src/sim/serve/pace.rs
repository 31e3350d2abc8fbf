//! The pace of simulated time beside that of the world outside.

use std::{convert::Infallible, thread, time::Duration};

use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

/// How long simulated time stands still, and only sockets are served, before it may go on.
const TICK: Duration = Duration::from_millis(5);
/// What is made up for after a standstill (the machine slept, the process was stopped) is never more than this.
const LONGEST_STEP: Duration = Duration::from_millis(500);

/// Lets simulated time pass `speed` times as fast as real time, for as long as this is polled.
///
/// Under a paused clock, tokio leaps to the next timer whenever nothing else is to be done, sockets or no sockets. Two
/// things hold it back here: it never leaps past the timer that is set for where time should be by now, and it does not
/// leap at all while a blocking task runs. So timers go off in their order and at their exact times, as in a run without
/// sockets, however fast time goes. Where the machine is too slow for `speed`, time is as fast as it can be.
pub(in crate::sim) async fn keep(speed: f64) -> Infallible {
    let mut looked = std::time::Instant::now();
    let mut due = Instant::now();
    loop {
        // The task does nothing that could fail.
        _ = spawn_blocking(|| thread::sleep(TICK)).await;
        let passed = looked.elapsed();
        looked += passed;
        due = due.max(Instant::now()) + passed.min(LONGEST_STEP).mul_f64(speed);
        sleep_until(due).await;
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, net::TcpStream};

    use tokio::{io::AsyncReadExt, net::TcpListener, time::sleep};

    use super::*;
    use crate::sim::serve::runtime;

    #[test]
    fn timers_go_off_at_their_exact_times_however_fast_time_goes() {
        runtime().unwrap().block_on(async {
            tokio::spawn(keep(100_000.0));
            let (began, began_outside) = (Instant::now(), std::time::Instant::now());
            for minute in 1..=60 {
                sleep_until(began + Duration::from_mins(minute)).await;
                assert_eq!(began.elapsed(), Duration::from_mins(minute));
            }
            // An hour takes 36 ms, less a tick that may have begun before.
            assert!(began_outside.elapsed() >= Duration::from_millis(30), "{:?}", began_outside.elapsed());
        });
    }

    #[test]
    fn time_does_not_leap_while_a_socket_is_waited_for() {
        runtime().unwrap().block_on(async {
            tokio::spawn(keep(1.0));
            let leap = tokio::spawn(sleep(Duration::from_hours(1)));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let client = thread::spawn(move || TcpStream::connect(address).unwrap().write_all(b"hello").unwrap());
            let mut words = String::new();
            listener.accept().await.unwrap().0.read_to_string(&mut words).await.unwrap();
            client.join().unwrap();
            assert_eq!(words, "hello");
            assert!(!leap.is_finished(), "an hour has gone by");
        });
    }
}
