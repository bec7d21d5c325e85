import Authority
import NodeCore
import Primitives
import Testing

/// Nodes put their word behind what lets people sign in, as soon as the mesh asks for it.
@Suite("Proposals with a core node's word")
struct CoreWordProposalTests {
    private func newUser(_ name: String) throws -> AuthorityCommand {
        .createUser(
            name: try #require(UserName(name)), verifier: try #require(PasswordVerifier(encoded: "$x$")), role: .admin)
    }

    @Test("what a follower is asked is committed with its word behind it")
    func worded() throws {
        var mesh = try BrainPair(3)
        mesh.run(for: .seconds(4))
        #expect(mesh.brains.allSatisfy { $0.authority.featureLevel == .current })
        let request = mesh.submit(try newUser("ada"), to: 2)
        mesh.run(for: .milliseconds(300))
        guard case .committed(.done, _) = mesh.answers[request] else {
            Issue.record("\(String(describing: mesh.answers[request]))")
            return
        }
    }

    @Test("a command on its way when the mesh comes to ask for a word is asked again with one")
    func overtaken() throws {
        // When the mesh agrees on the level, in a run that nothing disturbs.
        var ahead = try BrainPair(3)
        var span = Duration.zero
        while ahead.brains[0].authority.featureLevel < .coreWords, span < .seconds(10) {
            ahead.run(for: .milliseconds(1))
            span += .milliseconds(1)
        }
        var mesh = try BrainPair(3)
        mesh.run(for: span - .milliseconds(5))
        #expect(mesh.brains.allSatisfy { $0.authority.featureLevel < .coreWords })
        let request = mesh.submit(try newUser("ada"), to: 2)
        mesh.run(for: .milliseconds(100)) { $0.from != 2 }
        #expect(mesh.brains[0].authority.featureLevel >= .coreWords && mesh.answers[request] == nil)
        mesh.run(for: .seconds(2))
        #expect(mesh.applied[0].values.contains(.refused(.unsigned)), "the first attempt came without a word")
        guard case .committed(.done, _) = mesh.answers[request] else {
            Issue.record("\(String(describing: mesh.answers[request]))")
            return
        }
    }
}
