//! Witnesses: executing a block without the state.
//!
//! # The problem
//!
//! A verifier of a rollup's batch, or a stateless client, has the block and the state root before
//! it, and none of the state. The *witness* is the part of the state that the block takes, in a
//! form that proves itself.
//!
//! # The idea
//!
//! A node of a trie is named by its hash, from its parent, up to the root. A witness is a set of
//! nodes. The verifier begins with the root, which it knows, and looks up each hash in the set:
//!
//! ```text
//! root 0x12..           known: it is claimed, or stands in the parent's header
//!   |  nibble 7
//! 0x9a.. branch         in the witness: its hash is 0x9a.., so it is the one
//!   |  nibble c   \ nibble 3
//! 0x77.. leaf      0x51..   hidden: it is not needed
//! ```
//!
//! A node that was tampered with has another hash, so that the right one is missing: an error that
//! names its place, see [`WitnessError`]. Nothing is ever guessed. What ends before a key shows
//! that the key is absent.
//!
//! Making a witness is the same, with the whole state in place of the set (`record`): whatever is
//! asked for is noted. So the witness has what the verifier asks for, and nothing else, because
//! both run the same code.
//!
//! # Parts
//!
//! * `source`: where nodes come from. `known` is a witness, `record` a whole state.
//! * `walk`: reading. `state` is what the EVM sees of that.
//! * `partial`: changing a trie of which a part is known, and its root afterwards; `root` does that
//!   with the changes of a block.
//! * `execute`: both sides of a block. `block`: a block of a chain with the headers before it.
//! * `proof`: single accounts and slots.
//! * `format`: the witness in JSON.
//!
//! # What a hostile witness can do
//!
//! It can be refused. Each node is hashed and decoded once; a walk goes down at each step and ends
//! after 64 nibbles; nodes and code that are not asked for are ignored, and twice the same one is
//! refused. Execution is bounded by the block's gas limit, which is the caller's to judge. A root
//! that is none of a state leads to errors, too: [`WitnessError::WrongNode`].

mod block;
mod execute;
mod format;
mod known;
mod partial;
mod proof;
mod record;
mod root;
mod source;
mod state;
mod walk;

pub use block::{CheckedBlock, StatelessError, check_block};
pub use execute::{Rooted, WitnessState, Witnessed, execute_with_witness};
pub use format::Witness;
pub use known::WitnessFault;
pub use proof::{AccountProof, SlotProof};
pub use source::WitnessError;

#[cfg(test)]
mod tests;
