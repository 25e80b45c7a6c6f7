//! With the system's allocator.

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    read_krafka::read().await
}
