#![no_main]

milena_fuzz::target!("header_walk");
