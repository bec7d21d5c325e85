import Authority
import Hummingbird
import NodeCore
import SecureChannel

/// The cluster's secret: which epochs are in use, who holds what, and a new one.
struct SecretRoutes {
    let surface: HTTPSurface

    func show() -> Response {
        let view = surface.core.view
        let secrets = view.authority.roster.secrets
        return Response.json { text in
            text.field("epoch", Int(secrets.active))
            text.key("next")
            if secrets.isInstalling { text.value(Int(secrets.newest)) } else { text.null() }
            text.field("is_changing", secrets.isInstalling || secrets.isRetiring)
            let values = view.authority.values
            text.key("values")
            text.open("{")
            text.field("sealed", values.count(under: secrets.active))
            text.field("sealed_before", values.sealedCount - values.count(under: secrets.active))
            text.field("clear", values.count(under: 0))
            text.close("}")
            text.key("nodes")
            text.open("[")
            for entry in view.roster.present {
                let member = view.member(entry.node)
                text.open("{")
                text.field("name", entry.name)
                text.field("state", member.map { StatusDocument.name(of: $0.state) })
                text.key("holds")
                if let held = member?.standing?.held { text.value(Int(held)) } else { text.null() }
                text.key("uses")
                if let active = member?.standing?.active { text.value(Int(active)) } else { text.null() }
                text.close("}")
            }
            text.close("]")
        }
    }

    /// Answers when the new secret is committed, sealed for each node; it comes into use by itself (`SecretTable`).
    func rotate() async throws(Problem) -> Response {
        let epoch = try await Self.rotate(RosterDesk(surface: surface))
        return Response.json(.accepted) { text in text.field("epoch", Int(epoch)) }
    }

    /// A mesh that was just started, or updated, agrees on what its log may say within seconds. One that does not has voters
    /// of an older program, and is not kept from replacing its secret for that.
    private static let agreementLimit: Duration = .seconds(6)

    /// Draws a secret for everybody who belongs to the mesh now, and a data key for its core nodes.
    static func rotate(_ desk: RosterDesk) async throws(Problem) -> UInt32 {
        await desk.surface.core.wait(atMost: agreementLimit) { $0.authority.featureLevel >= .sealedValues }
        var epoch: UInt32 = 0
        try await desk.commit { view throws(Problem) in
            epoch = view.authority.roster.secrets.newest + 1
            var entropy = SodiumEntropy()
            let draft = SecretRotationDraft(
                epoch: epoch, cluster: view.clusterID,
                recipients: view.roster.present.compactMap { entry in
                    entry.keys.map { (entry.node, $0.exchangeKey) }
                }, entropy: &entropy)
            return .rotateSecret(SecretRotation(draft, dataKey: try desk.surface.vault.draft(epoch, view)))
        }
        return epoch
    }
}
