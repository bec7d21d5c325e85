import Authority
import NodeCore
import Primitives

/// The clients that sign in: who they are, which sessions they hold, and which refresh token each presents next.
struct People: Sendable {
    static let userCount = 4
    /// Of one user, counting those that may exist: the mesh itself ends the oldest beyond 50.
    static let sessionsMax = 40
    /// An exchange may be repeated for a minute of log time; its holder gives up earlier.
    static let retryLimit: Duration = .seconds(45)
    /// A question whose answer was lost may still be under way for so long.
    static let restAfterDoubt: Duration = .seconds(60)

    struct Holder: Sendable {
        let id: SessionID
        var token: Bytes32
        /// Questions under way that present the token.
        var asking = 0
        /// When the present token was presented first; nil if it was not.
        var presentedAt: Instant?
        /// A question that presented the token was not answered, and may still take effect.
        var isDoubted = false
        /// Not to be refreshed before: the token that was presented in doubt must not come after its successor's use.
        var restsUntil: Instant = .zero
    }

    let names: [UserName]
    private var doAllExist = false
    var holders: [Holder] = []
    /// By user: how many sessions may exist.
    var counts = [Int](repeating: 0, count: userCount)
    /// Every successor that was ever proposed; a sealed one is its place here.
    var successors: [Bytes32] = []
    /// What each presented token was exchanged for.
    var exchanges: [Bytes32: Int] = [:]

    init() {
        names = (0..<Self.userCount).map { number in
            guard let name = UserName("user-\(number)") else { preconditionFailure("user-\(number) is no name") }
            return name
        }
    }

    /// Creates the first user that the node does not know, until one knows all.
    mutating func missingUser(on node: Int, _ world: inout World) -> AuthorityCommand? {
        guard !doAllExist else { return nil }
        for (number, name) in names.enumerated() where world.user(name, on: node) == nil {
            return .createUser(name: name, verifier: .simulated, role: number == 0 ? .admin : .user)
        }
        doAllExist = true
        return nil
    }
}

/// A refresh under way.
struct Refresh: Sendable {
    let session: SessionID
    let presented: Bytes32
}

extension ClientWorkload {
    mutating func signIn(on node: Int, _ world: inout World) {
        let user = random.below(People.userCount)
        guard people.counts[user] < People.sessionsMax,
            let revision = world.user(people.names[user], on: node)?.passwordRevision
        else { return }
        people.counts[user] += 1
        let id = SessionID.drawn(from: &random)
        let token = Bytes32.drawn(from: &random)
        let grant = SessionGrant(
            id: id, user: people.names[user], passwordRevision: revision, node: world.nodes[node].id,
            refreshHash: token, label: .simulated)
        people.holders.append(People.Holder(id: id, token: token, asking: 1))
        ask(.signIn(id, user: user), world.submit(.grantSession(grant), to: node), world)
    }

    mutating func noteSignIn(_ id: SessionID, user: Int, _ answered: Answered?, _ world: inout World) {
        guard let place = people.holders.firstIndex(where: { $0.id == id }) else { return }
        if case .committed(.granted, let index)? = answered?.answer {
            people.holders[place].asking = 0
            world.checkers.noteGranted(id, at: index)
        } else {
            people.holders.remove(at: place)
        }
    }

    mutating func signOut(on node: Int, _ world: inout World) {
        let ready = people.holders.indices.filter { people.holders[$0].asking == 0 }
        guard let place = random.element(of: ready) else { return }
        let id = people.holders.remove(at: place).id
        world.checkers.noteDoubtful(id)
        ask(.signOut(id), world.submit(.revokeSession(id), to: node), world)
    }

    mutating func noteSignOut(_ id: SessionID, _ answered: Answered?, _ world: inout World) {
        guard case .committed(.sessionsEnded, let index)? = answered?.answer else { return }
        world.checkers.noteEnded(id, at: index)
    }

    // MARK: Refresh

    /// Presents the token of a session, at times to two nodes at once: both must name the same successor.
    mutating func refresh(on node: Int, _ world: inout World) {
        let ready = people.holders.indices.filter {
            people.holders[$0].asking == 0 && people.holders[$0].restsUntil <= world.now
        }
        guard let place = random.element(of: ready) else { return }
        let first = people.holders[place].presentedAt ?? world.now
        guard world.now < first + People.retryLimit else {
            // Too late to repeat it: the mesh would take it for stolen, and would be right.
            world.checkers.noteDoubtful(people.holders.remove(at: place).id)
            return
        }
        people.holders[place].presentedAt = first
        present(place, on: node, &world)
        if strikes(habits.duplicatePerMille, .duplicateRequest, &world), let other = awakeNode(world) {
            present(place, on: other, &world)
        }
    }

    private mutating func present(_ place: Int, on node: Int, _ world: inout World) {
        let holder = people.holders[place]
        let successor = Bytes32.drawn(from: &random)
        let rotation = RefreshRotation(
            session: holder.id, presentedHash: holder.token, successorHash: successor,
            sealedSuccessor: ValueClients.encode(people.successors.count, padding: 0))
        people.successors.append(successor)
        people.holders[place].asking += 1
        let request = world.submit(.rotateRefresh(rotation), to: node)
        ask(.refresh(Refresh(session: holder.id, presented: holder.token)), request, world)
    }

    mutating func noteRefresh(_ refresh: Refresh, _ answered: Answered?, _ world: inout World) {
        guard let place = people.holders.firstIndex(where: { $0.id == refresh.session }) else { return }
        people.holders[place].asking -= 1
        switch answered?.answer {
        case .committed(.rotated(_, let sealed), _):
            let number = ValueClients.decode(sealed)
            if let other = people.exchanges.updateValue(number, forKey: refresh.presented), other != number {
                world.report("sessions: one refresh token of \(refresh.session) bought two successors")
            }
            people.holders[place].token = people.successors[number]
            people.holders[place].presentedAt = nil
            if people.holders[place].isDoubted { rest(place, world) }
        case .committed(.refused(.refreshReused), _):
            world.report("sessions: the newest refresh token of \(refresh.session) was taken for an old one")
            people.holders.remove(at: place)
        case .committed(.refused(.unknownSession), _):
            world.report("sessions: \(refresh.session) was lost, as its refresh shows")
            people.holders.remove(at: place)
        case .refused(.noQuorum), .refused(.overloaded), .refused(.stopping): break
        case .committed, .readable, .refused(.outcomeUnknown), nil:
            people.holders[place].isDoubted = true
            if people.holders[place].token != refresh.presented { rest(place, world) }
        }
    }

    private mutating func rest(_ place: Int, _ world: World) {
        people.holders[place].isDoubted = false
        people.holders[place].restsUntil = world.now + People.restAfterDoubt
    }
}
