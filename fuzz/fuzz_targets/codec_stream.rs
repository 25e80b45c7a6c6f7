#![no_main]

milena_fuzz::target!("codec_stream");
