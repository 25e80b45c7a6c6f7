//! The plot: for each server and case a panel of bars, one for each reader, as an SVG that needs no library to make or to see.

use std::fmt::Write as _;

use crate::report::Setting;
use crate::run::Series;
use crate::sample::{Sample, median};

const PANEL_WIDTH: usize = 620;
const LABEL_WIDTH: usize = 230;
const BAR_WIDTH: usize = 230;
const LINE: usize = 18;
const HEAD: usize = 34;

/// Rates as lengths, CPU as numbers beside them.
#[must_use]
pub fn plot(setting: &Setting, all: &[Series]) -> String {
    let groups: Vec<&[Series]> =
        all.chunk_by(|a, b| a.server == b.server && a.case.name == b.case.name).collect();
    // Two panels beside each other.
    let rows: Vec<&[&[Series]]> = groups.chunks(2).collect();
    let height =
        |row: &[&[Series]]| HEAD + LINE * row.iter().map(|group| group.len()).max().unwrap_or(0) + 14;
    let total = 60 + rows.iter().map(|row| height(row)).sum::<usize>();
    let width = 2 * PANEL_WIDTH + 20;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{total}\" viewBox=\"0 0 {width} {total}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"16\" font-weight=\"bold\">Reading Kafka: million records a second, and ns of client CPU \
         for each record</text>\n<text x=\"12\" y=\"42\" fill=\"#555\">{}, {} cores of {}, commit {}</text>\n",
        setting.date,
        setting.cores,
        escaped(&setting.cpu),
        setting.commit,
    );
    let mut top = 60;
    for row in rows {
        for (column, group) in row.iter().enumerate() {
            panel(&mut out, 12 + column * PANEL_WIDTH, top, group);
        }
        top += height(row);
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, left: usize, top: usize, group: &[Series]) {
    let _ = writeln!(
        out,
        "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{} on {}</text>",
        top + 20,
        group[0].case.name,
        group[0].server.name(),
    );
    let rate = |series: &Series| median(&series.samples, Sample::rate) / 1e6;
    let most =
        group.iter().filter(|series| series.failure.is_none()).map(rate).fold(f64::MIN_POSITIVE, f64::max);
    for (place, series) in group.iter().filter(|series| series.failure.is_none()).enumerate() {
        let y = top + HEAD + place * LINE;
        let (rate, cpu) = (rate(series), median(&series.samples, Sample::cpu_ns));
        let length = rate / most * BAR_WIDTH as f64;
        let colour = match series.reader.name {
            name if name.starts_with("milena") => "#1f6feb",
            name if name.starts_with("bound") => "#b8c4d6",
            _ => "#c9833a",
        };
        let _ = writeln!(
            out,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text><rect x=\"{}\" y=\"{}\" width=\"{length:.1}\" height=\"{}\" \
             fill=\"{colour}\"/><text x=\"{:.1}\" y=\"{}\" fill=\"#333\">{rate:.2} M/s, {cpu:.0} ns</text>",
            left + LABEL_WIDTH - 6,
            y + 12,
            escaped(series.reader.name),
            left + LABEL_WIDTH,
            y + 2,
            LINE - 5,
            (left + LABEL_WIDTH) as f64 + length + 5.0,
            y + 12,
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
