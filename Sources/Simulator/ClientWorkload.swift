import Authority
import NodeCore
import Primitives

/// Clients that never stop: values written and read on random nodes, people who sign in and out. What each of them was
/// told is handed to the checkers, so that a run is judged by what clients saw and not only by what nodes hold.
///
/// Each key has at most one operation under way, so its history is a line with forks only where an outcome stayed
/// unknown (`RegisterChecker`).
package struct ClientWorkload: Sendable {
    private enum Operation: Sendable {
        /// `mayHaveHappened`: an earlier attempt at the same write stayed without an answer.
        case write(key: Int, value: UInt64, mayHaveHappened: Bool)
        /// The twin of a write that was asked for twice: its answer says nothing new.
        case twin
        case read(key: Int, node: Int, life: Int)
        case signIn(SessionID)
        case signOut(SessionID)
    }

    /// What came of the operations so far.
    package struct Tally: Hashable, Sendable {
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
        /// Ask two nodes at once for the same write.
        package var duplicatePerMille = 0
        /// Go away before the answer.
        package var abandonPerMille = 0
        /// Come in a crowd of thirty.
        package var burstPerMille = 0
        /// Store kilobytes instead of bytes, so that messages travel on streams.
        package var largePerMille = 0
        package init() {}
    }

    private static let keyCount = 64
    private static let sessionsMax = 50
    private static let userName = "ada"

    package var habits = Habits()
    package private(set) var tally = Tally()
    private var random: SeededRandom
    private var pending: [(request: RequestID, operation: Operation, givenUpAt: Instant)] = []
    private var registers: [RegisterChecker]
    private let keys: [ValueKey]
    private var busyKeys: Set<Int> = []
    private var nextValue: UInt64 = 1
    private var open: [SessionID] = []
    private let user: UserName
    private var hasUser = false

    package init(random: SeededRandom) {
        self.random = random
        keys = (0..<Self.keyCount).map { number in
            guard let key = ValueKey("key-\(number)") else { preconditionFailure("key-\(number) is no key") }
            return key
        }
        guard let user = UserName(Self.userName) else { preconditionFailure("\(Self.userName) is no user name") }
        self.user = user
        registers = Array(repeating: RegisterChecker(), count: Self.keyCount)
    }

    /// Collects answers, then starts one operation on a random node that runs, or a crowd of them.
    package mutating func step(_ world: inout World) {
        collect(&world)
        var count = 1
        if strikes(habits.burstPerMille, .burst, &world) { count = 30 }
        for _ in 0..<count { startOne(&world) }
    }

    private mutating func startOne(_ world: inout World) {
        guard let node = awakeNode(world) else { return }
        if !hasUser {
            hasUser = world.hasUsers(node)
            if !hasUser {
                _ = world.submit(.createUser(name: user, verifier: .simulated, role: .admin), to: node)
                return
            }
        }
        switch random.below(10) {
        case 0..<5: write(on: node, &world)
        case 5..<8: read(on: node, &world)
        case 8: signIn(on: node, &world)
        default: signOut(on: node, &world)
        }
    }

    private mutating func awakeNode(_ world: World) -> Int? {
        random.element(of: (0..<world.nodeCount).filter { world.nodes[$0].isAwake })
    }

    private mutating func strikes(_ perMille: Int, _ fault: FaultClass, _ world: inout World) -> Bool {
        guard perMille > 0, random.chance(perMille, in: 1000) else { return false }
        world.faults.note(fault)
        return true
    }

    /// Takes the answers that have arrived.
    package mutating func collect(_ world: inout World) {
        var waiting: [(request: RequestID, operation: Operation, givenUpAt: Instant)] = []
        for item in pending {
            if let answer = world.takeAnswer(to: item.request) {
                note(answer, to: item.operation, &world)
            } else if world.now >= item.givenUpAt {
                abandon(item.operation)
            } else {
                waiting.append(item)
            }
        }
        pending = waiting
    }

    // MARK: Operations

    private mutating func write(on node: Int, _ world: inout World) {
        guard let key = freeKey() else { return }
        let value = nextValue
        nextValue += 1
        busyKeys.insert(key)
        submit(value, under: key, to: node, mayHaveHappened: false, &world)
        if strikes(habits.duplicatePerMille, .duplicateRequest, &world), let other = awakeNode(world) {
            registers[key].noteUnknown(value)
            wait(for: world.submit(putCommand(value, under: key), to: other), .twin, world)
        }
        if strikes(habits.abandonPerMille, .abandonedRequest, &world), let (request, _, _) = pending.last {
            world.forget(request, on: node)
        }
    }

    private mutating func submit(
        _ value: UInt64, under key: Int, to node: Int, mayHaveHappened: Bool, _ world: inout World
    ) {
        let request = world.submit(putCommand(value, under: key), to: node)
        wait(for: request, .write(key: key, value: value, mayHaveHappened: mayHaveHappened), world)
    }

    /// Large or small by its number, so that a repeated write is the same write.
    private func putCommand(_ value: UInt64, under key: Int) -> AuthorityCommand {
        let padding = Int(value % 1000) < habits.largePerMille ? 2048 : 0
        return .putValue(
            key: keys[key], value: Self.encode(value, padding: padding), condition: .none, author: .simulated)
    }

    private mutating func read(on node: Int, _ world: inout World) {
        guard let key = freeKey() else { return }
        busyKeys.insert(key)
        wait(for: world.readBarrier(at: node), .read(key: key, node: node, life: world.nodes[node].life), world)
    }

    private mutating func signIn(on node: Int, _ world: inout World) {
        guard let revision = world.user(user, on: node)?.passwordRevision else { return }
        guard open.count < Self.sessionsMax else { return signOut(on: node, &world) }
        let id = SessionID.drawn(from: &random)
        let grant = SessionGrant(
            id: id, user: user, passwordRevision: revision, node: world.nodes[node].id,
            refreshHash: Bytes32.drawn(from: &random), label: .simulated)
        wait(for: world.submit(.grantSession(grant), to: node), .signIn(id), world)
    }

    private mutating func signOut(on node: Int, _ world: inout World) {
        guard !open.isEmpty else { return }
        let id = open.remove(at: random.below(open.count))
        world.checkers.noteDoubtful(id)
        wait(for: world.submit(.revokeSession(id), to: node), .signOut(id), world)
    }

    private mutating func wait(for request: RequestID, _ operation: Operation, _ world: World) {
        pending.append((request, operation, world.now + .seconds(20)))
    }

    private mutating func freeKey() -> Int? {
        let key = random.below(Self.keyCount)
        return busyKeys.contains(key) ? nil : key
    }

    // MARK: Answers

    private mutating func note(_ answer: NodeAnswer, to operation: Operation, _ world: inout World) {
        switch answer {
        case .committed, .readable: tally.succeeded += 1
        case .refused(.outcomeUnknown): tally.unknown += 1
        case .refused: tally.refused += 1
        }
        switch operation {
        case .write(let key, let value, let mayHaveHappened):
            noteWrite(key, value, answer, mayHaveHappened: mayHaveHappened, &world)
        case .twin: break
        case .read(let key, let node, let life):
            busyKeys.remove(key)
            guard case .readable = answer, world.nodes[node].life == life else { return }
            let stored = world.nodes[node].read { $0.authority.values[keys[key]] } ?? nil
            let found = stored.map { Self.decode($0.bytes) } ?? 0
            if let violation = registers[key].noteRead(found) { world.report("\(keys[key]): \(violation)") }
        case .signIn(let id):
            guard case .committed(.granted, let index) = answer else { return }
            world.checkers.noteGranted(id, at: index)
            open.append(id)
        case .signOut(let id):
            guard case .committed(.sessionsEnded, let index) = answer else { return }
            world.checkers.noteEnded(id, at: index)
        }
    }

    private mutating func noteWrite(
        _ key: Int, _ value: UInt64, _ answer: NodeAnswer, mayHaveHappened: Bool, _ world: inout World
    ) {
        busyKeys.remove(key)
        let isOpen: Bool
        switch answer {
        case .committed(.stored, _):
            registers[key].noteWritten(value)
            return
        case .refused(.outcomeUnknown): isOpen = true
        case .committed, .refused: isOpen = mayHaveHappened
        case .readable: return
        }
        if isOpen { registers[key].noteUnknown(value) }
        if strikes(habits.retryPerMille, .retry, &world), let node = awakeNode(world) {
            busyKeys.insert(key)
            submit(value, under: key, to: node, mayHaveHappened: isOpen, &world)
        } else if !isOpen {
            registers[key].noteRefused(value)
        }
    }

    /// The node that was asked is gone: its client learns nothing, and anything may still happen.
    private mutating func abandon(_ operation: Operation) {
        tally.abandoned += 1
        switch operation {
        case .write(let key, let value, _):
            busyKeys.remove(key)
            registers[key].noteUnknown(value)
        case .read(let key, _, _): busyKeys.remove(key)
        case .signIn, .signOut, .twin: break
        }
    }

    private static func encode(_ value: UInt64, padding: Int) -> [UInt8] {
        var writer = ByteWriter(capacity: 8 + padding)
        writer.write(value)
        writer.writeRaw(repeatElement(0, count: padding))
        return writer.bytes
    }

    private static func decode(_ bytes: [UInt8]) -> UInt64 { bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) } }
}
