//! The charts: lines over two logarithmic axes.

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

use super::tables::{PERCENTILES, thousands};
use super::{Found, Line, growth};

struct Chart {
    file: &'static str,
    title: &'static str,
    x: &'static str,
    y: &'static str,
    lines: Vec<Drawn>,
    /// Labels for 1, 2 and so on, in place of the numbers.
    labels: Option<&'static [&'static str]>,
}

struct Drawn {
    name: String,
    points: Vec<(f64, f64)>,
}

pub(super) fn write(found: &Found, folder: &Path) -> Result<(), Box<dyn Error>> {
    for chart in [
        sends(found),
        threads(found),
        latency(found),
        changes(found),
        grows(
            found,
            "growth receivers",
            "growth-receivers.svg",
            "receivers for any sender",
        ),
        grows(
            found,
            "growth senders",
            "growth-senders.svg",
            "senders with a receiver each",
        ),
        grows(
            found,
            "weak_dead",
            "growth-weak-dead.svg",
            "weak receivers whose targets have died",
        ),
    ] {
        if chart.lines.iter().any(|line| line.points.len() > 1) {
            draw(&chart, &folder.join(chart.file))?;
        }
    }
    Ok(())
}

fn by_number(found: &Found, work: &str, of: impl Fn(&Line, u64) -> Option<f64>) -> Vec<Drawn> {
    let lines = found.lines(work);
    let numbers = found.numbers(&lines);
    let drawn = lines.iter().map(|line| Drawn {
        name: line.rival.replace('`', ""),
        points: numbers
            .iter()
            .filter(|number| **number > 0)
            .filter_map(|&number| Some((number as f64, of(line, number)?)))
            .collect(),
    });
    drawn.collect()
}

fn sends(found: &Found) -> Chart {
    Chart {
        file: "sends.svg",
        title: "One send, on one thread",
        x: "receivers",
        y: "ns",
        lines: by_number(found, "sends", |line, number| line.value(number, "median")),
        labels: None,
    }
}

fn threads(found: &Found) -> Chart {
    Chart {
        file: "threads.svg",
        title: "Sends to 4 receivers of one signal, all threads together",
        x: "threads",
        y: "sends per µs",
        lines: by_number(found, "threads", |line, number| {
            Some(number as f64 * 1_000.0 / line.value(number, "median")?)
        }),
        labels: None,
    }
}

fn changes(found: &Found) -> Chart {
    Chart {
        file: "changes.svg",
        title: "Connecting one receiver and disconnecting a random one",
        x: "receivers held",
        y: "ns for the pair",
        lines: by_number(found, "changes random", |line, number| {
            line.value(number, "median")
        }),
        labels: None,
    }
}

fn latency(found: &Found) -> Chart {
    let lines = found.lines("latency");
    let drawn = lines.iter().map(|line| Drawn {
        name: line.rival.replace('`', ""),
        points: (1..)
            .zip(PERCENTILES)
            .filter_map(|(at, name)| Some((f64::from(at), line.value(4, name)?)))
            .collect(),
    });
    Chart {
        file: "latency.svg",
        title: "A send to 4 receivers while another thread connects and disconnects",
        x: "percentile",
        y: "ns",
        lines: drawn.collect(),
        labels: Some(&PERCENTILES),
    }
}

fn grows(found: &Found, work: &str, file: &'static str, x: &'static str) -> Chart {
    let lines = found.lines(work);
    let numbers = found.numbers(&lines);
    let drawn = growth::claims(work)
        .iter()
        .map(|&(value, name, claimed)| Drawn {
            name: format!("{name}: {claimed}"),
            points: lines
                .first()
                .into_iter()
                .flat_map(|line| {
                    let point = |&number| Some((number as f64, line.value(number, value)?));
                    numbers.iter().filter_map(point)
                })
                .collect(),
        });
    Chart {
        file,
        title: "How fanfare grows",
        x,
        y: "ns, or bytes",
        lines: drawn.collect(),
        labels: None,
    }
}

const SIZE: (u32, u32) = (1000, 560);
/// The width of the names on the right.
const NAMES: u32 = 300;

fn draw(chart: &Chart, file: &Path) -> Result<(), Box<dyn Error>> {
    let root = SVGBackend::new(file, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(SIZE.0 - NAMES);

    let mut lines: Vec<&Drawn> = chart
        .lines
        .iter()
        .filter(|line| !line.points.is_empty())
        .collect();
    // The names stand in the order in which the lines end.
    lines.sort_by(|a, b| end(b).total_cmp(&end(a)));
    let points = || lines.iter().flat_map(|line| &line.points);
    let range = |of: fn(&(f64, f64)) -> f64| {
        let low = points().map(of).fold(f64::INFINITY, f64::min);
        let high = points().map(of).fold(0.0, f64::max);
        (low.max(1e-3) * 0.9)..(high * 1.1)
    };
    let mut canvas = ChartBuilder::on(&left)
        .caption(chart.title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(70)
        .build_cartesian_2d(
            range(|point| point.0).log_scale(),
            range(|point| point.1).log_scale(),
        )?;
    let number = |value: &f64| match chart.labels {
        Some(labels) => {
            let at = value.round() as usize;
            let is_whole = (value - value.round()).abs() < 1e-6;
            let label = labels.get(at.wrapping_sub(1)).filter(|_| is_whole);
            label.copied().unwrap_or_default().to_string()
        }
        None => plain(value),
    };
    canvas
        .configure_mesh()
        .x_desc(chart.x)
        .y_desc(chart.y)
        .x_label_formatter(&number)
        .y_label_formatter(&plain)
        .label_style(("sans-serif", 13))
        .light_line_style(WHITE)
        .draw()?;
    for (at, line) in lines.iter().enumerate() {
        let style = style(at, lines.len(), line);
        canvas.draw_series(LineSeries::new(line.points.iter().copied(), style).point_size(2))?;
        let y = 40 + 20 * at as i32;
        right.draw(&PathElement::new(vec![(0, y), (24, y)], style))?;
        right.draw(&Text::new(
            line.name.clone(),
            (30, y - 6),
            ("sans-serif", 12),
        ))?;
    }
    root.present()?;
    Ok(())
}

fn end(line: &Drawn) -> f64 {
    line.points.last().map_or(0.0, |point| point.1)
}

/// Ours are thick, and of colors that no other has.
fn style(at: usize, of: usize, line: &Drawn) -> ShapeStyle {
    match line.name.as_str() {
        "fanfare signal" => RED.stroke_width(4),
        "fanfare signal, asymmetric" => MAGENTA.stroke_width(4),
        "fanfare emitter" => BLACK.stroke_width(4),
        "fanfare emitter, asymmetric" => BLUE.stroke_width(4),
        _ => HSLColor(0.1 + at as f64 / of as f64 * 0.8, 0.7, 0.45).stroke_width(2),
    }
}

fn plain(value: &f64) -> String {
    if *value < 1.0 {
        format!("{value}")
    } else {
        thousands(value.round() as u64)
    }
}
