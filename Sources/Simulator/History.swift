import Primitives

/// What clients saw of replicated values, in the order in which they saw it: one line for each beginning and each end
/// of an operation, in the form that Jepsen's checkers read. Written by `meshnode simulate --history`.
///
/// ```
/// {"process":3,"type":"invoke","f":"cas","key":"key-1","value":[4,9],"time":1250000000}
/// {"process":3,"type":"ok","f":"cas","key":"key-1","value":[4,9],"time":1262000000}
/// ```
/// `ok`: it took effect. `fail`: it did not and never will; of a compare-and-set, that the value was another. `info`:
/// nobody knows, and it may take effect at any later time. A process does one thing at a time, and none after an `info`.
package struct HistoryEvent: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, Codable { case invoke, ok, fail, info }
    package enum Function: String, Hashable, Sendable, Codable { case read, write, cas }

    /// A register holds a number or nothing.
    package enum Value: Hashable, Sendable {
        case single(Int?)
        /// Compared with the first, and replaced by the second.
        case pair(Int?, Int?)
    }

    package let process: Int
    package let type: Kind
    package let f: Function
    package let key: String
    package let value: Value
    /// Nanoseconds since the run began.
    package let time: Int64

    package init(process: Int, type: Kind, f: Function, key: String, value: Value, time: Int64) {
        self.process = process
        self.type = type
        self.f = f
        self.key = key
        self.value = value
        self.time = time
    }

    /// One line of JSON, without its end.
    package var line: String {
        let fields = "\"process\":\(process),\"type\":\"\(type)\",\"f\":\"\(f)\""
        return "{\(fields),\"key\":\"\(key)\",\"value\":\(value.json),\"time\":\(time)}"
    }
}

extension HistoryEvent: Codable {}

extension HistoryEvent.Value: Codable {
    package init(from decoder: any Decoder) throws {
        if var list = try? decoder.unkeyedContainer() {
            self = .pair(try list.decode(Int?.self), try list.decode(Int?.self))
        } else {
            let one = try decoder.singleValueContainer()
            self = .single(one.decodeNil() ? nil : try one.decode(Int.self))
        }
    }

    package func encode(to encoder: any Encoder) throws {
        switch self {
        case .single(let number):
            var one = encoder.singleValueContainer()
            try one.encode(number)
        case .pair(let old, let new):
            var list = encoder.unkeyedContainer()
            try list.encode(old)
            try list.encode(new)
        }
    }

    fileprivate var json: String {
        func text(_ number: Int?) -> String { number.map(String.init) ?? "null" }
        switch self {
        case .single(let number): return text(number)
        case .pair(let old, let new): return "[\(text(old)),\(text(new))]"
        }
    }
}

/// A history that is being written. Answers may be added later than they came: they are put in order at the end.
package struct History: Sendable {
    private var marks: [(at: Instant, isEnd: Bool, event: HistoryEvent)] = []
    /// Processes that wait for nothing, and since when.
    private var idle: [(process: Int, since: Instant)] = []
    private var processes = 0

    package init() {}

    /// Returns the process that does it.
    mutating func begin(_ f: HistoryEvent.Function, _ key: String, _ value: HistoryEvent.Value, at now: Instant) -> Int
    {
        let process: Int
        if let first = idle.first, first.since < now {
            process = idle.removeFirst().process
        } else {
            process = processes
            processes += 1
        }
        note(process, .invoke, f, key, value, at: now)
        return process
    }

    mutating func end(
        _ process: Int, _ type: HistoryEvent.Kind, _ f: HistoryEvent.Function, _ key: String,
        _ value: HistoryEvent.Value,
        at now: Instant
    ) {
        note(process, type, f, key, value, at: now)
        if type != .info { idle.append((process, now)) }
    }

    private mutating func note(
        _ process: Int, _ type: HistoryEvent.Kind, _ f: HistoryEvent.Function, _ key: String,
        _ value: HistoryEvent.Value,
        at now: Instant
    ) {
        let event = HistoryEvent(process: process, type: type, f: f, key: key, value: value, time: now.nanoseconds)
        marks.append((now, type != .invoke, event))
    }

    /// In order of time; what begins and ends at one moment overlaps.
    package var events: [HistoryEvent] {
        marks.enumerated().sorted { a, b in
            if a.element.at != b.element.at { return a.element.at < b.element.at }
            if a.element.isEnd != b.element.isEnd { return b.element.isEnd }
            return a.offset < b.offset
        }.map(\.element.event)
    }

    /// What no single register can have done, key by key.
    package func violations() -> [String] {
        let registers: [(key: String, operations: [RegisterOperation])]
        do throws(HistoryReader.Malformed) { registers = try HistoryReader(events).registers } catch {
            return ["the history is malformed at \(error.place): \(error.reason)"]
        }
        return registers.compactMap { key, operations in
            switch LinearizabilityChecker.check(operations) {
            case .linearizable: nil
            case .undecided: "linearizability of \(key) is undecided: \(operations.count) operations"
            case .impossible(let operation):
                "linearizability: \(key) cannot have done all that was answered; process \(operation.process) with"
                    + " \(operation.action) fits nowhere"
            }
        }
    }
}
