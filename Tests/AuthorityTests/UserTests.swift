import Authority
import Primitives
import Testing

@Test("the first user must be an admin, and then others may come")
func firstUser() {
    var log = TestLog()
    #expect(log.apply(.createUser(name: "ada", verifier: .sample, role: .user)) == .refused(.adminRequired))
    #expect(log.state.users.isEmpty)
    #expect(log.apply(.createUser(name: "root", verifier: .sample, role: .admin)) == .done)
    #expect(log.apply(.createUser(name: "ada", verifier: .sample, role: .user)) == .done)
    #expect(log.state.users.sorted.map(\.name) == ["ada", "root"])
}

@Test("a name is taken once")
func duplicateUser() {
    var log = TestLog.started()
    let before = log
    #expect(log.apply(.createUser(name: "root", verifier: .other, role: .user)) == .refused(.userExists))
    #expect(log.holdsSame(as: before))
}

@Test("names are compared as bytes, not by canonical equivalence")
func namesAreBytes() {
    var log = TestLog.started()
    #expect(log.apply(.createUser(name: "caf\u{E9}", verifier: .sample, role: .user)) == .done)
    #expect(log.apply(.createUser(name: "cafe\u{301}", verifier: .sample, role: .user)) == .done)
    #expect(log.state.users.count == 3)
}

@Test("the last admin can neither be removed nor demoted, by whatever path the count got there")
func lastAdmin() {
    var log = TestLog.started()
    log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
    #expect(log.apply(.removeUser(name: "root")) == .refused(.adminRequired))
    #expect(log.apply(.setRole(name: "root", role: .operator)) == .refused(.adminRequired))
    #expect(log.apply(.setRole(name: "root", role: .admin)) == .done)
    #expect(log.apply(.setRole(name: "ada", role: .admin)) == .done)
    #expect(log.apply(.setRole(name: "root", role: .user)) == .done)
    #expect(log.apply(.removeUser(name: "ada")) == .refused(.adminRequired))
    #expect(log.apply(.setRole(name: "root", role: .admin)) == .done)
    #expect(log.apply(.removeUser(name: "ada")) == .done)
    #expect(log.state.users.sorted.map(\.name) == ["root"])
}

@Test("a removed user's sessions and keys go with them, and nobody else's")
func removalIsComplete() {
    var log = TestLog.started()
    log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
    log.signIn("ada", session: 1)
    log.signIn("root", session: 2)
    log.apply(.createAPIKey(.sample(1, of: "ada")))
    log.apply(.createAPIKey(.sample(2, of: "root")))
    #expect(log.apply(.removeUser(name: "ada")) == .done)
    #expect(log.session(1) == nil)
    #expect(log.session(2) != nil)
    #expect(log.state.apiKeys.sorted.map(\.user) == ["root"])
}

@Test(
    "commands for a user who does not exist change nothing",
    arguments: [
        AuthorityCommand.setPassword(name: "eve", verifier: .other),
        .setRole(name: "eve", role: .admin),
        .removeUser(name: "eve"),
        .revokeAllSessions(of: "eve", except: nil),
        .createAPIKey(.sample(1, of: "eve")),
    ])
func unknownUser(command: AuthorityCommand) {
    var log = TestLog.started()
    let before = log
    #expect(log.apply(command) == .refused(.unknownUser))
    #expect(log.holdsSame(as: before))
}

@Test("a full user table refuses the next user")
func userLimit() {
    var limits = AuthorityLimits()
    limits.users = 2
    var log = TestLog.started(limits: limits)
    #expect(log.apply(.createUser(name: "ada", verifier: .sample, role: .user)) == .done)
    #expect(log.apply(.createUser(name: "bob", verifier: .sample, role: .user)) == .refused(.limitReached))
}

@Test("a password verifier is never printed")
func verifierIsHidden() {
    #expect(!"\(PasswordVerifier.sample)".contains("argon2id"))
    #expect(!"\(AuthorityCommand.setPassword(name: "ada", verifier: .sample))".contains("argon2id"))
}
