//! Writes the first inputs of a fuzz target into a folder: `seeds <target> <folder>`.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use milena_hostile::seeds;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args().skip(1);
    let (Some(target), Some(folder)) = (arguments.next(), arguments.next().map(PathBuf::from)) else {
        return Err("seeds <target> <folder>".into());
    };
    fs::create_dir_all(&folder)?;
    for (number, seed) in seeds::of(&target).into_iter().enumerate() {
        fs::write(folder.join(format!("seed-{number:03}")), seed)?;
    }
    Ok(())
}
