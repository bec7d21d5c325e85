import Gossip
import Hummingbird
import NodeCore

/// Taking a node that is gone for good out of the mesh's configuration, so that no quorum counts it any longer.
struct MemberRoutes {
    let surface: HTTPSurface

    /// Answers when the change is committed. A node that is alive would be back in seconds: it has `meshnode leave`.
    func remove(_ exchange: Exchange) async throws -> Response {
        let view = surface.core.view
        guard let member = view.member(named: exchange.parameter) else {
            throw Problem.notFound("There is no such member.")
        }
        guard !member.isSelf, member.state != .alive else {
            throw Problem.conflict(
                "member-alive",
                "\(member.name) is alive, and would be admitted again at once. Let it go with `meshnode leave` on its machine."
            )
        }
        guard view.consensus.voters != [member.id] else {
            throw Problem.conflict("last-voter", "\(member.name) is the only voter: nobody could decide without it.")
        }
        do { try await surface.core.removeMember(member.id) } catch { throw Problem.core(error) }
        return .noContent
    }
}
