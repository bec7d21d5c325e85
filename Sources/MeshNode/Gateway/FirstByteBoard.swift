import Synchronization

/// How long a backend usually takes to its first byte, by model: a running mean and mean deviation (RFC 6298 §2).
package final class FirstByteBoard: Sendable {
    package struct Figure: Hashable, Sendable {
        /// Seconds.
        package var mean: Double
        package var deviation: Double
        /// Mean length of the prompts that it was learned from; 0 if unknown.
        package var promptTokens: Double
        package var count = 1
    }

    /// A reply in one document begins only when it is complete: a class of its own.
    package struct Key: Hashable, Sendable {
        package let model: String
        package let isWhole: Bool

        package init(model: String, isWhole: Bool) {
            self.model = model
            self.isWhole = isWhole
        }
    }

    /// Further models are not remembered.
    private static let keyCountMax = 512
    private static let learnedFrom = 2
    private let figures = Mutex<[Key: Figure]>([:])

    package init() {}

    /// Nil until enough answers were seen.
    package subscript(_ key: Key) -> Figure? {
        figures.withLock { $0[key] }.flatMap { $0.count >= Self.learnedFrom ? $0 : nil }
    }

    package func note(_ key: Key, seconds: Double, promptTokens: Int = 0) {
        guard seconds.isFinite, seconds >= 0 else { return }
        figures.withLock { figures in
            guard var figure = figures[key] else {
                if figures.count < Self.keyCountMax {
                    figures[key] = Figure(mean: seconds, deviation: seconds / 2, promptTokens: Double(promptTokens))
                }
                return
            }
            figure.deviation += (abs(seconds - figure.mean) - figure.deviation) / 4
            figure.mean += (seconds - figure.mean) / 8
            figure.promptTokens += (Double(promptTokens) - figure.promptTokens) / 8
            figure.count = min(figure.count + 1, 1 << 20)
            figures[key] = figure
        }
    }
}
