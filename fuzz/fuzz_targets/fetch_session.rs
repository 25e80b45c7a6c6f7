#![no_main]

milena_fuzz::target!("fetch_session");
