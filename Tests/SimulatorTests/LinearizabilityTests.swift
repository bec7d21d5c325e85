import Foundation
import Primitives
import Simulator
import Testing

@Suite("Linearizability (Herlihy and Wing, 1990)")
struct LinearizabilityTests {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appending(path: "Histories")

    private static func recorded(_ name: String) throws -> [HistoryEvent] {
        let text = try String(contentsOf: folder.appending(path: name), encoding: .utf8)
        return try text.split(separator: "\n").map { try JSONDecoder().decode(HistoryEvent.self, from: Data($0.utf8)) }
    }

    @Test("recorded histories of etcd get the verdicts that another checker gave them")
    func recordedHistories() throws {
        let data = try Data(contentsOf: Self.folder.appending(path: "expected.json"))
        let expected = try JSONDecoder().decode([String: Bool].self, from: data)
        #expect(expected.count > 50)
        for (name, isLinearizable) in expected.sorted(by: { $0.key < $1.key }) {
            let verdict = try Self.verdict(Self.recorded(name))
            #expect(verdict != .undecided, "\(name)")
            #expect((verdict == .linearizable) == isLinearizable, "\(name): \(verdict)")
        }
    }

    @Test("a history that is written can be read again")
    func lines() throws {
        for event in try Self.recorded("register-000.jsonl") {
            #expect(try JSONDecoder().decode(HistoryEvent.self, from: Data(event.line.utf8)) == event)
        }
    }

    /// `1w5` process 1 begins to write 5, `1:` it is told, `1!` it failed, `1?` it never hears; `2r` begins to read and
    /// `2=5` found 5, `3c4,5` begins to replace 4 by 5.
    private static let tales: [(String, LinearizabilityChecker.Verdict?, String)] = [
        ("1w5 1: 2r 2=5", .linearizable, "what was written is read"),
        ("1w5 1: 2r 2=-", nil, "an acknowledged write is missed"),
        ("1w5 2r 2=- 1:", .linearizable, "a write under way is not seen yet"),
        ("1w5 2r 2=5 3r 3=- 1:", nil, "a write is seen, and then no more"),
        ("1w5 1? 2r 2=- 3r 3=5", .linearizable, "an unknown write takes effect late"),
        ("1w5 1? 2r 2=5 3r 3=-", nil, "an unknown write is undone"),
        ("1w5 1! 2r 2=5", nil, "a refused write is seen"),
        ("1w4 1: 3c4,5 3: 2r 2=5", .linearizable, "a value is replaced"),
        ("1w4 1: 3c4,5 3! 2r 2=4", nil, "a comparison fails though the value is right"),
        ("1w4 1: 3c7,5 3! 2r 2=4", .linearizable, "a comparison fails as it should"),
        ("1w4 1: 5w6 5? 3c4,5 3! 2r 2=6", .linearizable, "an unknown write explains a failed comparison"),
        ("1w4 1: 5w6 5? 3c4,5 3! 2r 2=4", nil, "one value is twice there, and was another between"),
        ("1w4 1: 3c4,5 4c4,6 3: 4:", nil, "two replace one value"),
        ("1w4 1: 3c4,5 3? 4c4,6 4: 2r 2=5", nil, "two replace one value, and one of them never hears"),
        ("3c-,5 3: 4c-,6 4! 2r 2=5", .linearizable, "created once"),
        ("1w1 2w2 1: 2: 3r 3=1 3r 3=1", .linearizable, "writes at once end in either order"),
        ("1w1 2w2 1: 2: 3r 3=1 3r 3=2", nil, "but in one order only"),
    ]

    @Test("small tales, each with the only verdict it can have", arguments: tales.indices)
    func tale(number: Int) throws {
        let (text, expected, what) = Self.tales[number]
        let verdict = try Self.verdict(Self.tell(text))
        #expect((verdict == .linearizable) == (expected == .linearizable), "\(what): \(verdict)")
    }

    /// Any run of a register is linearizable; with one answer changed to a value that nobody wrote, none is.
    @Test("random runs of a register are accepted, and refused once one answer is made up", arguments: 1...30)
    func random(seed: UInt64) throws {
        var random = SeededRandom(seed: seed)
        var events = Self.run(&random)
        #expect(try Self.verdict(events) == .linearizable)
        let reads = events.indices.filter { events[$0].f == .read && events[$0].type == .ok }
        let place = reads[random.below(reads.count)]
        let event = events[place]
        events[place] = HistoryEvent(
            process: event.process, type: .ok, f: .read, key: "k", value: .single(9999), time: event.time)
        #expect(try Self.verdict(events) != .linearizable)
    }

    @Test("small histories with made-up answers get the verdict of trying every order", arguments: 1...20)
    func everyOrder(seed: UInt64) {
        var random = SeededRandom(seed: seed)
        var verdicts: [Bool: Int] = [:]
        for _ in 0..<200 {
            let actions: [RegisterOperation.Action] = (0..<7).map { _ in
                let (a, b) = (random.below(3), random.below(3))
                let values: [Int?] = [nil, 1, 2]
                let swap = RegisterOperation.Action.swap(from: values[a], to: values[b])
                return [.read(values[a]), .write(values[a]), swap, .differs(from: values[a])][random.below(4)]
            }
            let operations = actions.enumerated().map { number, action in
                let call = 2 * number
                let end = random.chance(1, in: 4) ? nil : call + 1 + 2 * random.below(5)
                return RegisterOperation(process: number, action: action, call: call, ret: end)
            }
            let isPossible = Self.tryEveryOrder(of: operations, from: nil)
            #expect((LinearizabilityChecker.check(operations) == .linearizable) == isPossible, "\(operations)")
            verdicts[isPossible, default: 0] += 1
        }
        #expect(verdicts.count == 2)
    }

    private static func tryEveryOrder(of operations: [RegisterOperation], from value: Int?) -> Bool {
        if operations.allSatisfy({ $0.ret == nil }) { return true }
        for (place, operation) in operations.enumerated() {
            let others = operations.enumerated().filter { $0.offset != place }.map(\.element)
            guard others.allSatisfy({ $0.ret ?? .max > operation.call }) else { continue }
            if let next = apply(operation.action, to: value), tryEveryOrder(of: others, from: next) { return true }
        }
        return false
    }

    /// Written apart from the checker's.
    private static func apply(_ action: RegisterOperation.Action, to value: Int?) -> Int?? {
        switch action {
        case .write(let new): return .some(new)
        case .read(let seen): return seen == value ? .some(value) : .none
        case .swap(let old, let new): return old == value ? .some(new) : .none
        case .differs(let old): return old != value ? .some(value) : .none
        }
    }

    @Test("a search is given up at its limit, and says so")
    func limit() throws {
        let operations = try HistoryReader(Self.recorded("register-000.jsonl")).registers[0].operations
        #expect(LinearizabilityChecker.check(operations, situationsMax: 3) == .undecided)
    }

    @Test("a process that asks twice at once, or hears what it did not ask, is no history")
    func malformed() {
        #expect(throws: HistoryReader.Malformed.self) { try HistoryReader(Self.tell("1w5 1w6")) }
        #expect(throws: HistoryReader.Malformed.self) { try HistoryReader(Self.tell("1w5 1: 1:")) }
    }

    // MARK: Making histories

    private static func verdict(_ events: [HistoryEvent]) throws -> LinearizabilityChecker.Verdict {
        let registers = try HistoryReader(events).registers
        return registers.map { LinearizabilityChecker.check($0.operations) }.first { $0 != .linearizable }
            ?? .linearizable
    }

    private static func tell(_ tale: String) -> [HistoryEvent] {
        var asked: [Int: HistoryEvent] = [:]
        return tale.split(separator: " ").enumerated().map { time, word in
            let process = Int(word.prefix(1)) ?? 0
            let rest = word.dropFirst(2)
            func number(_ text: Substring) -> Int? { Int(text) }
            func event(_ type: HistoryEvent.Kind, _ f: HistoryEvent.Function, _ value: HistoryEvent.Value)
                -> HistoryEvent
            {
                HistoryEvent(process: process, type: type, f: f, key: "k", value: value, time: Int64(time))
            }
            let call = asked[process] ?? event(.invoke, .read, .single(nil))
            switch word.dropFirst().first {
            case "w": asked[process] = event(.invoke, .write, .single(number(rest)))
            case "r": asked[process] = event(.invoke, .read, .single(nil))
            case "c":
                let ends = rest.split(separator: ",")
                asked[process] = event(.invoke, .cas, .pair(number(ends[0]), number(ends[1])))
            case "=": return event(.ok, .read, .single(number(rest)))
            case "!": return event(.fail, call.f, call.value)
            case "?": return event(.info, call.f, call.value)
            default: return event(.ok, call.f, call.value)
            }
            return asked[process] ?? call
        }
    }

    /// Eight processes on one register that does what each asks at a random moment before it answers, or never answers.
    private static func run(_ random: inout SeededRandom) -> [HistoryEvent] {
        var events: [HistoryEvent] = []
        var register: Int?
        var waiting: [(call: HistoryEvent, answer: HistoryEvent?)] = []
        var process = 0
        func event(_ of: HistoryEvent, _ type: HistoryEvent.Kind, _ value: HistoryEvent.Value) -> HistoryEvent {
            HistoryEvent(process: of.process, type: type, f: of.f, key: "k", value: value, time: Int64(events.count))
        }
        for number in 0..<90 {
            if waiting.count < 8, random.chance(1, in: 2) {
                process += 1
                let f: HistoryEvent.Function = [.read, .write, .cas][random.below(3)]
                let drawn = random.below(4)
                let value: HistoryEvent.Value = f == .cas ? .pair(drawn, number % 5) : .single(f == .read ? nil : drawn)
                let call = HistoryEvent(
                    process: process, type: .invoke, f: f, key: "k", value: value, time: Int64(number))
                events.append(call)
                waiting.append((call, nil))
            } else if !waiting.isEmpty {
                let place = random.below(waiting.count)
                let call = waiting[place].call
                if let answer = waiting[place].answer {
                    if random.chance(9, in: 10) { events.append(answer) }
                    waiting.remove(at: place)
                } else {
                    switch call.value {
                    case .single(let new) where call.f == .write:
                        register = new
                        waiting[place].answer = event(call, .ok, call.value)
                    case .pair(let old, let new):
                        waiting[place].answer = event(call, register == old ? .ok : .fail, call.value)
                        if register == old { register = new }
                    case .single: waiting[place].answer = event(call, .ok, .single(register))
                    }
                }
            }
        }
        return events
    }
}
