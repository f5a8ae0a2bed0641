//! The figures: as JSON, as a table and as a chart.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

/// The figures of a database.
#[derive(Serialize)]
pub(crate) struct Report {
    pub(crate) name: String,
    pub(crate) server: String,
    pub(crate) measured: Vec<Measured>,
}

/// The figures of a rival, one for each round.
#[derive(Serialize)]
pub(crate) struct Measured {
    name: &'static str,
    /// The deliveries in a second.
    pub(crate) rates: Vec<f64>,
    pub(crate) arrived: Vec<Arrived>,
}

/// The milliseconds from a commit to the call, within which half of the calls were, and 99 %.
#[derive(Serialize)]
pub(crate) struct Arrived {
    pub(crate) half: f64,
    pub(crate) most: f64,
}

impl Measured {
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            rates: Vec::new(),
            arrived: Vec::new(),
        }
    }

    fn rate(&self) -> f64 {
        median(self.rates.iter().copied())
    }
}

impl Report {
    /// Writes NAME.json, NAME.md and NAME.svg, and prints the table.
    pub(crate) fn write(&self, folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        let json = serde_json::to_string_pretty(self).unwrap() + "\n";
        let table = self.table();
        print!("{table}");
        for (end, content) in [("json", json), ("md", table), ("svg", self.chart())] {
            let file = folder.join(format!("{}.{end}", self.name));
            std::fs::write(file, content).unwrap();
        }
    }

    /// Returns the rivals, the fastest first.
    fn sorted(&self) -> Vec<&Measured> {
        let mut sorted: Vec<_> = self.measured.iter().collect();
        sorted.sort_by(|one, other| other.rate().total_cmp(&one.rate()));
        sorted
    }

    fn table(&self) -> String {
        let server = &self.server;
        let mut table = format!(
            "{server}\n\n\
             | | deliveries in a second | lowest to highest | 50 % within | 99 % within |\n\
             |---|---|---|---|---|\n"
        );
        for it in self.sorted() {
            let lowest = it.rates.iter().copied().fold(f64::INFINITY, f64::min);
            let highest = it.rates.iter().copied().fold(0.0, f64::max);
            let _ = write!(
                table,
                "| {} | {} | {} to {} |",
                it.name,
                rounded(it.rate()),
                rounded(lowest),
                rounded(highest)
            );
            let half = median(it.arrived.iter().map(|it| it.half));
            let most = median(it.arrived.iter().map(|it| it.most));
            match it.arrived.is_empty() {
                true => table += " | |\n",
                false => {
                    let _ = writeln!(table, " {half:.1} ms | {most:.1} ms |");
                }
            }
        }
        table
    }

    /// Returns a bar for each rival.
    fn chart(&self) -> String {
        let sorted = self.sorted();
        let height = 50 + 30 * sorted.len();
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 800 {height}\" \
             font-family=\"sans-serif\" font-size=\"14\">\n\
             <rect width=\"800\" height=\"{height}\" fill=\"white\"/>\n\
             <text x=\"10\" y=\"24\" font-weight=\"bold\">Deliveries in a second, {}</text>\n",
            self.server.split(',').next().unwrap()
        );
        let longest = sorted.first().map_or(1.0, |it| it.rate());
        for (at, it) in sorted.iter().enumerate() {
            let top = 40 + 30 * at;
            let text = top + 16;
            let width = (it.rate() / longest * 460.0).max(1.0);
            let after = 235.0 + width;
            let fill = match it.name {
                name if name.starts_with("fanfare") => "#1f77b4",
                "a bare loop" => "#dddddd",
                _ => "#999999",
            };
            let _ = writeln!(
                svg,
                "<text x=\"220\" y=\"{text}\" text-anchor=\"end\">{}</text>\n\
                 <rect x=\"230\" y=\"{top}\" width=\"{width:.1}\" height=\"22\" fill=\"{fill}\"/>\n\
                 <text x=\"{after:.1}\" y=\"{text}\">{}</text>",
                it.name,
                rounded(it.rate())
            );
        }
        svg + "</svg>\n"
    }
}

/// Returns the middle one, or zero if there are none.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Returns two or three digits that mean something, with commas.
fn rounded(rate: f64) -> String {
    let unit = 10_f64.powi((rate.max(1.0).log10().floor() as i32 - 2).max(0));
    let number = ((rate / unit).round() * unit) as u64;
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
