import Authority
import Gossip
import Hummingbird
import NodeCore
import Primitives

/// A node is out for ever: stolen, sold, or no longer trusted.
struct RevocationRoutes {
    let surface: HTTPSurface

    /// Those who are there are given this long to say that they know.
    private static let spreadLimit: Duration = .seconds(5)

    /// The order is the contract: the vote first, by joint consensus, so that the quorum is never counted with a node that
    /// nobody speaks with; then the record, at which everybody drops it; then the secret that it knew.
    func revoke(_ exchange: Exchange) async throws -> Response {
        let view = surface.core.view
        guard let entry = view.roster.entry(named: exchange.parameter) else {
            throw Problem.notFound("There is no such node in the mesh's roster.")
        }
        try check(entry, view)
        if view.consensus.voters.contains(entry.node) || view.consensus.observers.contains(entry.node) {
            do { try await surface.core.removeMember(entry.node) } catch { throw Problem.core(error) }
        }
        let desk = RosterDesk(surface: surface)
        try await desk.commit { _ throws(Problem) in .revoke(entry.node) }
        let epoch = try await SecretRoutes.rotate(desk)
        let unreached = await waitUntilKnown()
        return Response.json { text in
            text.field("name", entry.name)
            text.field("id", entry.node.description)
            text.field("epoch", Int(epoch))
            text.key("not_reached")
            text.open("[")
            for name in unreached { text.value(name) }
            text.close("]")
        }
    }

    private func check(_ entry: Roster.Entry, _ view: ClusterView) throws(Problem) {
        guard view.roster.entry(of: view.me)?.isCore == true, surface.config.trustClass == .core else { throw .notCore }
        guard entry.node != view.me else {
            throw .conflict(
                "not-oneself",
                "A node does not revoke itself, since it could not tell the others. Ask another core node.")
        }
        guard view.roster.present.contains(where: { $0.isCore && $0.node != entry.node }) else {
            throw .refused(.lastCore)
        }
        // A node that cannot replace the secret afterwards does not begin.
        _ = try surface.vault.older(view)
        // Otherwise only edge machines would be left to decide.
        let voters = view.consensus.voters.filter { $0 != entry.node }
        guard voters.contains(where: { view.roster.entry(of: $0)?.isCore == true }) else {
            throw .conflict(
                "last-core-voter",
                "\(entry.name) is the only voter of class core. Let another one in first (`meshnode token create`).")
        }
    }

    /// Who belongs to the mesh and has not said that it knows the roster as it is now; waited for if it is there.
    private func waitUntilKnown() async -> [String] {
        let revision = surface.core.view.authority.roster.revision
        let deadline = ContinuousClock.now + Self.spreadLimit
        while ContinuousClock.now < deadline {
            let view = surface.core.view
            if !view.unreached(at: revision).contains(where: { view.member($0.node)?.state == .alive }) { break }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return surface.core.view.unreached(at: revision).map(\.name)
    }

    /// Who belongs to the mesh, who no longer does, and who does not know it yet.
    func list() -> Response {
        let view = surface.core.view
        let roster = view.authority.roster
        return Response.json { text in
            text.field("revision", roster.revision)
            text.key("members")
            text.open("[")
            for entry in view.roster.present {
                text.open("{")
                text.field("name", entry.name)
                text.field("id", entry.node.description)
                text.field("class", (entry.isCore ? TrustClass.core : .edge).rawValue)
                text.field("rank", entry.rank)
                text.field("may_vote", entry.mayVote)
                text.field("joined", entry.isAdmitted ? "by token" : "at the beginning")
                text.field("state", view.member(entry.node).map { StatusDocument.name(of: $0.state) })
                text.field("knows", (view.member(entry.node)?.standing?.revision ?? 0) >= roster.revision)
                text.close("}")
            }
            text.close("]")
            text.key("revoked")
            text.open("[")
            for revocation in roster.revocations {
                text.open("{")
                text.field("name", revocation.name.text)
                text.field("id", revocation.node.description)
                text.close("}")
            }
            text.close("]")
        }
    }
}

extension ClusterView {
    /// Those who have not said that they know this revision of the roster.
    fileprivate func unreached(at revision: UInt64) -> [Roster.Entry] {
        roster.present.filter { $0.node != me && (member($0.node)?.standing?.revision ?? 0) < revision }
    }
}
