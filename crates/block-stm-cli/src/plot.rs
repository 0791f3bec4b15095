//! Plots as SVG that a paper can print: values over numbers of threads, one panel or several side
//! by side, with one legend.
//!
//! Lines differ in colour and in the shape of their points, so that a print in grey can be read,
//! too. A bar is the middle half of what was measured. A dotted line is the ideal.

use plotters::{
    coord::{Shift, types::RangedCoordf64},
    drawing::DrawingAreaErrorKind,
    element::{Cross, PathElement, Text, TriangleMarker},
    prelude::{
        Cartesian2d, ChartBuilder, ChartContext, Circle, Color, DashedLineSeries, DrawingArea,
        IntoDrawingArea, IntoFont, LineSeries, SVGBackend, WHITE,
    },
    style::{RGBColor, ShapeStyle},
};

use crate::{escape::escaped, medians::quantile};

const PANEL: (u32, u32) = (560, 440);
const LEGEND_WIDTH: u32 = 190;
const TITLE_HEIGHT: u32 = 30;
const ENTRY_HEIGHT: i32 = 20;
const FONT: &str = "sans-serif";

/// Colours that remain distinct under colour blindness (Okabe and Ito, without yellow), and brown.
const COLOURS: [RGBColor; 8] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
    RGBColor(120, 72, 40),
];
const GREY: RGBColor = RGBColor(140, 140, 140);

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Failure = DrawingAreaErrorKind<std::io::Error>;

/// Everything that is drawn.
#[derive(Clone, Debug)]
pub(crate) struct Plot {
    pub(crate) title: String,
    /// What the numbers below are of.
    pub(crate) x_name: &'static str,
    pub(crate) y_name: &'static str,
    pub(crate) y_format: fn(f64) -> String,
    /// Numbers of threads, which stand side by side whatever the distance between them.
    pub(crate) numbers: Vec<usize>,
    pub(crate) panels: Vec<Panel>,
    /// What the legend says below the lines.
    pub(crate) notes: Vec<&'static str>,
}

/// One chart.
#[derive(Clone, Debug)]
pub(crate) struct Panel {
    pub(crate) caption: String,
    pub(crate) lines: Vec<Line>,
    /// The value at 1 thread of a line that grows with the threads.
    pub(crate) ideal: Option<f64>,
}

/// One line. Those with the same name in other panels have the same colour.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    pub(crate) name: String,
    /// At the place of a number of threads.
    pub(crate) points: Vec<(usize, Point)>,
    /// What the line is held against: a dashed line of the same colour.
    pub(crate) against: Vec<(usize, f64)>,
    /// Single values beside the line, as rings.
    pub(crate) beside: Vec<(usize, Point)>,
}

/// A value, and where the middle half of what was measured lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) value: f64,
    pub(crate) half: Option<(f64, f64)>,
}

impl Point {
    /// The value with the quartiles of the samples, where there are enough.
    pub(crate) fn new(value: f64, samples: impl IntoIterator<Item = f64>) -> Self {
        let samples: Vec<f64> = samples.into_iter().collect();
        let half =
            (samples.len() >= 3).then(|| (quantile(&samples, 0.25), quantile(&samples, 0.75)));
        Self { value, half }
    }
}

/// The plot as the text of an SVG.
pub(crate) fn svg(plot: &Plot) -> String {
    let mut text = String::new();
    let names = plot.names();
    let entries = names.len() + plot.notes.len();
    let height = (PANEL.1 + TITLE_HEIGHT).max(100 + ENTRY_HEIGHT as u32 * entries as u32);
    let width = PANEL.0 * plot.panels.len().max(1) as u32;
    let root = SVGBackend::with_string(&mut text, (width + LEGEND_WIDTH, height));
    let root = root.into_drawing_area();
    plot.draw(&root, width, &names).expect("text in memory can be written");
    drop(root);
    text
}

impl Plot {
    /// The lines' names, each once.
    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for line in self.panels.iter().flat_map(|panel| &panel.lines) {
            if !names.contains(&line.name.as_str()) {
                names.push(&line.name);
            }
        }
        names
    }

    fn draw(&self, root: &Area<'_>, width: u32, names: &[&str]) -> Result<(), Failure> {
        root.fill(&WHITE)?;
        let root = root.titled(&escaped(&self.title), (FONT, 16).into_font())?;
        let (charts, legend) = root.split_horizontally(width);
        let areas = charts.split_evenly((1, self.panels.len().max(1)));
        for (area, panel) in areas.iter().zip(&self.panels) {
            self.panel(area, panel, names)?;
        }
        self.legend(&legend, names)?;
        root.present()
    }

    fn panel(&self, area: &Area<'_>, panel: &Panel, names: &[&str]) -> Result<(), Failure> {
        let highest = panel.lines.iter().map(Line::highest).fold(0.0, f64::max);
        let top = if highest > 0.0 { 1.08 * highest } else { 1.0 };
        let right = self.numbers.len().saturating_sub(1) as f64 + 0.25;
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .caption(escaped(&panel.caption), (FONT, 15))
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(-0.25..right, 0.0..top)?;
        let number = |place: &f64| {
            let nearest = place.round();
            // Ticks in between have no name.
            let is_one = *place > -0.01 && (place - nearest).abs() < 0.01;
            let number = self.numbers.get(nearest as usize).filter(|_| is_one);
            number.map_or_else(String::new, ToString::to_string)
        };
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(4 * self.numbers.len() + 1)
            .x_label_formatter(&number)
            .y_label_formatter(&|value| (self.y_format)(*value))
            .x_desc(self.x_name)
            .y_desc(self.y_name)
            .light_line_style(WHITE)
            .draw()?;
        if let Some(one) = panel.ideal {
            let ideal = self.numbers.iter().map(|number| one * *number as f64);
            let points =
                below(top, ideal.enumerate().map(|(place, y)| (place as f64, y)).collect());
            chart.draw_series(DashedLineSeries::new(points, 2, 4, GREY.stroke_width(2)))?;
        }
        for line in &panel.lines {
            let place = names.iter().position(|name| *name == line.name).unwrap_or(0);
            line.draw(&mut chart, place)?;
        }
        Ok(())
    }

    /// What the colours mean, once, on the right.
    fn legend(&self, area: &Area<'_>, names: &[&str]) -> Result<(), Failure> {
        let height = |place: usize| 50 + ENTRY_HEIGHT * place as i32;
        for (place, name) in names.iter().enumerate() {
            let y = height(place);
            let style = colour(place).stroke_width(2);
            area.draw(&PathElement::new([(4, y), (28, y)], style))?;
            match place % 3 {
                0 => area.draw(&Circle::new((16, y), 3, colour(place).filled()))?,
                1 => area.draw(&TriangleMarker::new((16, y), 4, colour(place).filled()))?,
                _ => area.draw(&Cross::new((16, y), 4, style))?,
            }
            area.draw(&Text::new(escaped(name).into_owned(), (34, y - 6), (FONT, 13)))?;
        }
        for (place, note) in self.notes.iter().enumerate() {
            let y = height(names.len() + place) + 8;
            area.draw(&Text::new(*note, (4, y - 6), (FONT, 12)))?;
        }
        Ok(())
    }
}

impl Line {
    fn highest(&self) -> f64 {
        let points = self.points.iter().chain(&self.beside);
        let tops =
            points.map(|(_, point)| point.half.map_or(point.value, |half| half.1.max(point.value)));
        tops.chain(self.against.iter().map(|(_, value)| *value)).fold(0.0, f64::max)
    }

    fn draw(&self, chart: &mut Chart<'_, '_>, place: usize) -> Result<(), Failure> {
        let colour = colour(place);
        let points = || self.points.iter().map(|(x, point)| (*x as f64, point.value));
        chart.draw_series(LineSeries::new(points(), colour.stroke_width(2)))?;
        let style = colour.filled();
        match place % 3 {
            0 => chart.draw_series(points().map(|at| Circle::new(at, 3, style)))?,
            1 => chart.draw_series(points().map(|at| TriangleMarker::new(at, 4, style)))?,
            _ => chart.draw_series(points().map(|at| Cross::new(at, 4, colour.stroke_width(2))))?,
        };
        let against = self.against.iter().map(|(x, y)| (*x as f64, *y));
        chart.draw_series(DashedLineSeries::new(against, 6, 4, ShapeStyle::from(&colour)))?;
        let beside = self.beside.iter().map(|(x, point)| (*x as f64, point.value));
        chart.draw_series(beside.map(|at| Circle::new(at, 5, colour.stroke_width(1))))?;
        let bars = self.points.iter().chain(&self.beside).filter_map(|(x, point)| {
            let (low, high) = point.half?;
            let x = *x as f64;
            let (left, right) = (x - 0.03, x + 0.03);
            Some([
                PathElement::new(vec![(x, low), (x, high)], colour),
                PathElement::new(vec![(left, low), (right, low)], colour),
                PathElement::new(vec![(left, high), (right, high)], colour),
            ])
        });
        chart.draw_series(bars.flatten())?;
        Ok(())
    }
}

/// The part of the line that lies below `top`.
fn below(top: f64, points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for (x, y) in points {
        if y <= top {
            kept.push((x, y));
            continue;
        }
        if let Some((x0, y0)) = kept.last().copied() {
            kept.push((x0 + (x - x0) * (top - y0) / (y - y0), top));
        }
        break;
    }
    kept
}

/// The colour of a line by its place among the names.
const fn colour(place: usize) -> RGBColor {
    COLOURS[place % COLOURS.len()]
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn plot() -> Plot {
        let line = |name: &str, values: [f64; 3]| Line {
            name: name.to_owned(),
            points: values.map(|value| Point::new(value, [])).into_iter().enumerate().collect(),
            ..Line::default()
        };
        let panel = |caption: &str| Panel {
            caption: caption.to_owned(),
            lines: vec![line("one", [1.0, 1.9, 2.5]), line("<two>", [1.0, 1.1, 1.2])],
            ideal: Some(1.0),
        };
        Plot {
            title: "A title".to_owned(),
            x_name: "threads",
            y_name: "speed-up",
            y_format: |value| format!("{value:.1}"),
            numbers: vec![1, 2, 4],
            panels: vec![panel("left"), panel("right")],
            notes: vec!["dotted: ideal"],
        }
    }

    #[test]
    fn all_panels_share_one_legend() {
        let svg = svg(&plot());
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for name in ["one", "&lt;two&gt;", "left", "right", "A title", "dotted: ideal"] {
            let text = svg.lines().filter(|line| line.trim() == name).count();
            assert_eq!(text, 1, "{name}");
        }
    }

    #[test]
    fn bars_are_the_middle_half_of_enough_samples() {
        assert_eq!(Point::new(2.0, [1.0, 2.0]).half, None);
        let point = Point::new(2.0, [2.4, 1.5, 1.8, 2.0, 2.2]);
        assert_eq!(point.half, Some((1.8, 2.2)));
        let mut with = plot();
        let bare = svg(&with).matches("<polyline").count();
        with.panels[0].lines[0].points[1].1 = point;
        assert_eq!(svg(&with).matches("<polyline").count(), bare + 3);
    }

    #[test]
    fn the_ideal_ends_at_the_top() {
        let ideal = vec![(0.0, 1.0), (1.0, 2.0), (2.0, 4.0)];
        assert_eq!(below(3.0, ideal.clone()), [(0.0, 1.0), (1.0, 2.0), (1.5, 3.0)]);
        assert_eq!(below(9.0, ideal.clone()), ideal);
        assert_eq!(below(0.5, ideal), []);
    }

    #[test]
    fn more_lines_than_colours_and_no_lines_are_drawn() {
        let mut plot = plot();
        let line = plot.panels[0].lines[0].clone();
        let lines = (0..20).map(|place| Line { name: place.to_string(), ..line.clone() });
        plot.panels[0].lines = lines.collect();
        assert!(svg(&plot).contains("\n19\n"));
        plot.panels = Vec::new();
        plot.numbers = Vec::new();
        assert!(svg(&plot).contains("A title"));
    }
}
