//! Work in parts, on one thread or on those of an engine.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Calls a function once with each number below one that is given.
pub(crate) type Share<'a> = dyn Fn(usize, &(dyn Fn(usize) + Sync)) + 'a;

/// The [`Share`] of who has one thread.
pub(crate) fn on_one_thread(parts: usize, work: &(dyn Fn(usize) + Sync)) {
    (0..parts).for_each(work);
}

/// What `work` makes of each of `items`, in their order.
pub(crate) fn map<T: Send, R: Send>(
    share: &Share<'_>,
    items: impl IntoIterator<Item = T>,
    work: impl Fn(T) -> R + Sync,
) -> Vec<R> {
    let places = items.into_iter().map(|item| (Mutex::new(Some(item)), Mutex::new(None)));
    let places: Vec<_> = places.collect();
    share(places.len(), &|n| {
        let (item, result) = &places[n];
        // No lock is held while it works.
        let item = lock(item).take().expect("each number comes once");
        let made = work(item);
        *lock(result) = Some(made);
    });
    let results = places.into_iter().map(|(_, result)| result.into_inner());
    let results = results.map(|result| result.unwrap_or_else(PoisonError::into_inner));
    results.map(|result| result.expect("each number comes")).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
