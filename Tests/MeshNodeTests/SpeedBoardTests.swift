import MeshNode
import Primitives
import Testing

@Suite("What a node says of its speed")
struct SpeedBoardTests {
    private static let start = Instant.zero + .seconds(100)

    private static func seconds(_ tokens: Int, at rate: Double) -> Duration {
        .nanoseconds(Int64(Double(tokens) / rate * 1e9))
    }

    @Test("two answers are not told, three are")
    func toldFromThree() {
        let board = SpeedBoard()
        for count in 1...3 {
            board.noteDecode("m", tokens: 100, in: .seconds(1), now: Self.start)
            board.notePrefill("m", tokens: 1000, in: .seconds(1), now: Self.start)
            let speed = board.speed(of: "m", now: Self.start)
            #expect(speed.decode == (count < 3 ? nil : 100))
            #expect(speed.prefill == (count < 3 ? nil : 1000))
        }
        #expect(board.speed(of: "other", now: Self.start) == SpeedBoard.Speed())
    }

    @Test("a speed is told as long as it is fresh, and no longer", arguments: [Duration.seconds(120), .seconds(7200)])
    func freshness(span: Duration) {
        let board = span == .seconds(120) ? SpeedBoard() : SpeedBoard(freshFor: span)
        for _ in 0..<3 { board.noteDecode("m", tokens: 100, in: .seconds(1), now: Self.start) }
        #expect(board.speed(of: "m", now: Self.start + span).decode == 100)
        #expect(board.speed(of: "m", now: Self.start + span + .nanoseconds(1)).decode == nil)
        #expect(board.measuredAt("m") == Self.start)
        #expect(board.measuredAt("other") == nil)
    }

    @Test("one odd answer moves the figure by no more than a fifth of a fourfold surprise, in either direction")
    func bounded() throws {
        for rate in [1.0, 1e6] {
            let board = SpeedBoard()
            for _ in 0..<20 { board.noteDecode("m", tokens: 100, in: .seconds(1), now: Self.start) }
            board.noteDecode("m", tokens: 100, in: Self.seconds(100, at: rate), now: Self.start)
            let told = try #require(board.speed(of: "m", now: Self.start).decode)
            #expect(abs(told - (rate < 100 ? 85 : 160)) < 1e-6)
        }
    }

    @Test("a lasting change is followed within a dozen answers")
    func follows() throws {
        let board = SpeedBoard()
        for _ in 0..<20 { board.noteDecode("m", tokens: 100, in: .seconds(1), now: Self.start) }
        for _ in 0..<12 { board.noteDecode("m", tokens: 100, in: .seconds(2), now: Self.start) }
        let told = try #require(board.speed(of: "m", now: Self.start).decode)
        #expect(told > 50 && told < 55)
    }

    @Test("short prompts and answers, and times that are none, teach nothing")
    func tooLittle() {
        let board = SpeedBoard()
        for _ in 0..<5 {
            board.noteDecode("m", tokens: 3, in: .seconds(1), now: Self.start)
            board.notePrefill("m", tokens: 15, in: .seconds(1), now: Self.start)
            board.noteDecode("m", tokens: 100, in: .zero, now: Self.start)
            board.noteDecode("m", tokens: 100, in: .seconds(-1), now: Self.start)
        }
        #expect(board.speed(of: "m", now: Self.start) == SpeedBoard.Speed())
        #expect(board.measuredAt("m") == nil)
    }

    @Test("a check is told at once; a better one replaces it, a worse one moves it a little")
    func checks() throws {
        let board = SpeedBoard()
        board.note("m", checked: SpeedBoard.Speed(prefill: nil, decode: 40), now: Self.start)
        #expect(board.speed(of: "m", now: Self.start) == SpeedBoard.Speed(prefill: nil, decode: 40))
        board.note("m", checked: SpeedBoard.Speed(prefill: 500, decode: 120), now: Self.start)
        #expect(board.speed(of: "m", now: Self.start) == SpeedBoard.Speed(prefill: 500, decode: 120))
        board.note("m", checked: SpeedBoard.Speed(decode: 60), now: Self.start)
        let told = try #require(board.speed(of: "m", now: Self.start).decode)
        #expect(told > 100 && told < 120)
    }

    @Test("a check outweighs answers that were too few to be told")
    func checkAfterFewAnswers() {
        let board = SpeedBoard()
        board.noteDecode("m", tokens: 100, in: .milliseconds(100), now: Self.start)
        board.note("m", checked: SpeedBoard.Speed(decode: 50), now: Self.start)
        #expect(board.speed(of: "m", now: Self.start).decode == 50)
    }

    @Test("models beyond the bound are not remembered, those within it are")
    func manyModels() {
        let board = SpeedBoard()
        for number in 0..<SpeedBoard.modelCountMax + 10 {
            board.note("m\(number)", checked: SpeedBoard.Speed(decode: 10), now: Self.start)
        }
        #expect(board.speed(of: "m\(SpeedBoard.modelCountMax - 1)", now: Self.start).decode == 10)
        #expect(board.speed(of: "m\(SpeedBoard.modelCountMax)", now: Self.start).decode == nil)
    }
}

@Suite("When a node measures itself")
struct SpeedCheckPlanTests {
    @Test("ten tries at most at once, four after five seconds, then at doubling intervals up to an hour")
    func intervals() {
        var plan = SpeedCheckPlan()
        var now = Instant.zero + .seconds(5)
        #expect(plan.triesDue(measuredAt: nil, now: now) == 10)
        plan.noteChecked(now: now)
        var gaps: [Int] = []
        for _ in 0..<12 {
            let last = now
            while plan.triesDue(measuredAt: last, now: now) == nil { now += .seconds(1) }
            #expect(plan.triesDue(measuredAt: last, now: now) == 4)
            gaps.append(Int((now - last).inSeconds))
            plan.noteChecked(now: now)
        }
        #expect(gaps == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600])
    }

    @Test("prompts that were measured meanwhile make a check needless")
    func measuredByPrompts() {
        var plan = SpeedCheckPlan()
        let now = Instant.zero + .seconds(5)
        plan.noteChecked(now: now)
        #expect(plan.triesDue(measuredAt: now + .seconds(3), now: now + .seconds(7)) == nil)
        #expect(plan.triesDue(measuredAt: now + .seconds(3), now: now + .seconds(8)) == 4)
    }

    @Test("a model that comes and goes is not measured more often than every half minute")
    func flapping() {
        var plan = SpeedCheckPlan()
        var now = Instant.zero + .seconds(5)
        var checks = 0
        for _ in 0..<600 {
            plan.noteReturned()
            if plan.triesDue(measuredAt: nil, now: now) != nil {
                checks += 1
                plan.noteChecked(now: now)
            }
            now += .seconds(1)
        }
        #expect(checks == 20)
    }
}
