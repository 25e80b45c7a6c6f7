//! A broker.

/// One broker of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// Where clients are told to find it.
    pub host: String,
    /// As above.
    pub port: u16,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// What it is doing.
    pub state: BrokerState,
}

/// What a broker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokerState {
    /// Serving.
    Running,
    /// Its process is stopped (`SIGSTOP`): connections stay open, nothing is answered.
    Paused,
    /// Not there: connections are refused.
    Stopped,
}

impl Broker {
    /// Whether the cluster counts it as alive. A paused one still is, until a test says otherwise.
    pub fn is_alive(&self) -> bool {
        self.state != BrokerState::Stopped
    }
}
