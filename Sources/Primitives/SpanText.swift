extension Duration {
    /// Reads a span as people write it in configurations and scenarios: `250ms`, `3s`, `5min`, `2h`. Nil for anything else.
    package init?(spelled text: String) {
        for (suffix, unit) in [
            ("ms", Duration.milliseconds(1)), ("min", .seconds(60)), ("s", .seconds(1)), ("h", .seconds(3600)),
        ] where text.hasSuffix(suffix) {
            guard let count = Int(text.dropLast(suffix.count)), (0...1_000_000).contains(count) else { return nil }
            self = unit * count
            return
        }
        return nil
    }

    /// The shortest such spelling that loses nothing above a millisecond.
    package var spelled: String {
        let milliseconds = inMilliseconds
        if milliseconds % 1000 != 0 { return "\(milliseconds)ms" }
        let seconds = milliseconds / 1000
        if seconds % 3600 == 0, seconds > 0 { return "\(seconds / 3600)h" }
        return seconds % 60 == 0 && seconds > 0 ? "\(seconds / 60)min" : "\(seconds)s"
    }
}
