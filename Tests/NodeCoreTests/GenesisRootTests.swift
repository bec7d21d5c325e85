import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

@Suite("The root key names the first core nodes")
struct GenesisRootTests {
    private let root: Identity
    private let genesis: Genesis

    init() {
        var entropy = CountingEntropy(next: 3)
        root = Identity.generate(from: &entropy)
        let members = [("home", TrustClass.core), ("hall", .core), ("laptop", .edge)].enumerated().map {
            number, member in
            let identity = Identity.generate(from: &entropy)
            return Genesis.Member(
                name: member.0, node: identity.nodeID, replica: ReplicaID(UInt64(number + 1)), rank: 0, isVoter: true,
                keys: identity.publicIdentity, trustClass: member.1)
        }
        genesis = GenesisRoot.name(Genesis(cluster: Array(repeating: 7, count: 16), members: members), with: root)
    }

    /// The genesis with another member in the place of one of this name.
    private func replacing(_ name: String, by member: Genesis.Member) -> Genesis {
        var changed = genesis
        changed.members = genesis.members.map { $0.name == name ? member : $0 }
        return changed
    }

    private func member(_ name: String) throws -> Genesis.Member {
        try #require(genesis.members.first { $0.name == name })
    }

    @Test("a genesis whose core nodes it has named is a roster, and one that names none is as before")
    func named() throws {
        #expect(try #require(Roster(genesis)).present.filter(\.isCore).count == 2)
        var plain = genesis
        plain.root = nil
        #expect(Roster(plain) != nil)
    }

    @Test("an edge node made core, a stranger in a core node's place, another mesh's or another root's word: no roster")
    func forged() throws {
        let laptop = try member("laptop")
        let (home, hall) = (try member("home"), try member("hall"))
        var entropy = CountingEntropy(next: 9)
        let stranger = Identity.generate(from: &entropy)
        func make(_ name: String, _ keys: PublicIdentity, _ signature: String?) -> Genesis.Member {
            var made = Genesis.Member(
                name: name, node: keys.nodeID, replica: ReplicaID(9), rank: 0, isVoter: true, keys: keys,
                trustClass: .core)
            made.rootSignature = signature
            return made
        }
        let keys = try #require(
            PublicIdentity(
                exchangeKey: Hex.decode(laptop.exchangeKey ?? "") ?? [],
                signingKey: Hex.decode(laptop.signingKey ?? "") ?? []))
        for signature in [nil, home.rootSignature, "00"] {
            #expect(Roster(replacing("laptop", by: make("laptop", keys, signature))) == nil)
            #expect(Roster(replacing("home", by: make("home", stranger.publicIdentity, signature))) == nil)
        }
        #expect(Roster(replacing("home", by: make("home", stranger.publicIdentity, hall.rootSignature))) == nil)
        var elsewhere = Genesis(cluster: Array(repeating: 8, count: 16), members: genesis.members)
        elsewhere.root = genesis.root
        #expect(Roster(elsewhere) == nil)
        var other = genesis
        other.root = Hex.encode(stranger.publicIdentity.signingKey)
        #expect(Roster(other) == nil)
    }
}
