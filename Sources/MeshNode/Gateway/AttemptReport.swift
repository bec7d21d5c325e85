import NIOCore
import Primitives

/// Hears how one attempt goes; always on the attempt's event loop, and nothing after `finished` or `failed`.
protocol AttemptOwner: AnyObject {
    /// A piece of the reply, in the client's dialect.
    func attempt(produced output: ByteBuffer)
    /// The last piece, possibly empty, and what was measured.
    func attempt(finished output: ByteBuffer, measured: AttemptMeasure)
    func attempt(failed failure: AttemptFailure)
}

/// Why an attempt came to nothing, by what should happen next.
enum AttemptFailure: Hashable {
    /// The request itself is at fault: tell the client, try nobody else.
    case rejected(GatewayError)
    /// The target has no room: go elsewhere at once.
    case bounced
    /// The target does not have the model after all.
    case modelMissing
    /// Refused, reset, 5xx, malformed or broken off.
    case broken(String)
    /// No first byte by the deadline, or a stall in mid-stream.
    case silent

    var explanation: String {
        switch self {
        case .rejected(let error): error.message
        case .bounced: "its queue is full"
        case .modelMissing: "it does not have the model any more"
        case .broken(let why): why
        case .silent: "it accepted the prompt and then said nothing"
        }
    }
}

/// What one successful attempt taught.
struct AttemptMeasure: Hashable {
    var firstByteAfter: Duration?
    var elapsed: Duration
    var completionTokens: Int
    var usage: Usage?
}

/// What an attempt needs from around it.
struct AttemptEnvironment {
    let pool: UpstreamPool
    let now: () -> Instant
    /// Running or queued requests of a local backend changed.
    let loadChanged: () -> Void
    /// What the mesh says of another agent.
    let isDead: (NodeID) -> Bool
    let firstByteKey: FirstByteBoard.Key
    /// Silence before the first byte of a backend, or before the first sign of life of another agent.
    let firstByteDeadlines: FirstByteDeadlines
}
