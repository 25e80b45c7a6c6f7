//! With the system's allocator.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    read_rdkafka::read().await
}
