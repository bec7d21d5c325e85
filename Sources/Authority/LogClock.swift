import Primitives

/// A moment in Unix time as the mesh agreed on it; never read from one machine's clock.
package struct UnixTime: Hashable, Comparable, Sendable, CustomStringConvertible {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Whole seconds, as tokens carry them.
    package var seconds: Int64 { milliseconds / 1000 }
    package var description: String { "\(milliseconds)ms since 1970" }

    package static func < (a: UnixTime, b: UnixTime) -> Bool { a.milliseconds < b.milliseconds }
    package static func + (time: UnixTime, span: Duration) -> UnixTime {
        UnixTime(milliseconds: time.milliseconds + span.inMilliseconds)
    }
}

/// Translates log time, which stands still while nobody leads, to Unix time, by which sessions and tokens expire.
///
/// ```
///   unix ^            anchored again: a step forward, never back
///        |           /
///        |      ____/
///        |  ___/|        between anchors both run alike
///        +------+---> log time
/// ```
/// The intuition: an anchor may only make things expire earlier. A node with a clock in the past that becomes primary
/// therefore cannot revive what has expired; log time is shared by all, so every node sees the same moment at the same
/// index.
package struct LogClock: Hashable, Sendable {
    /// Anchors outside 2020 to 2200 are mistakes, and would not leave room for arithmetic.
    package static let plausible =
        UnixTime(milliseconds: 1_577_836_800_000)...UnixTime(milliseconds: 7_258_118_400_000)
    /// Far beyond any real log (36 million years), and far from overflow.
    static let logTimeMax = LogTime(milliseconds: 1 << 60)

    /// One committed pair: at this log time, it was this Unix time.
    package struct Anchor: Hashable, Sendable {
        package let logTime: LogTime
        package let unix: UnixTime
    }

    /// The time of the last applied entry. Never runs backwards.
    package private(set) var now: LogTime = .zero
    /// The last accepted anchor; nil until the first primary has proposed one.
    package private(set) var anchor: Anchor?

    package init() {}

    init(now: LogTime, anchor: Anchor?) {
        self.now = now
        self.anchor = anchor
    }

    /// What log time means in Unix time; nil before the first anchor.
    package func unix(at time: LogTime) -> UnixTime? {
        guard let anchor else { return nil }
        let bounded = min(time, Self.logTimeMax)
        return UnixTime(milliseconds: anchor.unix.milliseconds + (bounded.milliseconds - anchor.logTime.milliseconds))
    }

    /// The Unix time of the last applied entry; nil before the first anchor.
    package var unixNow: UnixTime? { unix(at: now) }

    /// Entries carry their time; one that is behind its predecessor counts as simultaneous with it.
    mutating func advance(to time: LogTime) {
        now = min(max(now, time), Self.logTimeMax)
    }

    /// Refuses a time that is implausible, or not ahead of what the clock shows.
    mutating func setAnchor(_ unix: UnixTime) -> AuthorityReply {
        guard Self.plausible.contains(unix) else { return .refused(.malformed) }
        if let unixNow, unix <= unixNow { return .refused(.clockNotAhead) }
        anchor = Anchor(logTime: now, unix: unix)
        return .done
    }

    /// What is wrong with the clock, or nil.
    func violation() -> String? {
        guard LogTime.zero <= now, now <= Self.logTimeMax else { return "log time \(now) is out of range" }
        guard let anchor else { return nil }
        guard LogTime.zero <= anchor.logTime, anchor.logTime <= now else {
            return "the anchor at \(anchor.logTime) is not within the log, which is at \(now)"
        }
        return Self.plausible.contains(anchor.unix) ? nil : "the anchor \(anchor.unix) is implausible"
    }
}

extension LogClock {
    func encode(into writer: inout ByteWriter) {
        writer.write(now)
        writer.writeOptional(anchor) { writer, anchor in
            writer.write(anchor.logTime)
            writer.write(anchor.unix)
        }
    }

    init(from reader: inout ByteReader) throws(DecodeError) {
        let now = try reader.readLogTime()
        guard try reader.readBool() else {
            self.init(now: now, anchor: nil)
            return
        }
        self.init(now: now, anchor: Anchor(logTime: try reader.readLogTime(), unix: try reader.readUnixTime()))
    }
}
