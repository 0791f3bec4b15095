//! Chains of generated blocks through the pipeline, and what becomes of those that are wrong.

mod chain;
