import Primitives

// What finished requests teach.
extension SpeedModel {
    /// It answered: its model is in memory, whatever the last report said, and it is not silent.
    mutating func noteAnswer(_ entry: Int) {
        models[entry].isLoaded = true
        backends[models[entry].backend].silence = FadingPace()
    }

    /// `tokens` were read in `seconds`, and nothing else is in that figure. A few tokens say little.
    mutating func notePrefill(_ entry: Int, seconds: Double, tokens: Int, now: Instant) {
        guard seconds.isFinite, seconds > 0, tokens > 0 else { return }
        let expected = forecast(entry, now: now).prefillPace
        let pace = Self.bounded(seconds / Double(tokens), around: expected)
        noteSharedPrefillPace(entry, pace, weight: Double(tokens) / Double(tokens + 64), now: now)
    }

    /// What a request took beyond reading and writing.
    mutating func noteOverhead(_ entry: Int, seconds: Double, now: Instant) {
        noteOverhead(entry, seconds: seconds, expected: forecast(entry, now: now).overhead, weight: 1, now: now)
    }

    /// The first byte came after `seconds`, of which nobody says how much was reading. What differs from the forecast is
    /// put down to the fixed cost or to the pace, whichever is the less certain for a prompt of this length.
    mutating func noteFirstByte(_ entry: Int, seconds: Double, tokens: Int, now: Instant) {
        guard seconds.isFinite, seconds > 0, tokens > 0 else { return }
        let forecast = forecast(entry, now: now)
        let reading = forecast.prefillPace * Double(tokens)
        let expected = forecast.overhead + reading
        let limit = max(expected * Self.surpriseMax, expected + Self.overheadSpread)
        let surprise = min(max(seconds, expected / Self.surpriseMax), limit) - expected
        let share = reading * reading / (reading * reading + Self.overheadSpread * Self.overheadSpread)
        let pace = Self.bounded((reading + surprise * share) / Double(tokens), around: forecast.prefillPace)
        noteSharedPrefillPace(entry, pace, weight: share, now: now)
        noteOverhead(
            entry, seconds: forecast.overhead + surprise * (1 - share), expected: forecast.overhead, weight: 1 - share,
            now: now)
    }

    /// `beside` other requests ran at the same time. Alone it teaches the pace, in company what company costs.
    mutating func noteDecode(_ entry: Int, seconds: Double, tokens: Int, beside: Int, now: Instant) {
        guard seconds.isFinite, seconds > 0, tokens > 0 else { return }
        let secondsPerToken = seconds / Double(tokens)
        let position = models[entry].backend
        let company = Double(max(0, beside))
        if company >= 1, let alone = models[entry].decode.mean {
            let seen = min(max(0, (secondsPerToken / alone - 1) / company), 4)
            backends[position].crowding += (seen - backends[position].crowding) * 0.1
        }
        let alone = Self.bounded(
            secondsPerToken / (1 + backends[position].crowding * company), around: forecast(entry, now: now).decodePace)
        // In company only a part of the surprise is the model's own; a few tokens say little.
        let weight = (company >= 1 ? 0.25 : 1) * Double(tokens) / Double(tokens + 4)
        noteDecodePace(entry, alone, weight: weight, now: now)
        for (other, factor) in sharers(of: entry) {
            noteDecodePace(other, alone * factor, weight: weight, now: now)
        }
        renewKind(of: position, now: now)
    }

    mutating func noteLoad(_ entry: Int, seconds: Double) {
        models[entry].load.note(seconds)
        backends[models[entry].backend].loadPerByte.note(seconds / models[entry].sizeBytes)
    }

    mutating func noteService(_ entry: Int, seconds: Double) {
        backends[models[entry].backend].service.note(seconds)
    }

    /// The first byte took longer than `seconds`, without anyone knowing how much longer. Counts until the next answer.
    mutating func noteMissedFirstByte(_ entry: Int, seconds: Double, promptTokens: Int, now: Instant) {
        let forecast = forecast(entry, now: now)
        let silence = seconds - forecast.overhead - forecast.prefillPace * Double(promptTokens)
        backends[models[entry].backend].silence.note(silence, now: now)
    }

    /// The other entries of the same model at the same server, and how many times as long they take by their slowdown.
    private func sharers(of entry: Int) -> [(entry: Int, factor: Double)] {
        guard let list = models[entry].shared, shared[list].count > 1 else { return [] }
        return shared[list].filter { $0 != entry }.map { ($0, slowdown($0) / slowdown(entry)) }
    }

    private mutating func noteDecodePace(_ entry: Int, _ pace: Double, weight: Double, now: Instant) {
        models[entry].decode.note(pace, weight: weight, now: now)
        let perByte = pace / models[entry].sizeBytes
        backends[models[entry].backend].decodePerByte.note(perByte, weight: weight, now: now)
    }

    /// At this entry and all that share its server.
    private mutating func noteSharedPrefillPace(_ entry: Int, _ pace: Double, weight: Double, now: Instant) {
        notePrefillPace(entry, pace, weight: weight, now: now)
        for (other, factor) in sharers(of: entry) {
            notePrefillPace(other, pace * factor, weight: weight, now: now)
        }
        renewKind(of: models[entry].backend, now: now)
    }

    private mutating func notePrefillPace(_ entry: Int, _ pace: Double, weight: Double, now: Instant) {
        models[entry].prefill.note(pace, weight: weight, now: now)
        let perByte = pace / models[entry].sizeBytes
        backends[models[entry].backend].prefillPerByte.note(perByte, weight: weight, now: now)
    }

    private mutating func noteOverhead(
        _ entry: Int, seconds: Double, expected: Double, weight: Double, now: Instant
    ) {
        let position = models[entry].backend
        let limit = max(expected * Self.surpriseMax, Self.overheadSpread)
        // Never zero: no overhead is knowledge too.
        backends[position].overhead.note(min(max(seconds, 1e-6), limit), weight: weight, now: now)
        renewKind(of: position, now: now)
    }

    /// The best of its kind may have changed. Minima: the order of backends does not matter.
    private mutating func renewKind(of backend: Int, now: Instant) {
        let hasGPU = backends[backend].hasGPU
        var prefill = Double.infinity
        var decode = Double.infinity
        var overhead = Double.infinity
        for other in backends where other.hasGPU == hasGPU {
            if let known = Self.known(other.prefillPerByte, now: now) { prefill = min(prefill, known / other.slowdown) }
            if let known = Self.known(other.decodePerByte, now: now) { decode = min(decode, known / other.slowdown) }
            if let known = Self.known(other.overhead, now: now) { overhead = min(overhead, known / other.slowdown) }
        }
        var kind = hasGPU ? gpu : processor
        kind.prefillPerByte.note(prefill)
        kind.decodePerByte.note(decode)
        kind.overhead.note(overhead)
        if hasGPU { gpu = kind } else { processor = kind }
    }

    private static func known(_ pace: FadingPace, now: Instant) -> Double? {
        pace.confidence(now: now) >= confidenceMin ? pace.mean : nil
    }

    private static func bounded(_ value: Double, around expected: Double) -> Double {
        min(max(value, expected / surpriseMax), expected * surpriseMax)
    }
}
