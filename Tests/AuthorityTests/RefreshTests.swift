import Authority
import Primitives
import Testing

@Suite("Refresh tokens rotate, and a lost reply revokes nobody")
struct RefreshTests {
    /// Session 1 of root, whose refresh token is T1.
    private func signedIn() -> TestLog {
        var log = TestLog.started()
        log.signIn("root", session: 1)
        return log
    }

    @Test("the current token is exchanged, and its successor after it")
    func chain() {
        var log = signedIn()
        for token in UInt8(1)...5 {
            #expect(log.refresh(1, presented: token, successor: token + 1).sealedSuccessor == [token + 1, token + 1])
            log.wait(.seconds(1800))
        }
        #expect(log.session(1)?.lastRefreshedAt == TestLog.epoch + .seconds(4 * 1800))
    }

    @Test(
        "case 47: committed, the leader died before the reply, retried elsewhere: the same successor, nobody signed out"
    )
    func lostReply() {
        var log = signedIn()
        let first = log.refresh(1, presented: 1, successor: 2)
        log.client = 0xB  // another node, another origin, its own proposal of a successor
        log.sequence = 0
        #expect(log.refresh(1, presented: 1, successor: 3) == first)
        #expect(first.sealedSuccessor == [2, 2])
        #expect(log.refresh(1, presented: 2, successor: 4).sealedSuccessor == [4, 4])
        #expect(log.session(1) != nil)
    }

    @Test("the successor that lost the race was never current: presenting it revokes")
    func losingProposal() {
        var log = signedIn()
        log.refresh(1, presented: 1, successor: 2)
        log.refresh(1, presented: 1, successor: 3)
        #expect(log.refresh(1, presented: 3, successor: 4) == .refused(.refreshReused))
        #expect(log.session(1) == nil)
    }

    @Test("a retry neither extends the session nor renews its window")
    func retryChangesNothing() {
        var log = signedIn()
        log.refresh(1, presented: 1, successor: 2)
        let session = log.session(1)
        log.wait(.seconds(50))
        #expect(log.refresh(1, presented: 1, successor: 3).sealedSuccessor == [2, 2])
        #expect(log.session(1) == session)
        log.wait(.seconds(11))
        #expect(log.refresh(1, presented: 1, successor: 3) == .refused(.refreshReused))
    }

    @Test(
        "the window is sixty seconds of log time",
        arguments: [
            (60_000, true), (60_001, false),
        ])
    func window(milliseconds: Int, isAnswered: Bool) {
        var log = signedIn()
        log.refresh(1, presented: 1, successor: 2)
        log.wait(.milliseconds(milliseconds))
        let reply = log.refresh(1, presented: 1, successor: 3)
        #expect(reply.sealedSuccessor == (isAnswered ? [2, 2] : nil))
        #expect((log.session(1) != nil) == isAnswered)
    }

    @Test("once the successor was used, its predecessor revokes the family, within the window too")
    func reuseAfterUse() {
        var log = signedIn()
        log.refresh(1, presented: 1, successor: 2)
        log.refresh(1, presented: 2, successor: 3)
        #expect(log.refresh(1, presented: 1, successor: 4) == .refused(.refreshReused))
        #expect(log.session(1) == nil)
        #expect(log.refresh(1, presented: 3, successor: 4) == .refused(.unknownSession))
    }

    @Test("reuse ends its own session and no other of the user")
    func reuseIsContained() {
        var log = signedIn()
        log.signIn("root", session: 2, token: 9)
        log.refresh(1, presented: 77, successor: 78)
        #expect(log.state.sessions.sessions(of: "root").map(\.id.low) == [2])
    }

    @Test("a token that would succeed itself is refused without harm")
    func selfSuccession() {
        var log = signedIn()
        #expect(log.refresh(1, presented: 1, successor: 1) == .refused(.malformed))
        #expect(log.refresh(1, presented: 1, successor: 2).sealedSuccessor == [2, 2])
    }

    @Test("the committed entry applied twice, as after a retry through the log, rotates once")
    func repeatedEntry() {
        var log = signedIn()
        let entry = log.envelope(.refresh(1, presented: 1, successor: 2), sequence: 50)
        let first = log.applyEnvelope(entry)
        log.refresh(1, presented: 2, successor: 3)
        let again = log.applyEnvelope(entry)
        #expect(again.isRepeat && again.reply == first.reply)
        #expect(log.session(1) != nil)
    }

    @Test("expiry forgets a sealed successor nobody may ask for any more, and the verdict stays the same")
    func sealedIsForgotten() {
        var log = signedIn()
        log.refresh(1, presented: 1, successor: 2)
        let held = AuthoritySnapshot.encode(log.state).count
        log.wait(.seconds(61))
        log.apply(.expireSessions)
        #expect(AuthoritySnapshot.encode(log.state).count < held)
        #expect(log.refresh(1, presented: 1, successor: 4) == .refused(.refreshReused))
    }
}
