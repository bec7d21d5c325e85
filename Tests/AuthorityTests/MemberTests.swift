import Authority
import Primitives
import Testing

@Suite("Joining by token, and being revoked")
struct MemberTests {
    private func log() -> TestLog {
        var log = TestLog.started()
        log.state.raise(to: .current)
        log.origin = TestRoster.origin
        return log
    }

    private func token(
        _ number: UInt64, by issuer: NodeID = TestRoster.ada, isCore: Bool = false, lifetime: Duration = .seconds(3600)
    ) -> JoinToken {
        JoinToken(
            id: JoinTokenID(high: 0, low: number), isCore: isCore, rank: 7, mayVote: true,
            expiresAt: TestLog.epoch + lifetime, issuer: issuer, author: "root", label: "",
            copies: [.init(node: TestRoster.ada, sealed: [1])])
    }

    private func member(_ number: UInt64, name: String = "new", isCore: Bool = false) -> RosterMember {
        RosterMember(
            name: Label(sanitising: name), node: NodeID(high: 5, low: number),
            exchangeKey: .sample(UInt8(100 + number)),
            signingKey: .sample(UInt8(number)), replica: ReplicaID(100 + number), isCore: isCore, rank: 7,
            mayVote: true,
            endpoint: Endpoint(ipv4: 10, 0, 0, 9, port: 7946))
    }

    @discardableResult
    private func sign(
        _ record: RosterRecord, on log: inout TestLog, by signer: NodeID = TestRoster.ada
    ) -> AuthorityReply {
        log.apply(.changeRoster(TestRoster.signed(record, revision: log.state.roster.revision, by: signer)))
    }

    private func admit(_ number: UInt64, with token: UInt64, name: String = "new", isCore: Bool = false) -> RosterRecord
    {
        .admit(Admission(token: JoinTokenID(high: 0, low: token), member: member(number, name: name, isCore: isCore)))
    }

    @Test("a token lets one node in, once, as what it says, until it expires")
    func tokens() {
        var log = log()
        #expect(sign(admit(1, with: 1), on: &log) == .refused(.unknownToken))
        #expect(sign(.issueToken(token(1)), on: &log) == .done)
        #expect(sign(.issueToken(token(1)), on: &log) == .refused(.idTaken))
        #expect(sign(admit(1, with: 1, isCore: true), on: &log) == .refused(.malformed), "it made itself core")
        #expect(sign(admit(1, with: 1, name: "bob"), on: &log) == .refused(.nameTaken))
        #expect(sign(admit(1, with: 1), on: &log) == .done)
        #expect(log.state.roster.admitted.map(\.node) == [NodeID(high: 5, low: 1)])
        #expect(sign(admit(2, with: 1, name: "other"), on: &log) == .refused(.unknownToken), "used")
        sign(.issueToken(token(2, lifetime: .seconds(60))), on: &log)
        #expect(sign(admit(1, with: 2, name: "again"), on: &log) == .refused(.idTaken))
        log.wait(.seconds(61))
        log.apply(.anchorClock(TestLog.epoch + .seconds(61)))
        #expect(sign(admit(3, with: 2, name: "late"), on: &log) == .refused(.unknownToken), "expired")
        sign(.issueToken(token(3)), on: &log)
        #expect(log.state.roster.token(JoinTokenID(high: 0, low: 2)) == nil, "expired ones make room")
        #expect(sign(.revokeToken(JoinTokenID(high: 0, low: 3)), on: &log) == .done)
        #expect(sign(admit(3, with: 3, name: "late"), on: &log) == .refused(.unknownToken), "withdrawn")
    }

    @Test("an edge node neither invites nor admits nor revokes; a core node that joined does")
    func classes() {
        var log = log()
        #expect(sign(.issueToken(token(1, by: TestRoster.edge)), on: &log, by: TestRoster.edge) == .refused(.unsigned))
        #expect(sign(.revoke(TestRoster.ada), on: &log, by: TestRoster.edge) == .refused(.unsigned))
        sign(.issueToken(token(1)), on: &log)
        sign(.issueToken(token(2, isCore: true)), on: &log)
        sign(admit(4, with: 1, name: "laptop"), on: &log)
        sign(admit(5, with: 2, name: "server", isCore: true), on: &log)
        #expect(sign(.revoke(TestRoster.edge), on: &log, by: NodeID(high: 5, low: 4)) == .refused(.unsigned))
        #expect(sign(.revoke(TestRoster.edge), on: &log, by: NodeID(high: 5, low: 5)) == .done)
    }

    @Test(
        "a revoked node takes along its signing keys, the sessions that it granted and the tokens that it made; for ever"
    )
    func revocation() {
        var log = log()
        let thief = TestRoster.bob
        log.apply(.createUser(name: "ada", verifier: .sample, role: .user))
        log.apply(.publishSigningKey(.sample(1, of: thief.low)))
        log.apply(.publishSigningKey(.sample(2, of: TestRoster.ada.low)))
        for (session, node) in [(1, thief), (2, TestRoster.ada)] as [(UInt64, NodeID)] {
            log.apply(
                .grantSession(
                    SessionGrant(
                        id: SessionID(high: 0, low: session), user: "ada",
                        passwordRevision: log.state.users["ada"]?.passwordRevision ?? .zero, node: node,
                        refreshHash: .sample(UInt8(session)), label: "")))
        }
        sign(.issueToken(token(1, by: thief)), on: &log, by: thief)
        #expect(sign(.revoke(thief), on: &log) == .done)
        #expect(log.state.signingKeys.keys(of: thief).isEmpty && log.state.signingKeys.count == 1)
        #expect(log.state.sessions[SessionID(high: 0, low: 1)] == nil)
        #expect(log.state.sessions[SessionID(high: 0, low: 2)] != nil)
        #expect(log.state.roster.tokens.isEmpty && log.state.roster.isRevoked(thief))
        #expect(log.apply(.publishSigningKey(.sample(3, of: thief.low))) == .refused(.unknownMember))
        #expect(sign(.revoke(thief), on: &log) == .refused(.unknownMember))
        #expect(sign(.revoke(TestRoster.edge), on: &log, by: thief) == .refused(.unsigned))
        #expect(sign(.revoke(TestRoster.ada), on: &log) == .refused(.lastCore))
        // Its name is free again; its id is not.
        sign(.issueToken(token(2)), on: &log)
        #expect(sign(admit(6, with: 2, name: "bob"), on: &log) == .done)
    }

    @Test("a revoked node can be shown the record: it proves itself, and nobody can make one up")
    func notice() throws {
        var log = log()
        sign(.revoke(TestRoster.edge), on: &log)
        let roster = log.state.roster
        let held = try #require(roster.revocations.first)
        let told = try Revocation(notice: held.notice, of: TestRoster.edge)
        #expect(roster.isGenuine(told, origin: TestRoster.origin))
        #expect(RosterTable().isGenuine(told, origin: TestRoster.origin), "who was away knows the genesis alone")
        #expect(!roster.isGenuine(try Revocation(notice: held.notice, of: TestRoster.bob), origin: TestRoster.origin))
        for place in held.notice.indices {
            var forged = held.notice
            forged[place] ^= 1
            let revocation = try Revocation(notice: forged, of: TestRoster.edge)
            #expect(!roster.isGenuine(revocation, origin: TestRoster.origin))
        }
    }

    @Test("a snapshot keeps members, revocations and tokens, and is refused where it is cut or contradicts itself")
    func snapshots() throws {
        var log = log()
        sign(.issueToken(token(1)), on: &log)
        sign(.issueToken(token(2)), on: &log)
        sign(admit(4, with: 1), on: &log)
        sign(.revoke(TestRoster.edge), on: &log)
        let bytes = AuthoritySnapshot.encode(log.state)
        let read = try AuthoritySnapshot.decode(bytes)
        #expect(read.roster == log.state.roster && AuthoritySnapshot.encode(read) == bytes)
        let file = log.state.roster.encoded()
        #expect(try RosterTable(decoding: file) == log.state.roster)
        for length in 0..<file.count {
            #expect(throws: DecodeError.self) { try RosterTable(decoding: Array(file[..<length])) }
        }
    }

    @Test("tables are bounded: a full one refuses and changes nothing")
    func bounds() {
        var log = log()
        for number in 0..<UInt64(JoinToken.countMax) { sign(.issueToken(token(number)), on: &log) }
        #expect(sign(.issueToken(token(999)), on: &log) == .refused(.limitReached))
        let room = UInt64(RosterTable.membersMax - TestRoster.origin.members.count)
        for number in 0..<room { #expect(sign(admit(number, with: number, name: "n\(number)"), on: &log) == .done) }
        #expect(sign(admit(room, with: room, name: "one too many"), on: &log) == .refused(.limitReached))
    }
}
