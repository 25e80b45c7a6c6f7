//! What a test does to the records of a partition.
