import Authority
import NodeCore
import Primitives

/// The clients that use values: which numbers they stored, and under which revision they saw them last.
struct ValueClients: Sendable {
    static let keyCount = 12
    /// Operations on one key at a time, so that they meet and a history can still be searched.
    static let overlapMax = 4

    let keys: [ValueKey]
    let names: [String]
    var busy = [Int](repeating: 0, count: keyCount)
    /// What someone saw there last: a number with its revision, or nothing.
    var seen: [(number: Int, revision: LogIndex)?] = Array(repeating: nil, count: keyCount)
    var nextNumber = 1

    init() {
        names = (0..<Self.keyCount).map { "key-\($0)" }
        keys = names.map { name in
            guard let key = ValueKey(name) else { preconditionFailure("\(name) is no key") }
            return key
        }
    }

    mutating func takeNumber() -> Int {
        defer { nextNumber += 1 }
        return nextNumber
    }

    /// A number, followed by zeros.
    static func encode(_ number: Int, padding: Int) -> [UInt8] {
        var writer = ByteWriter(capacity: 8 + padding)
        writer.write(UInt64(number))
        writer.writeRaw(repeatElement(0, count: padding))
        return writer.bytes
    }

    static func decode(_ bytes: [UInt8]) -> Int {
        Int(bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
    }
}

/// One of them under way, as the history knows it.
struct ValueOperation: Sendable {
    let process: Int
    let key: Int
    let f: HistoryEvent.Function
    let value: HistoryEvent.Value
}

extension ClientWorkload {
    mutating func startValue(on node: Int, _ world: inout World) {
        let key = random.below(ValueClients.keyCount)
        guard values.busy[key] < ValueClients.overlapMax else { return }
        switch random.below(12) {
        case 0..<5: read(key, on: node, &world)
        case 5..<8: write(key, on: node, &world)
        case 8: write(key, on: node, isDeleting: true, &world)
        default: replace(key, on: node, &world)
        }
    }

    mutating func startRead(on node: Int, _ world: inout World) {
        let key = random.below(ValueClients.keyCount)
        if values.busy[key] < ValueClients.overlapMax { read(key, on: node, &world) }
    }

    private mutating func read(_ key: Int, on node: Int, _ world: inout World) {
        begin(key, .read, .single(nil), on: node, &world) { world, key in world.read(key, at: node) }
    }

    /// A delete is a write of nothing.
    private mutating func write(_ key: Int, on node: Int, isDeleting: Bool = false, _ world: inout World) {
        let number = isDeleting ? nil : values.takeNumber()
        let bytes = number.map(encode)
        begin(key, .write, .single(number), on: node, &world) { world, key in
            guard let bytes else { return world.submit(.deleteValue(key: key, condition: .none), to: node) }
            return world.submit(.putValue(key: key, value: bytes, condition: .none, author: .simulated), to: node)
        }
        if strikes(habits.duplicatePerMille, .duplicateRequest, &world), let other = awakeNode(world) {
            write(key, on: other, &world)
        }
    }

    /// Replaces what someone saw last. Numbers are never stored twice, so a revision stands for its number.
    private mutating func replace(_ key: Int, on node: Int, _ world: inout World) {
        let seen = values.seen[key]
        let number = values.takeNumber()
        let bytes = encode(number)
        let condition: ValueCondition = seen.map { .ifMatch($0.revision) } ?? .ifNoneMatchAny
        begin(key, .cas, .pair(seen?.number, number), on: node, &world) { world, key in
            world.submit(.putValue(key: key, value: bytes, condition: condition, author: .simulated), to: node)
        }
    }

    private func encode(_ number: Int) -> [UInt8] {
        ValueClients.encode(number, padding: number % 1000 < habits.largePerMille ? 2048 : 0)
    }

    private mutating func begin(
        _ key: Int, _ f: HistoryEvent.Function, _ value: HistoryEvent.Value, on node: Int, _ world: inout World,
        submit: (inout World, ValueKey) -> RequestID
    ) {
        let process = history.begin(f, values.names[key], value, at: world.now)
        values.busy[key] += 1
        let request = submit(&world, values.keys[key])
        ask(.value(ValueOperation(process: process, key: key, f: f, value: value)), request, world)
        if strikes(habits.abandonPerMille, .abandonedRequest, &world) { world.forget(request, on: node) }
    }

    mutating func noteValue(_ operation: ValueOperation, _ answered: Answered?, _ world: inout World) {
        values.busy[operation.key] -= 1
        let (type, value) = judge(operation, answered)
        history.end(
            operation.process, type, operation.f, values.names[operation.key], value, at: answered?.at ?? world.now)
        let isWrite = operation.f == .write && operation.value != .single(nil)
        if isWrite, type == .fail || type == .info, hasRoom, strikes(habits.retryPerMille, .retry, &world),
            let node = awakeNode(world)
        {
            write(operation.key, on: node, &world)
        }
    }

    /// What the answer means to the history, and what it teaches about the key.
    private mutating func judge(
        _ operation: ValueOperation, _ answered: Answered?
    ) -> (HistoryEvent.Kind, HistoryEvent.Value) {
        guard let answered else { return (.info, operation.value) }
        switch answered.answer {
        case .readable:
            let found = answered.found.map { (number: ValueClients.decode($0.bytes), revision: $0.revision) }
            values.seen[operation.key] = found
            return (.ok, .single(found?.number))
        case .committed(.stored(let revision, _), _):
            switch operation.value {
            case .single(let number?), .pair(_, let number?): values.seen[operation.key] = (number, revision)
            case .single(nil), .pair(_, nil): break
            }
            return (.ok, operation.value)
        case .committed(.done, _), .committed(.refused(.unknownValue), _):
            values.seen[operation.key] = nil
            return (.ok, operation.value)
        // Of a compare-and-set, `fail` says that the value was another: nothing else may be called so.
        case .committed(.refused(.conditionFailed), _): return (.fail, operation.value)
        case .committed, .refused(.outcomeUnknown): return (.info, operation.value)
        case .refused: return (operation.f == .cas ? .info : .fail, operation.value)
        }
    }
}
