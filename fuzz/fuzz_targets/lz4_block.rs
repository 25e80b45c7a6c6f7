#![no_main]

milena_fuzz::target!("lz4_block");
