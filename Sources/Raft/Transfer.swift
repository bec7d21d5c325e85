import Primitives

/// A hand-over of leadership under way (thesis §3.10).
///
///     caught up? --no--> refuse proposals, wait --E passed--> give up, go on leading
///        | yes
///        v
///     lease ends for this term, "campaign now" --E passed--> campaign anew at a higher term
///
/// After "campaign now" has left, the target may be elected at any moment, however late the message arrives: the lease
/// cannot come back in this term.
struct Transfer: Sendable {
    let target: ReplicaID
    let deadline: Instant
    /// "Campaign now" was sent.
    var isReleased = false
}
