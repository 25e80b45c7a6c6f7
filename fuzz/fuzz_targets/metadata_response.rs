#![no_main]

milena_fuzz::target!("metadata_response");
