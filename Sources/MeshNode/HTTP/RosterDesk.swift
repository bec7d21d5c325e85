import Authority
import NodeCore
import SecureChannel

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
            let signed = sign(try make(view), for: view)
            let committed: CommittedReply
            do { committed = try await surface.core.submit(.changeRoster(signed)) } catch { throw .core(error) }
            switch committed.reply {
            case .refused(.rosterChanged) where changes < Self.triesMax: changes += 1
            case .refused(.malformed) where view.authority.featureLevel < .current && waits < Self.agreementTries:
                waits += 1
                try? await Task.sleep(for: Self.agreementPause)
            case .refused(.malformed) where view.authority.featureLevel < .current:
                throw .conflict(
                    "not-yet",
                    "Not all voters run a program that knows of this, or they have not agreed on it yet. Wait a moment; then "
                        + "update the nodes that `meshnode members` shows as voters.")
            case .refused(let refusal): throw .refused(refusal)
            default: return
            }
        }
    }

    private func sign(_ record: RosterRecord, for view: ClusterView) -> SignedRecord {
        let revision = view.authority.roster.revision
        let message = SignedRecord.message(cluster: view.clusterID, revision: revision, record: record)
        return SignedRecord(
            signer: view.me, revision: revision, record: record, signature: surface.identity.sign(message))
    }
}
