//! Tells events, one line each.

use std::io::{self, BufWriter, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::failure::Failure;

/// Where events go.
pub(super) struct Teller<W: Write> {
    out: BufWriter<W>,
}

impl Teller<io::Stdout> {
    pub(super) fn stdout() -> Self {
        Self::new(io::stdout())
    }
}

impl<W: Write> Teller<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out: BufWriter::with_capacity(64 << 10, out) }
    }

    /// Tells an event, and makes sure that it is heard: whoever is killed afterwards has said it.
    ///
    /// # Errors
    /// Nobody listens any more.
    pub(super) fn tell(&mut self, name: &str, what: Value) -> Result<(), Failure> {
        self.begin(name, what)?;
        self.out.flush().map_err(Failure::writing)
    }

    /// Tells one of several events that are of no use before the last of them.
    ///
    /// # Errors
    /// Nobody listens any more.
    pub(super) fn begin(&mut self, name: &str, what: Value) -> Result<(), Failure> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        let mut event = Map::new();
        event.insert("timestamp".to_owned(), time.into());
        event.insert("name".to_owned(), name.into());
        if let Value::Object(what) = what {
            event.extend(what);
        }
        writeln!(self.out, "{}", Value::Object(event)).map_err(Failure::writing)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_a_line_that_is_out_at_once_time_and_name_first() {
        let mut teller = Teller::new(Vec::new());
        teller.begin("record_data", json!({ "offset": 1 })).unwrap();
        assert!(teller.out.get_ref().is_empty(), "it waits for the event that sums up");
        teller.tell("records_consumed", json!({ "count": 1, "partitions": [] })).unwrap();
        let text = String::from_utf8(teller.out.get_ref().clone()).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("{\"timestamp\":"), "{text}");
        assert!(lines[1].ends_with("\"name\":\"records_consumed\",\"count\":1,\"partitions\":[]}"), "{text}");
    }
}
