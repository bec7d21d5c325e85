import Gossip
import Hummingbird
import NodeCore

/// Taking a node that is gone for good out of the mesh's configuration, so that no quorum counts it any longer.
struct MemberRoutes {
    let surface: HTTPSurface

    /// Answers when the change is committed. A node that is alive would be back in seconds: it has `meshnode leave`.
    func remove(_ exchange: Exchange) async throws -> Response {
        let view = surface.core.view
        let name = exchange.parameter
        let member = view.member(named: name)
        // Who was gone already when this node was started is in the roster alone.
        guard let node = member?.id ?? view.roster.entry(named: name)?.node else {
            throw Problem.notFound("There is no such member.")
        }
        guard node != view.me, member?.state != .alive else {
            throw Problem.conflict(
                "member-alive",
                "\(name) is alive, and would be admitted again at once. Let it go with `meshnode leave` on its machine."
            )
        }
        guard view.consensus.voters != [node] else {
            throw Problem.conflict("last-voter", "\(name) is the only voter: nobody could decide without it.")
        }
        do { try await surface.core.removeMember(node) } catch { throw Problem.core(error) }
        return .noContent
    }
}
