#![no_main]

milena_fuzz::target!("admin_response");
