//! What the parts cost: `cargo run --release -p milena-benches --bin micro [-- PART-OF-A-LINE]` prints a table in Markdown.

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    println!("| what | ns | per | GB/s |\n|---|---:|---|---:|");
    for line in milena_benches::micro::run(&wanted) {
        let rate = line.gb_per_s.map_or_else(String::new, |rate| format!("{rate:.2}"));
        println!("| {} | {:.2} | {} | {rate} |", line.what, line.ns, line.per);
    }
}
