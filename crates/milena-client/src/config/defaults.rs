//! Every default, and why it is what it is.
//!
//! The rule is: what Kafka's Java client 4.3 does, so that a properties file means here what it means there. The tests
//! compare them with the list that Java printed (`testdata/config`). Each departure says *Not Java's*.
//!
//! One departure has no constant: `receive.buffer.bytes` and `send.buffer.bytes` are left to the operating system, which
//! grows a buffer to what the path needs. Java's 64 and 128 KiB cap a connection at a few MB/s over a long path.

use std::time::Duration;

/// What brokers write into their request logs and count quotas by. Java makes up `consumer-GROUP-1`; a name that says
/// which program it is serves whoever reads the broker's log better than one that repeats the group. *Not Java's.*
pub const CLIENT_ID: &str = "milena";

/// Java's. A healthy broker answers in milliseconds; a broker that pauses for garbage collection, in seconds.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Java's, for administration and offset look-ups: room for one request timeout, a change of leader, and another try.
pub const API_TIMEOUT: Duration = Duration::from_secs(60);

/// Java's (KIP-601): TCP retries a lost SYN after 1, 3 and 7 s; this leaves room for all three.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Java's (KIP-601): a host that drops packets should not hold the others up for longer.
pub const CONNECT_TIMEOUT_MAX: Duration = Duration::from_secs(30);

/// Java's. Most retriable errors (a leader moving) are over by then.
pub const RETRY_BACKOFF: Duration = Duration::from_millis(100);

/// Java's (KIP-580).
pub const RETRY_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Java's. Short, because a broker that restarts is back in seconds.
pub const RECONNECT_BACKOFF: Duration = Duration::from_millis(50);

/// Java's (KIP-144). Long enough that a thousand clients do not keep a starting broker busy with handshakes.
pub const RECONNECT_BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Java's. Leaders that move are learnt from errors at once; this is for new topics and partitions.
pub const METADATA_MAX_AGE: Duration = Duration::from_secs(300);

/// Java's (KIP-1102): how long no broker may answer before the bootstrap list is asked again.
pub const REBOOTSTRAP_TRIGGER: Duration = Duration::from_secs(300);

/// Java's: one minute less than brokers take (`connections.max.idle.ms` there is 10 min), so that we close first and no
/// request meets a connection that the broker is closing.
pub const CONNECTIONS_MAX_IDLE: Duration = Duration::from_secs(540);

/// The largest answer outside of Fetch: what a broker accepts as a request (`socket.request.max.bytes`), and two hundred
/// times the metadata of ten thousand partitions. Java has no bound. *Not Java's.*
pub const MAX_FRAME_BYTES: usize = 100 << 20;

/// Java's.
pub const FETCH_MAX_WAIT: Duration = Duration::from_millis(500);

/// Java's: answer as soon as there is anything.
pub const FETCH_MIN_BYTES: usize = 1;

/// Java's. Large enough to make the price of a request vanish beside the price of its bytes.
pub const FETCH_MAX_BYTES: usize = 50 << 20;

/// Java's: twelve bytes less than the largest batch a broker takes by default (`message.max.bytes`). A larger batch that
/// comes first is returned whole in any case (KIP-74).
pub const MAX_PARTITION_FETCH_BYTES: usize = 1 << 20;

/// One full Fetch answer and a little; twice would let two brokers answer in full at once, half would cut every answer.
/// Java has no such bound. *Not Java's.*
pub const BUDGET_BYTES: usize = 64 << 20;

/// Sixty-four times a broker's default batch: no honest producer comes near, and a bomb of any ratio stops here.
/// Java has no such bound. *Not Java's.*
pub const MAX_BATCH_DECOMPRESSED_BYTES: usize = 64 << 20;

/// **Not Java's**, which creates a topic when somebody subscribes to a misspelt name (librdkafka does not either). A
/// reader that waits for ever on an empty topic it made up itself looks like one that works.
pub const ALLOW_AUTO_CREATE_TOPICS: bool = false;

/// Java's: a pattern does not mean `__consumer_offsets`.
pub const EXCLUDE_INTERNAL_TOPICS: bool = true;

/// Java's since 3.0 (KIP-735): longer than a restart, so that a bounced member keeps its place.
pub const SESSION_TIMEOUT: Duration = Duration::from_secs(45);

/// Java's: many heartbeats fit into a session, so that lost ones do not matter.
pub const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(3);

/// Java's `max.poll.interval.ms`, which goes to the coordinator as the rebalance timeout.
pub const REBALANCE_TIMEOUT: Duration = Duration::from_secs(300);

/// Java's: what may be read again after a crash.
pub const COMMIT_INTERVAL: Duration = Duration::from_secs(5);

/// The longest that records in flight may hold up a rebalance of the whole group. Java's only limit is the rebalance
/// timeout, five minutes in which nobody in a classic group reads. *Not Java's.*
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Java's since 4.0 (KIP-1030): a few milliseconds fill batches that would otherwise go out half empty.
pub const LINGER: Duration = Duration::from_millis(5);

/// Java's.
pub const BATCH_SIZE: usize = 16_384;

/// Java's: a broker's `message.max.bytes` is just above it.
pub const MAX_REQUEST_SIZE: usize = 1 << 20;

/// Java's (KIP-91): four tries of one request timeout each.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(120);

/// Java's: as many batches per producer and partition as a broker remembers the sequence numbers of.
pub const MAX_IN_FLIGHT: usize = 5;

/// Java's.
pub const BUFFER_MEMORY: usize = 32 << 20;

/// Java's.
pub const MAX_BLOCK: Duration = Duration::from_secs(60);

/// Java's: the delivery timeout ends retries, not their number.
pub const RETRIES: u32 = i32::MAX as u32;

/// Java's, and zstd's own.
pub const ZSTD_LEVEL: i32 = 3;
