//! A measurement for criterion whose value is the time of one operation out of many.

use std::time::{Duration, Instant};

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

/// Nanoseconds of wall time, as a fraction: an operation may take less than one, and a difference
/// be below zero.
#[derive(Clone, Copy, Debug)]
pub struct PerOperation;

impl PerOperation {
    /// What one of `operations` takes that take `time` together.
    #[must_use]
    pub fn of(time: Duration, operations: u64) -> f64 {
        time.as_nanos() as f64 / operations as f64
    }
}

impl Measurement for PerOperation {
    type Intermediate = Instant;
    type Value = f64;

    fn start(&self) -> Instant {
        Instant::now()
    }

    fn end(&self, start: Instant) -> f64 {
        start.elapsed().as_nanos() as f64
    }

    fn add(&self, one: &f64, other: &f64) -> f64 {
        one + other
    }

    fn zero(&self) -> f64 {
        0.0
    }

    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for PerOperation {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        let (factor, unit) = match typical.abs() {
            ns if ns < 1e3 => (1.0, "ns"),
            ns if ns < 1e6 => (1e-3, "us"),
            _ => (1e-6, "ms"),
        };
        values.iter_mut().for_each(|value| *value *= factor);
        unit
    }

    fn scale_throughputs(&self, _: f64, _: &Throughput, values: &mut [f64]) -> &'static str {
        values.iter_mut().for_each(|value| *value = 1e9 / *value);
        "a second"
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "ns"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_take_the_unit_that_fits() {
        let formatted = [0.25, -20.0, 2_500.0, 7e6].map(|ns| PerOperation.format_value(ns));
        let units = formatted.each_ref().map(|text| text.split_whitespace().collect::<Vec<_>>());
        let expected = [["0.2500", "ns"], ["-20.0000", "ns"], ["2.5000", "us"], ["7.0000", "ms"]];
        assert_eq!(units, expected);
        assert_eq!(PerOperation::of(Duration::from_micros(3), 2_000), 1.5);
    }
}
