#![no_main]

milena_fuzz::target!("produce_response");
