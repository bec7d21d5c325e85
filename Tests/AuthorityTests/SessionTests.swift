import Authority
import Primitives
import Testing

@Test("a sign-in is granted with its times by the log's clock")
func grant() {
    var log = TestLog.started()
    log.wait(.seconds(5))
    let now = TestLog.epoch + .seconds(5)
    #expect(
        log.signIn("root", session: 1)
            == .granted(
                SessionTerms(
                    id: SessionID(high: 0, low: 1), user: "root", grantedAt: LogIndex(3), createdAt: now,
                    expiresAt: now + .seconds(604_800))))
    #expect(log.session(1)?.label == "Firefox")
    #expect(log.session(1)?.grantedBy == NodeID(high: 1, low: 1))
}

@Test("no session is granted before the clock has an anchor")
func grantWithoutClock() {
    var log = TestLog()
    log.apply(.createUser(name: "root", verifier: .sample, role: .admin))
    #expect(log.signIn("root", session: 1) == .refused(.clockNotSet))
    #expect(log.state.sessions.count == 0)
}

@Test("a sign-in for nobody, or under a taken id, is refused")
func refusedGrants() {
    var log = TestLog.started()
    #expect(log.signIn("eve", session: 1) == .refused(.unknownUser))
    log.signIn("root", session: 1)
    #expect(log.signIn("root", session: 1, token: 2) == .refused(.idTaken))
    #expect(log.refresh(1, presented: 1, successor: 3).sealedSuccessor == [3, 3])
}

@Test("a sign-in that checked the old password is refused once the new one is committed")
func passwordRace() {
    var log = TestLog.started()
    let stale = log.state.users["root"]!.passwordRevision  // made by `started`
    log.apply(.setPassword(name: "root", verifier: .other))
    let grant = SessionGrant(
        id: SessionID(high: 0, low: 1), user: "root", passwordRevision: stale, node: NodeID(high: 1, low: 1),
        refreshHash: .sample(1), label: "")
    #expect(log.apply(.grantSession(grant)) == .refused(.passwordChanged))
    #expect(log.signIn("root", session: 1).isGranted)
}

@Test("a user removed and made again does not inherit a sign-in that was under way")
func recreatedUserRace() {
    var log = TestLog.started()
    log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
    let stale = log.state.users["ada"]!.passwordRevision  // made one line above
    log.apply(.removeUser(name: "ada"))
    log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
    let grant = SessionGrant(
        id: SessionID(high: 0, low: 1), user: "ada", passwordRevision: stale, node: NodeID(high: 1, low: 1),
        refreshHash: .sample(1), label: "")
    #expect(log.apply(.grantSession(grant)) == .refused(.passwordChanged))
}

@Test("signing out ends one session, everywhere but one ends the others")
func revocation() {
    var log = TestLog.started()
    for number in UInt64(1)...4 { log.signIn("root", session: number) }
    #expect(log.apply(.revokeSession(SessionID(high: 0, low: 2))) == .sessionsEnded(1))
    #expect(log.apply(.revokeSession(SessionID(high: 0, low: 2))) == .refused(.unknownSession))
    #expect(log.state.sessions.sessions(of: "root").map(\.id.low) == [1, 3, 4])
    #expect(log.apply(.revokeAllSessions(of: "root", except: SessionID(high: 0, low: 3))) == .sessionsEnded(2))
    #expect(log.state.sessions.sessions(of: "root").map(\.id.low) == [3])
    #expect(log.apply(.revokeAllSessions(of: "root", except: nil)) == .sessionsEnded(1))
    #expect(log.state.sessions.count == 0)
}

@Test("the oldest of a user's sessions ends for a new one, though others are older")
func perUserLimit() {
    var limits = AuthorityLimits()
    limits.sessionsPerUser = 2
    var log = TestLog.started(limits: limits)
    log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
    log.signIn("ada", session: 9)
    for number in [UInt64(5), 4, 3] { #expect(log.signIn("root", session: number).isGranted) }
    #expect(log.state.sessions.sessions(of: "root").map(\.id.low) == [4, 3])
    #expect(log.session(9) != nil)
}

@Test("in a full table the oldest session of all ends for a new one")
func tableLimit() {
    var limits = AuthorityLimits()
    limits.sessions = 3
    var log = TestLog.started(limits: limits)
    log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
    log.signIn("ada", session: 7)
    for number in [UInt64(5), 4, 3] { #expect(log.signIn("root", session: number).isGranted) }
    #expect(log.state.sessions.count == 3)
    #expect(log.session(7) == nil)
}

@Test("a session expires seven days after its last refresh, by a committed command, not before")
func expiry() {
    var log = TestLog.started()
    log.signIn("root", session: 1)
    log.signIn("root", session: 2)
    log.wait(.seconds(600_000))
    log.refresh(2, presented: 1, successor: 2)
    log.wait(.seconds(4_799))
    #expect(log.apply(.expireSessions) == .sessionsEnded(0))
    log.wait(.seconds(1))
    #expect(log.state.sessions.hasExpired(at: TestLog.epoch + .seconds(604_800)))
    #expect(log.refresh(1, presented: 1, successor: 2) == .refused(.sessionExpired))
    #expect(log.session(1) != nil)
    #expect(log.apply(.expireSessions) == .sessionsEnded(1))
    #expect(log.session(1) == nil)
    #expect(log.session(2) != nil)
}
