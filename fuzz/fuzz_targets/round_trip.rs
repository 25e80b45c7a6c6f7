#![no_main]

milena_fuzz::target!("round_trip");
