//! Every committed input of every fuzz target, on stable: what was found once is not found again.

use milena_hostile::{corpus, oracle, seeds, target};

/// One test for all of them: memory is counted for the whole process.
#[test]
fn every_input_of_every_corpus_holds() {
    for target in target::ALL {
        let inputs = corpus::inputs(target.name).unwrap_or_else(|error| panic!("{}: {error}", target.name));
        assert!(inputs.len() > 1, "{} has no corpus", target.name);
        println!("{:20} {:5} inputs", target.name, inputs.len());
        for (name, input) in inputs {
            println!("{}/{name}", target.name);
            oracle::run(&target, &input);
        }
        for seed in seeds::of(target.name) {
            oracle::run(&target, &seed);
        }
    }
}
