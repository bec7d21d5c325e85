import NIOCore
import NodeCore
import Primitives

/// What an attempt makes of what it saw: the meaning of a refusal, and the speeds of a success.
extension Attempt {
    func failureOfStatus() -> AttemptFailure {
        let code = Int(status ?? 0)
        let document = try? JSONParser.parse(Array(errorBody.readableBytesView))
        let text = document.flatMap(BackendError.text) ?? "HTTP status \(code)"
        switch code {
        case _ where bounces: return .bounced
        case 404: return .modelMissing
        case 401, 403: return .broken("it refuses this node: \(text)")
        case 408, 429: return .bounced
        case 400..<500: return .rejected(GatewayError(code, text, code: "rejected_by_backend"))
        default: return .broken("it answered with status \(code): \(text)")
        }
    }

    private var slowdown: Double {
        if case .local(let backend, _) = place { backend.config.slowdown } else { 1 }
    }

    func slowed(_ span: Duration) -> Duration { slowdown == 1 ? span : span * slowdown }

    /// Teaches the deadline, and from requests that nobody else disturbed the catalogue.
    func noteSpeeds(_ measure: AttemptMeasure, now: Instant) {
        guard case .local(let backend, let model) = place, let firstByteAt, let first = measure.firstByteAfter else {
            return
        }
        backend.firstBytes.note(
            environment.firstByteKey, seconds: (firstByteAt - sentAt).inSeconds, promptTokens: prompt.promptTokens)
        guard backend.desk.counts.running == 1 else { return }
        let usage = measure.usage
        var decode = usage?.decode.map(slowed)
        if decode == nil, !environment.firstByteKey.isWhole { decode = measure.elapsed - first }
        if let decode { backend.speeds.noteDecode(model, tokens: measure.completionTokens, in: decode, now: now) }
        // A first byte tells as much of the way there as of reading; only the server's own figure is a speed.
        if let prefill = usage?.prefill.map(slowed) {
            let tokens = usage?.prefillTokens ?? usage?.promptTokens ?? prompt.promptTokens
            backend.speeds.notePrefill(model, tokens: tokens, in: prefill, now: now)
        }
    }
}
