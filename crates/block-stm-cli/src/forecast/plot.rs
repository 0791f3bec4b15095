//! Forecasts as a plot: the speed-up over workers, a line for each report, its bound dashed.

use super::report::{Line, Report};
use crate::{
    plot::{self, Panel, Plot, Point},
    report::ratio,
    units::speedup,
};

/// The plot of reports with the same numbers of workers.
pub(super) fn of(reports: &[Report]) -> Plot {
    let sums = reports.first().map(Report::sums).unwrap_or_default();
    let many = reports.iter().any(|report| report.blocks.len() > 1);
    let title = match reports {
        [one] => one.title.clone(),
        _ => "Forecast".to_owned(),
    };
    let bars = if many { "bars: middle half of blocks" } else { "bars: middle half of turns" };
    Plot {
        title,
        x_name: "workers",
        y_name: "speed-up over the plain loop",
        y_format: speedup,
        numbers: sums.iter().map(|sum| sum.workers).collect(),
        panels: vec![Panel {
            caption: "simulated on virtual workers".to_owned(),
            lines: reports.iter().map(line).collect(),
            ideal: Some(1.0),
        }],
        notes: vec!["dotted: ideal", "dashed: bound", "rings: measured", bars],
    }
}

fn line(report: &Report) -> plot::Line {
    let at = |place: usize| report.blocks.iter().filter_map(move |block| block.lines.get(place));
    let simulated = |line: &Line| ratio(line.plain, line.simulated);
    let points =
        report.sums().into_iter().enumerate().map(|(place, sum)| {
            (place, Point::new(sum.speedup_over_plain, at(place).map(simulated)))
        });
    let bound = |line: &Line| ratio(line.plain, line.bound);
    let places = 0..report.sums().len();
    let against = places.clone().map(|place| (place, mean(at(place).map(bound))));
    let beside = places.filter_map(|place| {
        let all: Option<Vec<f64>> =
            at(place).map(|line| Some(ratio(line.plain, line.real?))).collect();
        let all = all.filter(|all| !all.is_empty())?;
        let spread: Vec<f64> = match all.as_slice() {
            [_] => at(place)
                .flat_map(|line| line.real_samples.iter().map(|time| ratio(line.plain, *time)))
                .collect(),
            _ => all.clone(),
        };
        Some((place, Point::new(mean(all), spread)))
    });
    plot::Line {
        name: report.title.clone(),
        points: points.collect(),
        against: against.collect(),
        beside: beside.collect(),
    }
}

/// The geometric mean.
fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) =
        values.into_iter().fold((0.0, 0_u32), |(sum, count), value| (sum + value.ln(), count + 1));
    (sum / f64::from(count.max(1))).exp()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::forecast::report::Study;

    #[test]
    fn simulated_bound_and_real_stand_in_one_panel() {
        let line = |workers: usize, simulated: u64, real: Option<u64>| Line {
            workers,
            plain: Duration::from_millis(80),
            executions_time: Duration::from_millis(60),
            simulated: Duration::from_millis(simulated),
            bound: Duration::from_millis(20),
            real: real.map(Duration::from_millis),
            real_samples: real
                .into_iter()
                .flat_map(|ms| [ms - 1, ms, ms + 1])
                .map(Duration::from_millis)
                .collect(),
            txns: 10,
            executions: 15,
        };
        let lines = vec![line(2, 40, Some(50)), line(4, 20, None)];
        let report = Report::new("amm".to_owned(), vec![Study { number: None, lines }]);
        let plot = of(&[report]);
        assert_eq!(plot.numbers, [2, 4]);
        let drawn = &plot.panels[0].lines[0];
        let values: Vec<f64> = drawn.points.iter().map(|(_, point)| point.value).collect();
        assert!((values[0] - 2.0).abs() < 1e-9 && (values[1] - 4.0).abs() < 1e-9);
        assert!((drawn.against[0].1 - 4.0).abs() < 1e-9);
        assert_eq!(drawn.beside.len(), 1);
        assert!((drawn.beside[0].1.value - 1.6).abs() < 1e-9 && drawn.beside[0].1.half.is_some());
        assert!(plot::svg(&plot).contains("rings: measured"));
    }
}
