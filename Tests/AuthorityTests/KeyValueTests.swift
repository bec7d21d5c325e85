import Authority
import Primitives
import Testing

@Test("a value's revision is the entry of its last change, and never comes again")
func revisions() {
    var log = TestLog.started()
    #expect(log.apply(.put("a", "1")) == .stored(revision: LogIndex(3), created: true))
    #expect(log.apply(.put("a", "1")) == .stored(revision: LogIndex(4), created: false))
    #expect(log.state.values["a"]?.revision == LogIndex(4))
    #expect(log.apply(.deleteValue(key: "a", condition: .none)) == .done)
    #expect(log.state.values["a"] == nil)
    #expect(log.apply(.put("a", "1")) == .stored(revision: LogIndex(6), created: true))
}

@Test("who stored a value, and when, is kept with it")
func authorship() {
    var log = TestLog.started()
    log.wait(.seconds(9))
    log.apply(.put("a", "1"))
    #expect(log.state.values["a"]?.author == "root")
    #expect(log.state.values["a"]?.changedAt == TestLog.epoch + .seconds(9))
}

/// What RFC 9110 §13.1 says of each condition, for an absent value and for one of revision 3.
@Test(
    "RFC 9110 §13.1: a change takes place only where its condition holds",
    arguments: [
        (false, ValueCondition.none, true), (false, .ifMatch(LogIndex(3)), false), (false, .ifNoneMatchAny, true),
        (true, .none, true), (true, .ifMatch(LogIndex(3)), true), (true, .ifMatch(LogIndex(2)), false),
        (true, .ifNoneMatchAny, false),
    ])
func conditions(isStored: Bool, condition: ValueCondition, holds: Bool) {
    var log = TestLog.started()
    if isStored { log.apply(.put("a", "1")) }
    let failed = AuthorityReply.refused(.conditionFailed(current: isStored ? LogIndex(3) : nil))
    var putting = log
    let revision = log.index.next
    let stored = AuthorityReply.stored(revision: revision, created: !isStored)
    #expect(putting.apply(.put("a", "2", if: condition)) == (holds ? stored : failed))
    #expect(putting.holdsSame(as: log) == !holds)
    var deleting = log
    let deleted = isStored ? AuthorityReply.done : .refused(.unknownValue)
    #expect(deleting.apply(.deleteValue(key: "a", condition: condition)) == (holds ? deleted : failed))
    #expect(deleting.holdsSame(as: log) == !(holds && isStored))
}

@Test("of two who read the same revision, one writes and the other is told the new revision")
func compareAndSet() {
    var log = TestLog.started()
    log.apply(.put("a", "1"))
    #expect(log.apply(.put("a", "mine", if: .ifMatch(LogIndex(3)))) == .stored(revision: LogIndex(4), created: false))
    #expect(
        log.apply(.put("a", "yours", if: .ifMatch(LogIndex(3)))) == .refused(.conditionFailed(current: LogIndex(4))))
    #expect(log.state.values["a"]?.bytes == Array("mine".utf8))
}

@Test("an empty value is a value")
func emptyValue() {
    var log = TestLog.started()
    log.apply(.put("a", ""))
    #expect(log.state.values["a"]?.bytes == [])
}

@Test("a listing is sorted by the key's bytes, cut to its prefix, and can be continued")
func listing() {
    var log = TestLog.started()
    for key: ValueKey in ["b/2", "a", "b/1", "b", "b/\u{E9}", "c", "b/10"] { log.apply(.put(key, "x")) }
    func keys(_ prefix: String, after: ValueKey? = nil, limit: Int = 100) -> [String] {
        log.state.values.list(prefix: Array(prefix.utf8), after: after, limit: limit).map(\.key.text)
    }
    #expect(keys("") == ["a", "b", "b/1", "b/10", "b/2", "b/\u{E9}", "c"])
    #expect(keys("b/") == ["b/1", "b/10", "b/2", "b/\u{E9}"])
    #expect(keys("b/", limit: 2) == ["b/1", "b/10"])
    #expect(keys("b/", after: "b/10", limit: 2) == ["b/2", "b/\u{E9}"])
    #expect(keys("d") == [])
    #expect(keys("", limit: 0) == [])
}

@Test("a value may be as large as its limit, and not one byte larger")
func valueSize() {
    var limits = AuthorityLimits()
    limits.valueBytes = 8
    var log = TestLog.started(limits: limits)
    #expect(log.apply(.put("a", "12345678")) == .stored(revision: LogIndex(3), created: true))
    #expect(log.apply(.put("a", "123456789")) == .refused(.tooLarge))
    #expect(log.state.values["a"]?.bytes.count == 8)
}

@Test("the largest value travels through the log, and one byte more is answered as too large, not as malformed")
func largestValue() {
    var log = TestLog.started()
    let largest = [UInt8](repeating: 7, count: AuthorityLimits.standard.valueBytes)
    let stored = log.apply(.putValue(key: "a", value: largest, condition: .none, author: "root"))
    #expect(stored == .stored(revision: LogIndex(3), created: true))
    let refused = log.apply(.putValue(key: "b", value: largest + [7], condition: .none, author: "root"))
    #expect(refused == .refused(.tooLarge))
}

@Test("bytes are counted over keys and values, replaced ones given back, deleted ones too")
func totalBytes() {
    var limits = AuthorityLimits()
    limits.valueBytesTotal = 10
    limits.values = 2
    var log = TestLog.started(limits: limits)
    #expect(log.apply(.put("a", "1234")) == .stored(revision: LogIndex(3), created: true))
    #expect(log.apply(.put("b", "12345")) == .refused(.limitReached))
    #expect(log.apply(.put("b", "1234")) == .stored(revision: LogIndex(5), created: true))
    #expect(log.state.values.bytesTotal == 10)
    #expect(log.apply(.put("a", "12345")) == .refused(.limitReached))
    #expect(log.apply(.put("a", "1")) == .stored(revision: LogIndex(7), created: false))
    #expect(log.apply(.put("c", "1")) == .refused(.limitReached))
    #expect(log.apply(.deleteValue(key: "b", condition: .none)) == .done)
    #expect(log.apply(.put("c", "1234567")) == .stored(revision: LogIndex(10), created: true))
    #expect(log.state.values.bytesTotal == 10)
}
