//! Runs a fuzz target on files, one after the other, as libFuzzer would: `replay <target> <file>...`.

use std::env;
use std::error::Error;
use std::fs;

use milena_hostile::{oracle, target};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().ok_or("replay <target> <file>...")?;
    let target = target::find(&name).ok_or_else(|| format!("no target {name}"))?;
    for file in arguments {
        println!("{file}");
        oracle::run(target, &fs::read(&file)?);
    }
    Ok(())
}
