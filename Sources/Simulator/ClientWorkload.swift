import Authority
import NodeCore
import Primitives

/// Clients that never stop: values written, read, replaced and deleted on random nodes, people who sign in, refresh and
/// sign out, locks taken and used. What each of them was told is handed to checkers, so that a run is judged by what
/// clients saw and not only by what nodes hold.
///
/// Every stored value is a number of its own, so that a read tells which write it saw. A client that was not answered
/// learns nothing, and anything may still happen: `info` in the history, and no promise about its session.
package struct ClientWorkload: Sendable {
    enum Operation: Sendable {
        case value(ValueOperation)
        case signIn(SessionID, user: Int)
        case signOut(SessionID)
        case refresh(Refresh)
        case acquire(lock: Int, lifetime: Duration)
        case renew(HeldLock, lifetime: Duration)
        case release
        case guardedWrite(HeldLock)
        case createUser
    }

    struct Pending: Sendable {
        let request: RequestID
        let operation: Operation
        let asked: Instant
    }

    /// What came of the operations so far.
    package struct Tally: Hashable, Sendable {
        package var begun = 0
        package var succeeded = 0
        /// Refused with nothing appended (503).
        package var refused = 0
        /// May have taken effect (504).
        package var unknown = 0
        /// Started and lost with the node that was asked.
        package var abandoned = 0
        package var answered: Int { succeeded + refused + unknown }
    }

    /// What clients do besides asking and waiting, in thousandths of their operations.
    package struct Habits: Hashable, Sendable {
        /// Repeat a write elsewhere that was refused or not answered.
        package var retryPerMille = 0
        /// Ask two nodes at once for the same thing.
        package var duplicatePerMille = 0
        /// Go away before the answer.
        package var abandonPerMille = 0
        /// Come in a crowd of thirty.
        package var burstPerMille = 0
        /// Store kilobytes instead of bytes, so that messages travel on streams.
        package var largePerMille = 0
        /// Reads that go with each operation, each of another key.
        package var readsBesides = 0
        package init() {}
    }

    /// Where so many wait, nobody asks again: a mesh that refuses at once, and clients that each ask twice, would double
    /// them for ever.
    private static let pendingMax = 1000
    var hasRoom: Bool { pending.count < Self.pendingMax }

    /// After which a client takes its question for lost.
    static let patience: Duration = .seconds(20)

    package var habits = Habits()
    package internal(set) var tally = Tally()
    package internal(set) var history = History()
    var random: SeededRandom
    private var pending: [Pending] = []
    var values = ValueClients()
    var people = People()
    var locks = LockClients()

    package init(random: SeededRandom) { self.random = random }

    /// Collects answers, then starts one operation on a random node that runs, or a crowd of them.
    package mutating func step(_ world: inout World) {
        collect(&world)
        let count = strikes(habits.burstPerMille, .burst, &world) ? 30 : 1
        for _ in 0..<count { startOne(&world) }
        for _ in 0..<habits.readsBesides {
            if let node = awakeNode(world) { startRead(on: node, &world) }
        }
    }

    private mutating func startOne(_ world: inout World) {
        guard let node = awakeNode(world) else { return }
        if let missing = people.missingUser(on: node, &world) {
            return ask(.createUser, world.submit(missing, to: node), world)
        }
        switch random.below(20) {
        case 0..<12: startValue(on: node, &world)
        case 12, 13: signIn(on: node, &world)
        case 14: signOut(on: node, &world)
        case 15, 16: refresh(on: node, &world)
        default: useLock(on: node, &world)
        }
    }

    mutating func awakeNode(_ world: World) -> Int? {
        random.element(of: (0..<world.nodeCount).filter { world.nodes[$0].isAwake })
    }

    mutating func strikes(_ perMille: Int, _ fault: FaultClass, _ world: inout World) -> Bool {
        guard perMille > 0, random.chance(perMille, in: 1000) else { return false }
        world.faults.note(fault)
        return true
    }

    mutating func ask(_ operation: Operation, _ request: RequestID, _ world: World) {
        tally.begun += 1
        pending.append(Pending(request: request, operation: operation, asked: world.now))
    }

    // MARK: Answers

    /// Takes the answers that have arrived.
    package mutating func collect(_ world: inout World) {
        var waiting: [Pending] = []
        let asked = pending
        pending = []
        for item in asked {
            if let answered = world.takeAnswered(item.request) {
                take(answered, item, &world)
            } else if world.now >= item.asked + Self.patience {
                tally.abandoned += 1
                take(nil, item, &world)
            } else {
                waiting.append(item)
            }
        }
        // What was asked again meanwhile comes last.
        pending = waiting + pending
    }

    /// Nil: the node that was asked is gone, or the client is.
    private mutating func take(_ answered: Answered?, _ item: Pending, _ world: inout World) {
        switch answered?.answer {
        case .committed, .readable: tally.succeeded += 1
        case .refused(.outcomeUnknown): tally.unknown += 1
        case .refused: tally.refused += 1
        case nil: break
        }
        switch item.operation {
        case .value(let operation): noteValue(operation, answered, &world)
        case .signIn(let id, let user): noteSignIn(id, user: user, answered, &world)
        case .signOut(let id): noteSignOut(id, answered, &world)
        case .refresh(let refresh): noteRefresh(refresh, answered, &world)
        case .acquire(let lock, let lifetime):
            noteAcquired(lock, lifetime: lifetime, answered, asked: item.asked, &world)
        case .renew(let held, let lifetime):
            noteRenewed(held, lifetime: lifetime, answered, asked: item.asked, &world)
        case .guardedWrite(let held): noteGuardedWrite(held, answered, &world)
        case .release, .createUser: break
        }
    }

    /// What is wrong with the values that were read.
    package func violations() -> [String] { history.violations() }
}
