//! How a store is set up.

/// How a store is set up. The numbers bound its memory and its files; none changes an answer.
///
/// # Examples
///
/// ```
/// use block_stm_store::Options;
///
/// let options = Options::default().flush_blocks(16).memory_bytes(64 << 20);
/// assert_ne!(options, Options::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    pub(crate) segment_bytes: u64,
    pub(crate) flush_blocks: usize,
    pub(crate) recent_blocks: usize,
    pub(crate) memory_bytes: usize,
    pub(crate) snapshot_age: u64,
    pub(crate) cache_bytes: usize,
    pub(crate) verify: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            flush_blocks: 64,
            recent_blocks: 64,
            memory_bytes: 256 << 20,
            snapshot_age: 256,
            cache_bytes: 256 << 20,
            verify: true,
        }
    }
}

impl Options {
    /// About how many bytes a file of the log has; 64 MiB if nothing is said. A larger record has a
    /// file to itself.
    pub fn segment_bytes(self, segment_bytes: u64) -> Self {
        Self { segment_bytes, ..self }
    }

    /// After so many blocks the flat state is written; 64 if nothing is said, 1 at the least. Each
    /// read of newer state looks into so many layers at the most, and so many blocks are replayed
    /// when the store is opened after a crash.
    pub fn flush_blocks(self, flush_blocks: usize) -> Self {
        Self { flush_blocks: flush_blocks.max(1), ..self }
    }

    /// How many blocks below the flat state snapshots can be had of; 64 if nothing is said. They
    /// come from memory: right after opening there are none.
    pub fn recent_blocks(self, recent_blocks: usize) -> Self {
        Self { recent_blocks, ..self }
    }

    /// About how much memory blocks may take, those that are not in the flat state yet and those
    /// below it; 256 MiB if nothing is said. Half of it filled by the former has the flat state
    /// written. One block is taken however large it is.
    pub fn memory_bytes(self, memory_bytes: usize) -> Self {
        Self { memory_bytes, ..self }
    }

    /// A snapshot that lies so many blocks below the head ends when the flat state is written; 256
    /// if nothing is said.
    pub fn snapshot_age(self, snapshot_age: u64) -> Self {
        Self { snapshot_age, ..self }
    }

    /// How much of the flat state redb keeps in memory; 256 MiB if nothing is said.
    pub fn cache_bytes(self, cache_bytes: usize) -> Self {
        Self { cache_bytes, ..self }
    }

    /// Whether opening reads all pages of the flat state and checks them; it does if nothing is
    /// said. Without, damage of values is still seen when they are read, but damage of keys may
    /// make a row look absent.
    pub fn verify(self, verify: bool) -> Self {
        Self { verify, ..self }
    }
}
