//! What the end of a member means for its group.

/// What closing means for the group (`CloseOptions.GroupMembershipOperation`, KIP-1092).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MembershipOperation {
    /// A dynamic member leaves; a static one only stops, because it means to come back (KIP-345).
    #[default]
    Default,
    /// It leaves, static or not: others take over at once, and a static member that comes back is a new one.
    LeaveGroup,
    /// It only stops, static or not: its partitions wait until its session ends.
    RemainInGroup,
}

impl MembershipOperation {
    /// Whether the coordinator of a classic group hears of it.
    pub(super) fn is_told(self, is_static: bool) -> bool {
        match self {
            Self::Default => !is_static,
            Self::LeaveGroup => true,
            Self::RemainInGroup => false,
        }
    }
}
