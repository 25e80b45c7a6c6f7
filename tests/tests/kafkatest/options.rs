//! What the command line asks for.

/// What to run.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) java: bool,
    pub(crate) times: u32,
    pub(crate) only: Vec<String>,
    pub(crate) all: bool,
    pub(crate) bounces: u32,
    pub(crate) list: bool,
    pub(crate) stop: bool,
}

impl Options {
    /// Reads the command line. What `cargo test` says to every test program is passed over.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options {
            java: false,
            times: 1,
            only: Vec::new(),
            all: false,
            bounces: 2,
            list: false,
            stop: false,
        };
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
                "--all" => options.all = true,
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
        match self.only.as_slice() {
            [] => self.all || self.list || SAMPLE.contains(&name),
            only => only.iter().any(|part| name.contains(part.as_str())),
        }
    }
}

/// One of each kind, of both protocols: what every run of all tests has time for.
const SAMPLE: [&str; 9] = [
    "valid_assignment_classic_sticky",
    "valid_assignment_consumer_uniform",
    "consumer_failure_manual_classic",
    "consumer_bounce_all_consumer",
    "fencing_static_consumer_stable_1_classic",
    "group_consumption_consumer",
    "rolling_update",
    "migration_offline_disabled_cooperativesticky_dynamic",
    "offset_truncate_consumer",
];
