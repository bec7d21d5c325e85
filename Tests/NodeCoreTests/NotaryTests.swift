import Gossip
import NodeCore
import Primitives
import Raft
import SecureChannel
import Testing

@Suite("Members' signatures")
struct NotaryTests {
    private static func makeRoster(_ identities: [Identity], cluster: UInt8 = 7) throws -> Roster {
        let members = identities.enumerated().map { place, identity in
            Genesis.Member(
                name: "n\(place + 1)", node: identity.nodeID, replica: ReplicaID(UInt64(place + 1)), rank: 0,
                isVoter: true, keys: identity.publicIdentity)
        }
        return try #require(Roster(Genesis(cluster: Array(repeating: cluster, count: 16), members: members)))
    }

    private static func makeNotary(_ roster: Roster, of identity: Identity) -> Notary {
        Notary(roster, sign: { identity.sign($0) }, check: { Identity.verify($0, of: $1, by: $2) })
    }

    @Test("a member's word counts under its own key, in its own cluster, to whoever has it in the roster")
    func keys() throws {
        var entropy = CountingEntropy(next: 3)
        let identities = (0..<3).map { _ in Identity.generate(from: &entropy) }
        let roster = try Self.makeRoster(Array(identities.prefix(2)))
        let member = Member(
            id: identities[0].nodeID, name: "n1", endpoint: Endpoint(ipv4: 10, 0, 0, 1, port: 7946),
            incarnation: Incarnation(bootEpoch: 3, nonce: 9, counter: 1), state: .alive)
        let listener = Self.makeNotary(roster, of: identities[1])
        let signature = Self.makeNotary(roster, of: identities[0]).sign(member)
        #expect(listener.isGenuine(signature, of: member))

        let byAnother = Self.makeNotary(roster, of: identities[1]).sign(member)
        #expect(!listener.isGenuine(byAnother, of: member))
        let elsewhere = try Self.makeRoster(Array(identities.prefix(2)), cluster: 8)
        #expect(!listener.isGenuine(Self.makeNotary(elsewhere, of: identities[0]).sign(member), of: member))
        let withoutIt = try Self.makeRoster(Array(identities.suffix(2)))
        #expect(!Self.makeNotary(withoutIt, of: identities[1]).isGenuine(signature, of: member))

        var changed = member
        changed.state = .left
        #expect(!listener.isGenuine(signature, of: changed), "a goodbye is signed on its own")
        changed.state = .dead
        #expect(listener.isGenuine(signature, of: changed), "what others think of it is not its word")
        changed.incarnation = Incarnation(bootEpoch: 3, nonce: 8, counter: 1)
        #expect(!listener.isGenuine(signature, of: changed))
    }
}
