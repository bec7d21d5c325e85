import NodeCore
import Primitives
import SecureChannel
import UVLoop

/// What an accepted connection turned out to be: the first bytes tell.
enum InboundChannel {
    case undecided([UInt8])
    case stream(StreamChannel)
    case join(JoinChannel)

    /// Where the two magics differ.
    private static let decidingBytes = StreamChannel.magic.count

    /// Nil while it cannot be told; throws for what is neither.
    func decide(
        _ bytes: [UInt8], stream: () -> StreamChannel, join: () -> JoinChannel?
    ) throws(StreamRejection) -> (channel: InboundChannel, bytes: [UInt8])? {
        guard case .undecided(let earlier) = self else { return (self, bytes) }
        let all = earlier + bytes
        let head = all.prefix(Self.decidingBytes)
        guard head.count == Self.decidingBytes else {
            // Too few to tell, but enough to tell a stranger.
            guard zip(head, StreamChannel.magic).prefix(3).allSatisfy(==) else { throw .notAStream }
            return nil
        }
        if Array(head) == StreamChannel.magic { return (.stream(stream()), all) }
        guard Array(head) == JoinChannel.magic, let channel = join() else { throw .notAStream }
        return (.join(channel), all)
    }
}
