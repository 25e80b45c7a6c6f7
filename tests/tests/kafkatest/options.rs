//! What the command line asks for.

/// What to run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) java: bool,
    pub(crate) times: u32,
    pub(crate) only: Vec<String>,
    pub(crate) bounces: u32,
    pub(crate) list: bool,
    pub(crate) stop: bool,
}

impl Options {
    /// Reads the command line. What `cargo test` says to every test program is passed over.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options =
            Options { java: false, times: 1, only: Vec::new(), bounces: 2, list: false, stop: false };
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} wants a value"));
            let number = |text: String| text.parse().map_err(|_| format!("{text:?} is no number"));
            match argument.as_str() {
                "--subject" => {
                    options.java = match value()?.as_str() {
                        "java" => true,
                        "milena" => false,
                        other => return Err(format!("--subject is milena or java, not {other}")),
                    }
                }
                "--times" => options.times = number(value()?)?,
                "--only" => options.only.push(value()?),
                "--bounces" => options.bounces = number(value()?)?,
                "--list" => options.list = true,
                "--stop" => options.stop = true,
                "--test-threads" | "--color" | "--format" => _ = value()?,
                flag if flag.starts_with('-') => {}
                name => options.only.push(name.to_owned()),
            }
        }
        Ok(options)
    }

    /// Whether a scenario of this name is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part.as_str()))
    }
}
