import Foundation
import Hummingbird
import NodeCore
import Primitives

/// Saying goodbye: the node tells the others that it goes, so that nobody waits for it or suspects it, and its agent ends.
/// It stays a voter; it is back when it is started again.
struct LeaveRoute {
    let surface: HTTPSurface

    /// Answered before the agent ends. Refused where the mesh could decide nothing without this node, unless forced.
    func leave(_ exchange: Exchange) throws(Problem) -> Response {
        let view = surface.core.view
        let isForced = exchange.path.queryValue("force") == "true"
        let left = view.reachableVoters.count { $0 != view.me }
        let needed = view.votersNeeded
        let isMissed = view.consensus.voters.count > 1 && view.primary(at: surface.core.now()) != nil && left < needed
        guard isForced || !isMissed else {
            throw .conflict(
                "quorum-at-risk",
                "Without \(view.name) only \(left) of \(view.consensus.voters.count) voters would be reachable, and \(needed) "
                    + "are needed for sign-in and changes. Bring another node back first, or leave all the same with --force."
            )
        }
        surface.departure.request()
        return Response.json(.accepted) { text in
            text.field("node", view.name)
            text.field("pid", ProcessInfo.processInfo.processIdentifier)
            text.field("is_voter", view.consensus.voters.contains(view.me))
        }
    }
}
