//! What libFuzzer calls: a target of `milena-hostile`, with time counted.

pub use libfuzzer_sys;
pub use milena_hostile::{oracle, target};

/// The program of the target of that name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        static TARGET: std::sync::LazyLock<&'static $crate::target::Target> =
            std::sync::LazyLock::new(|| {
                $crate::oracle::watch_the_time();
                $crate::target::find($name).expect("a target of that name")
            });

        $crate::libfuzzer_sys::fuzz_target!(|input: &[u8]| $crate::oracle::run(&TARGET, input));
    };
}
