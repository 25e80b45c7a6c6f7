mod batching;
mod idempotence;
mod model;
mod retries;
mod script;
