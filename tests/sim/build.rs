//! Says that `tokio_unstable` is a name on purpose: with it, Tokio's own dice are the seed's as well.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(tokio_unstable)");
}
