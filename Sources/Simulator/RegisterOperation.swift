/// One operation on one register, from its call to its return: what a history's two events make together.
package struct RegisterOperation: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        /// Returned this.
        case read(Int?)
        case write(Int?)
        /// Replaced the first by the second.
        case swap(from: Int?, to: Int?)
        /// A compare-and-set that found another value than this.
        case differs(from: Int?)
    }

    package let process: Int
    package let action: Action
    /// Its place in the history.
    package let call: Int
    /// Nil: nobody knows whether it took effect, and it still may.
    package let ret: Int?

    package init(process: Int, action: Action, call: Int, ret: Int?) {
        self.process = process
        self.action = action
        self.call = call
        self.ret = ret
    }

    /// What the register holds afterwards; nil if the action cannot have happened to one that holds `value`.
    func apply(to value: Int?) -> Int?? {
        switch action {
        case .read(let found): found == value ? .some(value) : nil
        case .write(let written): .some(written)
        case .swap(let old, let new): old == value ? .some(new) : nil
        case .differs(let old): old == value ? nil : .some(value)
        }
    }
}

/// Pairs the events of a history, key by key. Operations that cannot have had an effect, and that saw nothing, are left
/// out: writes that failed, and reads without an answer.
package struct HistoryReader: Sendable {
    package struct Malformed: Error, Hashable, Sendable {
        package let place: Int
        package let reason: String
    }

    /// By key, ascending.
    package private(set) var registers: [(key: String, operations: [RegisterOperation])] = []

    package init(_ events: [HistoryEvent]) throws(Malformed) {
        var open: [Int: Int] = [:]
        var operations: [String: [RegisterOperation]] = [:]
        for (place, event) in events.enumerated() {
            guard event.type != .invoke else {
                guard open.updateValue(place, forKey: event.process) == nil else {
                    throw Malformed(place: place, reason: "process \(event.process) already waits for an answer")
                }
                continue
            }
            guard let call = open.removeValue(forKey: event.process) else {
                throw Malformed(place: place, reason: "process \(event.process) did not ask")
            }
            let made = Self.operation(events[call], call: call, end: event, at: place)
            if let made { operations[event.key, default: []].append(made) }
        }
        for (process, call) in open.sorted(by: { $0.value < $1.value }) {
            let event = events[call]
            let end = HistoryEvent(
                process: process, type: .info, f: event.f, key: event.key, value: event.value, time: event.time)
            let made = Self.operation(event, call: call, end: end, at: events.count)
            if let made { operations[event.key, default: []].append(made) }
        }
        registers = operations.map { ($0.key, $0.value.sorted { $0.call < $1.call }) }.sorted { $0.key < $1.key }
    }

    private static func operation(
        _ start: HistoryEvent, call: Int, end: HistoryEvent, at place: Int
    ) -> RegisterOperation? {
        func made(_ action: RegisterOperation.Action, returns: Bool) -> RegisterOperation {
            RegisterOperation(process: start.process, action: action, call: call, ret: returns ? place : nil)
        }
        switch (start.f, start.value, end.type) {
        case (.read, _, .ok):
            guard case .single(let found) = end.value else { return nil }
            return made(.read(found), returns: true)
        case (.read, _, _): return nil
        case (.write, .single(let value), .ok): return made(.write(value), returns: true)
        case (.write, .single(let value), .info): return made(.write(value), returns: false)
        case (.cas, .pair(let old, let new), .ok): return made(.swap(from: old, to: new), returns: true)
        case (.cas, .pair(let old, let new), .info): return made(.swap(from: old, to: new), returns: false)
        case (.cas, .pair(let old, _), .fail): return made(.differs(from: old), returns: true)
        case (.write, _, _), (.cas, _, _): return nil
        }
    }
}
