import Foundation
import Hummingbird
import NodeCore
import Primitives

/// Saying goodbye: the node tells the others that it goes, so that nobody waits for it or suspects it, and its agent ends.
/// Its vote is taken out first, by joint consensus, so that no quorum counts a node that is gone; started again, it follows,
/// and votes when it has kept up. With `keep_vote` it stays a voter, for a restart.
struct LeaveRoute {
    let surface: HTTPSurface

    /// Answered before the agent ends. Refused where the mesh could decide nothing without this node, unless forced.
    func leave(_ exchange: Exchange) async throws(Problem) -> Response {
        let view = surface.core.view
        let isForced = exchange.path.queryValue("force") == "true"
        let isVoter = view.consensus.voters.contains(view.me) && view.consensus.voters.count > 1
        let isRemoved = isVoter && exchange.path.queryValue("keep_vote") != "true"
        let left = view.reachableVoters.count { $0 != view.me }
        let needed = (view.consensus.voters.count - (isRemoved ? 1 : 0)) / 2 + 1
        let hasPrimary = view.primary(at: surface.core.now()) != nil
        let isMissed = isVoter && hasPrimary && left < needed
        guard isForced || !isMissed else {
            throw .conflict(
                "quorum-at-risk",
                "Without \(view.name) only \(left) of \(view.consensus.voters.count) voters would be reachable, and \(needed) "
                    + "are needed for sign-in and changes. Bring another node back first, or leave all the same with --force."
            )
        }
        guard isForced || !isRemoved || hasPrimary else {
            throw Problem(
                "no-quorum", .serviceUnavailable, "No quorum",
                detail:
                    "No primary is within reach of \(view.name), so its vote cannot be taken out. Try again when one "
                    + "is, or leave as a voter with --keep-vote.")
        }
        var isStillVoter = view.consensus.voters.contains(view.me)
        if isRemoved, hasPrimary {
            do {
                try await surface.core.removeMember(view.me)
                isStillVoter = false
            } catch { guard isForced else { throw .core(error) } }
        }
        surface.departure.request()
        return Response.json(.accepted) { text in
            text.field("node", view.name)
            text.field("pid", ProcessInfo.processInfo.processIdentifier)
            text.field("is_voter", isStillVoter)
        }
    }
}
