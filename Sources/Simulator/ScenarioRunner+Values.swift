import Authority
import NodeCore
import Primitives

/// What the clients of a story saw of values: judged at its end, like the history of a seed, so that a value that is lost
/// or contradicted is a broken promise and not only another line. `get local=yes` promises nothing, and is left out.
struct StoryValues: Sendable {
    /// A write under way, as the history knows it.
    struct Write: Sendable {
        let process: Int
        let key: String
        let f: HistoryEvent.Function
        let value: HistoryEvent.Value
    }

    private(set) var history = History()
    /// Each text stands for a number: its place here.
    private var texts: [String] = []
    /// Writes that were begun and not waited for, by their labels.
    var begun: [String: Write] = [:]

    private mutating func number(of text: String) -> Int {
        if let place = texts.firstIndex(of: text) { return place }
        texts.append(text)
        return texts.count - 1
    }

    mutating func beginWrite(_ key: String, _ text: String, ifAbsent: Bool, at now: Instant) -> Write {
        let number = number(of: text)
        let value: HistoryEvent.Value = ifAbsent ? .pair(nil, number) : .single(number)
        let f: HistoryEvent.Function = ifAbsent ? .cas : .write
        return Write(process: history.begin(f, key, value, at: now), key: key, f: f, value: value)
    }

    mutating func end(_ write: Write, _ answer: NodeAnswer?, at now: Instant) {
        let type: HistoryEvent.Kind =
            switch answer {
            case .committed(.stored, _): .ok
            // Of a compare-and-set, `fail` says that the value was another.
            case .committed(.refused(.conditionFailed), _) where write.f == .cas: .fail
            case .committed(.refused, _) where write.f == .write: .fail
            case .refused(.outcomeUnknown), .committed, .readable, nil: .info
            case .refused: write.f == .write ? .fail : .info
            }
        history.end(write.process, type, write.f, write.key, write.value, at: now)
    }

    mutating func beginRead(_ key: String, at now: Instant) -> Int {
        history.begin(.read, key, .single(nil), at: now)
    }

    /// - Parameter found: nil without an answer.
    mutating func endRead(_ process: Int, _ key: String, found: String??, at now: Instant) {
        let value = found.map { text in text.map { number(of: $0) } }
        history.end(process, value == nil ? .fail : .ok, .read, key, .single(value ?? nil), at: now)
    }
}
