//! Kafka's error codes.

use std::fmt;

/// A code from `org.apache.kafka.common.protocol.Errors`. 0 is NONE; a code this version of Milena does not know keeps
/// its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ErrorCode(pub i16);

macro_rules! error_codes {
    ($($code:literal $name:ident $class:ident $message:literal;)*) => {
        impl ErrorCode {
            $(
                #[doc = concat!($code, ": ", $message, ".")]
                pub const $name: Self = Self($code);
            )*

            /// Every code that this version of Milena knows, in rising order.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            fn describe(self) -> Option<(&'static str, Class, &'static str)> {
                match self.0 {
                    $($code => Some((stringify!($name), Class::$class, $message)),)*
                    _ => None,
                }
            }
        }
    };
}

impl ErrorCode {
    /// Kafka's name for it; `UNKNOWN` for a code that this version of Milena does not know.
    pub fn name(self) -> &'static str {
        self.describe().map_or("UNKNOWN", |(name, _, _)| name)
    }

    /// What it means, in one line without a full stop.
    pub fn message(self) -> &'static str {
        self.describe().map_or("an error code younger than this client", |(_, _, message)| message)
    }

    /// Whether it is NONE.
    pub fn is_ok(self) -> bool {
        self == Self::NONE
    }

    /// Whether the same request may succeed later: Java's exception for it is a `RetriableException`. Says nothing about
    /// what else must be done first, as finding the new leader.
    pub fn is_retriable(self) -> bool {
        matches!(self.describe(), Some((_, Class::retry, _)))
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Named as the table below writes them.
#[allow(non_camel_case_types)]
enum Class {
    retry,
    fatal,
}

error_codes! {
    -1 UNKNOWN_SERVER_ERROR fatal "the broker failed in a way it does not explain";
    0 NONE fatal "no error";
    1 OFFSET_OUT_OF_RANGE fatal "the offset is outside of the log";
    2 CORRUPT_MESSAGE retry "the record batch is damaged, or its record lacks a key that a compacted topic needs";
    3 UNKNOWN_TOPIC_OR_PARTITION retry "the broker does not have this topic or partition";
    4 INVALID_FETCH_SIZE fatal "the fetch size is not valid";
    5 LEADER_NOT_AVAILABLE retry "the partition has no leader at the moment";
    6 NOT_LEADER_OR_FOLLOWER retry "the broker does not lead the partition, or holds no copy of it";
    7 REQUEST_TIMED_OUT retry "the broker ran out of time";
    8 BROKER_NOT_AVAILABLE fatal "the broker is not available";
    9 REPLICA_NOT_AVAILABLE retry "the copy of the partition is not available";
    10 MESSAGE_TOO_LARGE fatal "the record batch is larger than the broker takes";
    11 STALE_CONTROLLER_EPOCH fatal "the controller has moved";
    12 OFFSET_METADATA_TOO_LARGE fatal "the note beside the offset is longer than the broker takes";
    13 NETWORK_EXCEPTION retry "the broker disconnected before it answered";
    14 COORDINATOR_LOAD_IN_PROGRESS retry "the coordinator is still loading the group";
    15 COORDINATOR_NOT_AVAILABLE retry "the coordinator is not available";
    16 NOT_COORDINATOR retry "the broker is not the coordinator";
    17 INVALID_TOPIC_EXCEPTION fatal "the topic's name is not valid, or the topic is internal";
    18 RECORD_LIST_TOO_LARGE fatal "the batches are larger than a segment of the log";
    19 NOT_ENOUGH_REPLICAS retry "too few copies are in sync for a write";
    20 NOT_ENOUGH_REPLICAS_AFTER_APPEND retry "written, but to too few copies";
    21 INVALID_REQUIRED_ACKS fatal "acks is neither -1, 0 nor 1";
    22 ILLEGAL_GENERATION fatal "the generation is not the group's current one";
    23 INCONSISTENT_GROUP_PROTOCOL fatal "the member shares no protocol with the group";
    24 INVALID_GROUP_ID fatal "the group id is not valid";
    25 UNKNOWN_MEMBER_ID fatal "the coordinator does not know the member";
    26 INVALID_SESSION_TIMEOUT fatal "the session timeout is outside of what the broker allows";
    27 REBALANCE_IN_PROGRESS fatal "the group is rebalancing";
    28 INVALID_COMMIT_OFFSET_SIZE fatal "the offsets are larger than the broker can store";
    29 TOPIC_AUTHORIZATION_FAILED fatal "not authorized for the topic";
    30 GROUP_AUTHORIZATION_FAILED fatal "not authorized for the group";
    31 CLUSTER_AUTHORIZATION_FAILED fatal "not authorized for the cluster";
    32 INVALID_TIMESTAMP fatal "the timestamp is outside of what the broker allows";
    33 UNSUPPORTED_SASL_MECHANISM fatal "the broker does not offer this SASL mechanism";
    34 ILLEGAL_SASL_STATE fatal "a request out of place during SASL authentication";
    35 UNSUPPORTED_VERSION fatal "the broker does not serve this version of the API";
    36 TOPIC_ALREADY_EXISTS fatal "the topic exists already";
    37 INVALID_PARTITIONS fatal "the number of partitions is not valid";
    38 INVALID_REPLICATION_FACTOR fatal "the replication factor is not valid";
    39 INVALID_REPLICA_ASSIGNMENT fatal "the placement of the partitions is not valid";
    40 INVALID_CONFIG fatal "the configuration is not valid";
    41 NOT_CONTROLLER retry "the broker is not the controller";
    42 INVALID_REQUEST fatal "the broker takes the request for malformed";
    43 UNSUPPORTED_FOR_MESSAGE_FORMAT fatal "the log's record format does not support the request";
    44 POLICY_VIOLATION fatal "a policy of the broker forbids it";
    45 OUT_OF_ORDER_SEQUENCE_NUMBER fatal "the sequence number is not the next one";
    46 DUPLICATE_SEQUENCE_NUMBER fatal "the sequence number was there before";
    47 INVALID_PRODUCER_EPOCH fatal "a newer producer epoch exists";
    48 INVALID_TXN_STATE fatal "the transaction is in another state";
    49 INVALID_PRODUCER_ID_MAPPING fatal "the producer id does not belong to the transactional id";
    50 INVALID_TRANSACTION_TIMEOUT fatal "the transaction timeout is outside of what the broker allows";
    51 CONCURRENT_TRANSACTIONS retry "another operation on the transaction is under way";
    52 TRANSACTION_COORDINATOR_FENCED fatal "the transaction's coordinator was replaced";
    53 TRANSACTIONAL_ID_AUTHORIZATION_FAILED fatal "not authorized for the transactional id";
    54 SECURITY_DISABLED fatal "the broker has security switched off";
    55 OPERATION_NOT_ATTEMPTED fatal "the broker did not try this part of the request";
    56 KAFKA_STORAGE_ERROR retry "the broker's disk failed";
    57 LOG_DIR_NOT_FOUND fatal "the broker does not have this log directory";
    58 SASL_AUTHENTICATION_FAILED fatal "authentication failed";
    59 UNKNOWN_PRODUCER_ID fatal "the broker does not know the producer id any more";
    60 REASSIGNMENT_IN_PROGRESS fatal "the partition is being reassigned";
    61 DELEGATION_TOKEN_AUTH_DISABLED fatal "the broker has delegation tokens switched off";
    62 DELEGATION_TOKEN_NOT_FOUND fatal "the broker does not know the delegation token";
    63 DELEGATION_TOKEN_OWNER_MISMATCH fatal "the delegation token belongs to somebody else";
    64 DELEGATION_TOKEN_REQUEST_NOT_ALLOWED fatal "delegation tokens cannot be asked for over this connection";
    65 DELEGATION_TOKEN_AUTHORIZATION_FAILED fatal "not authorized for delegation tokens";
    66 DELEGATION_TOKEN_EXPIRED fatal "the delegation token is expired";
    67 INVALID_PRINCIPAL_TYPE fatal "the type of principal is not supported";
    68 NON_EMPTY_GROUP fatal "the group still has members";
    69 GROUP_ID_NOT_FOUND fatal "the broker does not know the group";
    70 FETCH_SESSION_ID_NOT_FOUND retry "the broker does not know the fetch session";
    71 INVALID_FETCH_SESSION_EPOCH retry "the fetch session's epoch is not the next one";
    72 LISTENER_NOT_FOUND retry "the partition's leader has no such listener";
    73 TOPIC_DELETION_DISABLED fatal "the broker does not allow topics to be deleted";
    74 FENCED_LEADER_EPOCH retry "the leader epoch is older than the leader's";
    75 UNKNOWN_LEADER_EPOCH retry "the leader epoch is newer than the broker's";
    76 UNSUPPORTED_COMPRESSION_TYPE fatal "the client's version cannot read the partition's compression";
    77 STALE_BROKER_EPOCH fatal "the broker's registration is out of date";
    78 OFFSET_NOT_AVAILABLE retry "the new leader does not know its high watermark yet";
    79 MEMBER_ID_REQUIRED fatal "a new member joins again with the id it just got";
    80 PREFERRED_LEADER_NOT_AVAILABLE retry "the preferred leader is not available";
    81 GROUP_MAX_SIZE_REACHED fatal "the group is full";
    82 FENCED_INSTANCE_ID fatal "another member has taken over the group.instance.id";
    83 ELIGIBLE_LEADERS_NOT_AVAILABLE retry "no copy of the partition can lead";
    84 ELECTION_NOT_NEEDED retry "the election is not needed";
    85 NO_REASSIGNMENT_IN_PROGRESS fatal "no reassignment is under way";
    86 GROUP_SUBSCRIBED_TO_TOPIC fatal "the group still reads the topic";
    87 INVALID_RECORD fatal "the broker refuses the record";
    88 UNSTABLE_OFFSET_COMMIT retry "an open transaction may still change the offset";
    89 THROTTLING_QUOTA_EXCEEDED retry "a quota is exceeded";
    90 PRODUCER_FENCED fatal "a newer producer uses the transactional id";
    91 RESOURCE_NOT_FOUND fatal "the broker does not know the resource";
    92 DUPLICATE_RESOURCE fatal "a resource is named twice";
    93 UNACCEPTABLE_CREDENTIAL fatal "the credential is not acceptable";
    94 INCONSISTENT_VOTER_SET fatal "the voter is not among those expected";
    95 INVALID_UPDATE_VERSION fatal "the feature's level is not valid";
    96 FEATURE_UPDATE_FAILED fatal "the features could not be updated";
    97 PRINCIPAL_DESERIALIZATION_FAILURE fatal "the broker could not read a forwarded principal";
    98 SNAPSHOT_NOT_FOUND fatal "the broker does not have this snapshot";
    99 POSITION_OUT_OF_RANGE fatal "the position is outside of the snapshot";
    100 UNKNOWN_TOPIC_ID retry "the broker does not have a topic of this id";
    101 DUPLICATE_BROKER_REGISTRATION fatal "the broker id is in use";
    102 BROKER_ID_NOT_REGISTERED fatal "the broker id is not registered";
    103 INCONSISTENT_TOPIC_ID retry "the log's topic id is another";
    104 INCONSISTENT_CLUSTER_ID fatal "the cluster id is another";
    105 TRANSACTIONAL_ID_NOT_FOUND fatal "the broker does not know the transactional id";
    106 FETCH_SESSION_TOPIC_ID_ERROR retry "the fetch session mixes topic ids and names";
    107 INELIGIBLE_REPLICA fatal "a copy must not be in sync";
    108 NEW_LEADER_ELECTED fatal "the change was made, and a new leader elected";
    109 OFFSET_MOVED_TO_TIERED_STORAGE fatal "the offset is in tiered storage only";
    110 FENCED_MEMBER_EPOCH fatal "the member epoch is fenced: the member must join anew";
    111 UNRELEASED_INSTANCE_ID fatal "another member still holds the group.instance.id";
    112 UNSUPPORTED_ASSIGNOR fatal "the group does not support the assignor";
    113 STALE_MEMBER_EPOCH fatal "the member epoch is out of date";
    114 MISMATCHED_ENDPOINT_TYPE fatal "the request went to the wrong kind of endpoint";
    115 UNSUPPORTED_ENDPOINT_TYPE fatal "the kind of endpoint is not supported";
    116 UNKNOWN_CONTROLLER_ID fatal "the controller id is not known";
    117 UNKNOWN_SUBSCRIPTION_ID fatal "the telemetry subscription is out of date";
    118 TELEMETRY_TOO_LARGE fatal "the telemetry is larger than the broker takes";
    119 INVALID_REGISTRATION fatal "the controller refuses the broker's registration";
    120 TRANSACTION_ABORTABLE fatal "the transaction failed and can be aborted";
    121 INVALID_RECORD_STATE fatal "the record cannot be acknowledged in its state";
    122 SHARE_SESSION_NOT_FOUND retry "the broker does not know the share session";
    123 INVALID_SHARE_SESSION_EPOCH retry "the share session's epoch is not the next one";
    124 FENCED_STATE_EPOCH fatal "the share group's state epoch is another";
    125 INVALID_VOTER_KEY fatal "the voter's key is another";
    126 DUPLICATE_VOTER fatal "the voter is one already";
    127 VOTER_NOT_FOUND fatal "the voter is none";
    128 INVALID_REGULAR_EXPRESSION fatal "the regular expression is not valid";
    129 REBOOTSTRAP_REQUIRED fatal "the client must start over from its bootstrap servers";
    130 STREAMS_INVALID_TOPOLOGY fatal "the streams topology is not valid";
    131 STREAMS_INVALID_TOPOLOGY_EPOCH fatal "the streams topology epoch is not valid";
    132 STREAMS_TOPOLOGY_FENCED fatal "the streams topology epoch is out of date";
    133 SHARE_SESSION_LIMIT_REACHED retry "the broker has no room for another share session";
}
