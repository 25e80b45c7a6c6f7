//! The fetch server for the limit: says where it listens and what it holds as a line of JSON, and serves until its standard
//! input ends. `benches/README.md` says what for.

use std::io::{self, Read as _};
use std::process::ExitCode;

use milena_benches::limit::{Options, Server};

fn main() -> ExitCode {
    let server = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => Server::start(options),
        Err(error) => {
            eprintln!("{error}\nusage: {}", Options::USAGE);
            return ExitCode::FAILURE;
        }
    };
    match server {
        Ok(server) => println!("{}", server.describe()),
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    }
    // Whoever started it holds the other end; a terminal's never ends.
    let _ = io::stdin().read_to_end(&mut Vec::new());
    ExitCode::SUCCESS
}
