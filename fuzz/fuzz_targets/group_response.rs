#![no_main]

milena_fuzz::target!("group_response");
