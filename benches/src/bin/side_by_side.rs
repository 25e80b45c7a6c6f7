//! Runs the comparison: `cargo xtask bench` builds this and starts it.

use std::fs;
use std::process::ExitCode;

use milena_benches::plan::Plan;
use milena_benches::report::{self, Setting};
use milena_benches::run;
use xtask::{Error, Result};

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let plan = Plan::from_args(arguments.iter().cloned())?;
    let setting = Setting::here(&arguments);
    let (all, tables) = run::run(&plan)?;
    let table = report::table(&setting, &all, &tables);
    println!("{table}");
    let results = xtask::root().join("benches").join("results");
    let stamp: String = setting.date.chars().filter(char::is_ascii_digit).collect();
    let json = format!("{:#}\n", report::json(&setting, &all, &tables));
    let mut files = vec![("json", json), ("md", table)];
    if !all.is_empty() {
        files.push(("svg", report::plot(&setting, &all)));
    }
    for (name, text) in files {
        let path = results.join(format!("{stamp}.{name}"));
        fs::create_dir_all(&results)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))?;
    }
    println!(
        "Written to benches/results/{stamp}.json, .md and .svg; what is worth keeping goes to latest.json, latest.md and latest.svg."
    );
    Ok(())
}
