import Authority
import NodeCore

/// Makes records about the mesh itself: signs them with this node's key and has them committed.
struct RosterDesk {
    let surface: HTTPSurface

    /// Another core node may change the roster at the same moment: then the record is made anew, a few times.
    private static let triesMax = 4
    /// A mesh that was just started, or updated, agrees on what its log may say within seconds.
    private static let agreementTries = 24
    private static let agreementPause: Duration = .milliseconds(250)

    /// `make` sees the view that the record is made for. Only on a core node.
    func commit(_ make: (ClusterView) throws(Problem) -> RosterRecord) async throws(Problem) {
        var (changes, waits) = (0, 0)
        while true {
            // A node that lags would sign for a revision that is gone.
            do { try await surface.core.readBarrier() } catch { throw .core(error) }
            let view = surface.core.view
            guard view.roster.entry(of: view.me)?.isCore == true, surface.config.trustClass == .core else {
                throw .notCore
            }
            let command = RecordSigner(surface.identity).sign(try make(view), for: view)
            let committed: CommittedReply
            do { committed = try await surface.core.submit(command) } catch { throw .core(error) }
            switch committed.reply {
            case .refused(.rosterChanged) where changes < Self.triesMax: changes += 1
            case .refused(.malformed) where view.authority.featureLevel < .roster && waits < Self.agreementTries:
                waits += 1
                try? await Task.sleep(for: Self.agreementPause)
            case .refused(.malformed) where view.authority.featureLevel < .roster:
                throw .conflict(
                    "feature-not-agreed",
                    "Some voter runs a program that does not know of this, or none has said yet. Upgrade all, then try again."
                )
            case .refused(let refusal): throw .refused(refusal)
            default: return
            }
        }
    }
}
