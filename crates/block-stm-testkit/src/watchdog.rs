//! Turns a hang into a failure with a message.

use std::fmt;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

/// How long something may take before it counts as a hang: longer than it takes on the busiest
/// machine, as tests may not depend on time.
pub const PATIENCE: Duration = Duration::from_secs(600);

/// Something did not return in time. It may still be running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hang {
    /// How long it was waited for.
    pub limit: Duration,
}

impl fmt::Display for Hang {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no result after {:?}: it hangs, or the machine is very slow", self.limit)
    }
}

impl std::error::Error for Hang {}

/// The result of `work`, which runs on a thread of its own.
///
/// # Errors
/// [`Hang`] if there is no result after `limit`. The thread cannot be stopped and is left behind.
///
/// # Panics
/// With `work`'s own panic, or if no thread can be started.
pub fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Hang> {
    let (done, result) = channel();
    let builder =
        thread::Builder::new().name(thread::current().name().unwrap_or("work").to_owned());
    let worker = builder
        .spawn(move || {
            // No receiver is left after a hang.
            let _ = done.send(work());
        })
        .expect("a thread for the watched work can be started");
    match result.recv_timeout(limit) {
        Ok(value) => {
            // It has nothing left to do; a leak checker should not meet it on its way out.
            let _ = worker.join();
            Ok(value)
        }
        Err(RecvTimeoutError::Timeout) => Err(Hang { limit }),
        Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Err(payload) => resume_unwind(payload),
            Ok(()) => unreachable!("work that returns sends its result first"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn results_and_panics_pass_through() {
        assert_eq!(within(Duration::from_secs(60), || 7), Ok(7));
        let panicked = catch_unwind(|| {
            within(Duration::from_secs(60), || -> u8 { resume_unwind(Box::new("boo")) })
        });
        let payload = panicked.expect_err("the panic surfaces");
        assert_eq!(payload.downcast_ref(), Some(&"boo"));
    }

    #[test]
    fn a_hang_is_reported() {
        let limit = Duration::from_millis(20);
        let (_keep, never) = channel::<()>();
        assert_eq!(within(limit, move || never.recv().is_ok()), Err(Hang { limit }));
    }
}
