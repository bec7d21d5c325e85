import Primitives
import SecureChannel

/// The key that names the first core nodes of a mesh. It is drawn when the mesh is made, signs, and is kept by a person off
/// all machines of the mesh: whoever can change a genesis file on its way to a machine cannot make another node core by it.
/// Core nodes that come later are named by core nodes, in the log.
///
///     signed   "meshnode core node 1" | cluster 16 | node 16 | X25519 key 32 | Ed25519 key 32
package enum GenesisRoot {
    /// The same genesis, with the root's public key and its signature for each core node.
    package static func name(_ genesis: Genesis, with root: Identity) -> Genesis {
        var named = genesis
        named.root = Hex.encode(root.publicIdentity.signingKey)
        for place in named.members.indices where named.members[place].isCore {
            guard let message = message(for: named.members[place], of: genesis) else {
                preconditionFailure("\(named.members[place].name) has no keys")
            }
            named.members[place].rootSignature = Hex.encode(root.sign(message))
        }
        return named
    }

    /// Whether all core nodes were named by the root key. True where there is none: older programs made such files.
    static func hasNamed(_ genesis: Genesis) -> Bool {
        guard let root = genesis.root else { return true }
        guard let key = Hex.decode(root) else { return false }
        return genesis.members.filter(\.isCore).allSatisfy { member in
            guard let signature = member.rootSignature.flatMap(Hex.decode),
                let message = message(for: member, of: genesis)
            else { return false }
            return Identity.verify(signature, of: message, by: key)
        }
    }

    private static func message(for member: Genesis.Member, of genesis: Genesis) -> [UInt8]? {
        guard let cluster = Hex.decode(genesis.cluster), let node = Hex.decode(member.node),
            let exchange = member.exchangeKey.flatMap(Hex.decode), let signing = member.signingKey.flatMap(Hex.decode)
        else { return nil }
        return Array("meshnode core node 1".utf8) + cluster + node + exchange + signing
    }
}

extension Genesis.Member {
    fileprivate var isCore: Bool { trustClass != TrustClass.edge.rawValue }
}
