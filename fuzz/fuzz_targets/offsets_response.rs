#![no_main]

milena_fuzz::target!("offsets_response");
