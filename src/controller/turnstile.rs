//! The gate that passes go through, in an order that depends on nothing but time and name.
//!
//! kube-runtime polls concurrent reconciliations out of a hash map, in random order. A pass therefore registers first and
//! waits a moment, so that all that became due at the same instant stand at the gate; then they go in by (instant,
//! name), `width` at a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

/// How long all wait for those that became due at the same instant.
const GATHER: Duration = Duration::from_millis(1);

/// The gate. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Turnstile(Arc<Mutex<Queue>>);

/// The right to run. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Pass(Arc<Mutex<Queue>>);

#[derive(Debug)]
struct Queue {
    width: usize,
    running: usize,
    registered: u64,
    /// Those at the gate; `None` while they gather.
    waiting: BTreeMap<Ticket, Option<oneshot::Sender<Pass>>>,
}

/// Instant, name, and a number that tells two of one name apart.
type Ticket = (Instant, String, u64);

impl Turnstile {
    /// A gate that lets `width` (at least one) through at a time.
    pub fn new(width: usize) -> Self {
        let queue = Queue { width: width.max(1), running: 0, registered: 0, waiting: BTreeMap::new() };
        Self(Arc::new(Mutex::new(queue)))
    }

    /// Waits for one's turn. Dropping the future gives up one's place.
    pub async fn enter(&self, name: &str) -> Pass {
        let place = self.register(name);
        tokio::time::sleep(GATHER).await;
        let (turn, my_turn) = oneshot::channel();
        if let Some(waiting) = lock(&self.0).waiting.get_mut(&place.ticket) {
            *waiting = Some(turn);
        }
        admit(&self.0);
        my_turn.await.expect("only an admitted ticket leaves the queue while its place is held")
    }

    fn register(&self, name: &str) -> Place<'_> {
        let mut queue = lock(&self.0);
        queue.registered += 1;
        let ticket = (Instant::now(), name.to_owned(), queue.registered);
        queue.waiting.insert(ticket.clone(), None);
        Place { queue: &self.0, ticket }
    }
}

/// A place at the gate, given up when dropped.
struct Place<'a> {
    queue: &'a Arc<Mutex<Queue>>,
    ticket: Ticket,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let left = lock(self.queue).waiting.remove(&self.ticket);
        if left.is_some() {
            admit(self.queue);
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        lock(&self.0).running -= 1;
        admit(&self.0);
    }
}

/// Lets in the first ones, as long as there is room and the first one has gathered.
fn admit(shared: &Arc<Mutex<Queue>>) {
    loop {
        let mut queue = lock(shared);
        let gathered = queue.waiting.first_key_value().is_some_and(|(_, turn)| turn.is_some());
        if queue.running >= queue.width || !gathered {
            return;
        }
        let Some((_, Some(turn))) = queue.waiting.pop_first() else { return };
        queue.running += 1;
        drop(queue);
        // A turn that nobody waits for any more comes back, is dropped, and so is free again.
        drop(turn.send(Pass(Arc::clone(shared))));
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;

    async fn run(gate: &Turnstile, name: &str, after: u64, log: &Mutex<Vec<String>>) {
        tokio::time::sleep(Duration::from_millis(after)).await;
        let pass = gate.enter(name).await;
        log.lock().unwrap().push(format!("+{name}"));
        tokio::time::sleep(Duration::from_millis(10)).await;
        log.lock().unwrap().push(format!("-{name}"));
        drop(pass);
    }

    #[tokio::test(start_paused = true)]
    async fn those_due_at_once_go_in_by_name_one_at_a_time() {
        let (gate, log) = (Turnstile::new(1), Mutex::default());
        join_all(["c", "a", "b"].map(|name| run(&gate, name, 0, &log))).await;
        assert_eq!(*log.lock().unwrap(), ["+a", "-a", "+b", "-b", "+c", "-c"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_came_earlier_is_not_overtaken_by_a_smaller_name() {
        let (gate, log) = (Turnstile::new(1), Mutex::default());
        join_all([("z", 0), ("y", 2), ("a", 5)].map(|(name, after)| run(&gate, name, after, &log))).await;
        assert_eq!(*log.lock().unwrap(), ["+z", "-z", "+y", "-y", "+a", "-a"]);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_run_at_once_as_the_gate_is_wide() {
        let (gate, log) = (Turnstile::new(2), Mutex::default());
        join_all(["c", "a", "b"].map(|name| run(&gate, name, 0, &log))).await;
        assert_eq!(log.lock().unwrap()[..2], ["+a", "+b"]);
        assert_eq!(log.lock().unwrap().len(), 6);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_that_is_given_up_blocks_nobody() {
        let (gate, log) = (Turnstile::new(1), Mutex::default());
        let held = gate.enter("held").await;
        for given_up_after in [0, 5] {
            let waiting = gate.enter("a");
            assert!(tokio::time::timeout(Duration::from_millis(given_up_after), waiting).await.is_err());
        }
        drop(held);
        let late = tokio::time::timeout(Duration::from_secs(1), run(&gate, "b", 0, &log)).await;
        assert!(late.is_ok());
    }
}
