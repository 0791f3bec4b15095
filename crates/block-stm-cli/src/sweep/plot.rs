//! A sweep as an SVG: throughput over threads, one panel for each size of blocks, one line for each
//! number of accounts.

use plotters::{
    coord::Shift,
    drawing::DrawingAreaErrorKind,
    element::{PathElement, Text},
    prelude::{
        ChartBuilder, Circle, Color, DashedLineSeries, DrawingArea, IntoDrawingArea, IntoFont,
        LineSeries, SVGBackend, WHITE,
    },
    style::{RGBColor, ShapeStyle},
};

use super::report::{Report, Series};
use crate::units::{count, si};

const PANEL: (u32, u32) = (640, 440);
const LEGEND_WIDTH: u32 = 130;
const TITLE_HEIGHT: u32 = 30;
const FONT: &str = "sans-serif";

/// Colours that remain distinct under colour blindness (Okabe and Ito).
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

type Panel<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Failure = DrawingAreaErrorKind<std::io::Error>;

/// The plot of all cells. Dashed lines of the same colours are the sequential loop.
pub(super) fn svg(report: &Report) -> String {
    let panels: Vec<_> = report.series.chunk_by(|a, b| a.txns == b.txns).collect();
    let mut text = String::new();
    let size = (PANEL.0 * panels.len().max(1) as u32, PANEL.1 + TITLE_HEIGHT);
    let root = SVGBackend::with_string(&mut text, size).into_drawing_area();
    draw(&root, report, &panels).expect("text in memory can be written");
    drop(root);
    text
}

fn draw(root: &Panel<'_>, report: &Report, panels: &[&[Series]]) -> Result<(), Failure> {
    root.fill(&WHITE)?;
    let root = root.titled(&report.title(), (FONT, 16).into_font())?;
    for (area, group) in root.split_evenly((1, panels.len().max(1))).iter().zip(panels) {
        panel(area, report, group)?;
    }
    root.present()
}

fn panel(area: &Panel<'_>, report: &Report, group: &[Series]) -> Result<(), Failure> {
    let rates = group.iter().flat_map(|series| {
        let cells = series.cells.iter().map(|cell| series.rate(cell));
        cells.chain([series.sequential_rate()])
    });
    let highest = rates.fold(1.0, f64::max);
    // Numbers of threads stand side by side, whatever the distance between them.
    let right = report.threads.len().saturating_sub(1) as f64;
    let txns = group.first().map_or(0, |series| series.txns);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .margin_right(LEGEND_WIDTH)
        .caption(format!("blocks of {}", count(txns, "txn")), (FONT, 15))
        .x_label_area_size(38)
        .y_label_area_size(58)
        .build_cartesian_2d(-0.25..right + 0.25, 0.0..highest * 1.08)?;
    let threads = |place: &f64| {
        let nearest = place.round();
        let number = report.threads.get(nearest as usize);
        // Ticks in between have no name.
        number
            .filter(|_| *place > -0.01 && (place - nearest).abs() < 0.01)
            .map_or_else(String::new, ToString::to_string)
    };
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(4 * report.threads.len() + 1)
        .x_label_formatter(&threads)
        .y_label_formatter(&|rate| si(*rate))
        .x_desc("threads")
        .y_desc("txns/s")
        .light_line_style(WHITE)
        .draw()?;
    for (place, series) in group.iter().enumerate() {
        let colour = colour(place);
        let points = || {
            let rates = series.cells.iter().map(|cell| series.rate(cell));
            rates.enumerate().map(|(place, rate)| (place as f64, rate))
        };
        let line = ShapeStyle::from(&colour).stroke_width(2);
        chart.draw_series(LineSeries::new(points(), line))?;
        chart.draw_series(points().map(|point| Circle::new(point, 3, colour.filled())))?;
        let rate = series.sequential_rate();
        let ends = [(-0.25, rate), (right + 0.25, rate)];
        chart.draw_series(DashedLineSeries::new(ends, 6, 4, ShapeStyle::from(&colour)))?;
    }
    legend(area, group)
}

/// What the colours mean, on the right.
fn legend(area: &Panel<'_>, group: &[Series]) -> Result<(), Failure> {
    let left = (PANEL.0 - LEGEND_WIDTH + 12) as i32;
    let mut place = 0;
    let mut entry = |name: String, style: ShapeStyle| {
        let height = 50 + 20 * place;
        place += 1;
        area.draw(&PathElement::new([(left, height), (left + 18, height)], style))?;
        area.draw(&Text::new(name, (left + 24, height - 6), (FONT, 13)))
    };
    for (place, series) in group.iter().enumerate() {
        let line = ShapeStyle::from(&colour(place)).stroke_width(2);
        entry(count(series.accounts, "account"), line)?;
    }
    area.draw(&Text::new("dashed: sequential", (left, 50 + 20 * place), (FONT, 13)))
}

/// The colour of a number of accounts by its place among them.
const fn colour(place: usize) -> RGBColor {
    COLOURS[place % COLOURS.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::report::tests::report;

    #[test]
    fn every_line_is_drawn_and_named() {
        let svg = svg(&report(None));
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for part in ["blocks of 1,000 txns", "blocks of 3,000 txns", "2 accounts", "10 accounts"] {
            assert_eq!(svg.matches(part).count(), if part.contains("blocks") { 1 } else { 2 });
        }
        assert!(svg.contains("threads") && svg.contains("txns/s"));
        // A point for each cell.
        assert_eq!(svg.matches("<circle").count(), 8);
        assert!(svg.contains("aptos payments"));
    }
}
