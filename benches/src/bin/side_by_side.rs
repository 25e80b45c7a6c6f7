//! Runs the comparison: `cargo xtask bench` builds this and starts it.

use std::fs;
use std::process::ExitCode;

use milena_benches::report::{self, Setting};
use milena_benches::run::{self, Plan};
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
    let all = run::run(&plan)?;
    let table = report::table(&setting, &all);
    println!("{table}");
    let results = xtask::root().join("benches").join("results");
    let stamp: String = setting.date.chars().filter(char::is_ascii_digit).collect();
    let json = format!("{:#}\n", report::json(&setting, &all));
    for (name, text) in [("json", &json), ("md", &table)] {
        let path = results.join(format!("{stamp}.{name}"));
        fs::create_dir_all(&results)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Error::new(format!("cannot write {}: {error}", path.display())))?;
    }
    println!(
        "Written to benches/results/{stamp}.json and .md; what is worth keeping goes to latest.json and latest.md."
    );
    Ok(())
}
