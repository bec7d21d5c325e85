import Authority
import NodeCore
import Primitives
import SecureChannel

/// "This caller asks; I, the origin, have checked": what a request carries from the agent a client spoke to, to the
/// agent that serves it. Signed by the origin, good once, for one target, for a minute.
///
/// The client's own credential stays where it was sent: a serving node never sees a token it could use elsewhere, and
/// it checks session and role in its own tables rather than believing this.
///
///     version(1) origin(16) target(16) request(16) expires(8) applied(8) proof-kind(1) proof-id(16) role(1)
///     user(text) path(text) backend(text) model(text) | signature(64)
package struct Delegation: Hashable, Sendable {
    package static let lifetime: Duration = .seconds(60)
    /// Clocks of the mesh agree through the log; a cut-off node's may run ahead by this much.
    package static let clockTolerance: Duration = .seconds(30)
    private static let version: UInt8 = 2
    private static let label = Array("meshnode delegation v1\n".utf8)
    /// As hexadecimal text.
    package static let headerBytesMax = 4096

    package struct RequestID: Hashable, Sendable {
        package let high: UInt64
        package let low: UInt64

        package init(high: UInt64, low: UInt64) {
            self.high = high
            self.low = low
        }
    }

    package let origin: NodeID
    package let target: NodeID
    package let request: RequestID
    /// Milliseconds since 1970 by the mesh's clock.
    package let expiresAt: Int64
    /// What the origin had applied when it admitted the caller: a target that is behind this may not know the caller yet.
    package let appliedIndex: LogIndex
    package let caller: Caller
    package let api: PromptAPI
    /// Where on the target; its own choice was made by the origin's decision.
    package let backend: String
    package let model: String

    package init(
        origin: NodeID, target: NodeID, request: RequestID, expiresAt: Int64, appliedIndex: LogIndex, caller: Caller,
        api: PromptAPI, backend: String, model: String
    ) {
        self.origin = origin
        self.target = target
        self.request = request
        self.expiresAt = expiresAt
        self.appliedIndex = appliedIndex
        self.caller = caller
        self.api = api
        self.backend = backend
        self.model = model
    }

    /// The value of `X-Mesh-Delegation`.
    package func signed(by identity: Identity) -> String {
        let payload = encode()
        return Hex.encode(payload + identity.sign(Self.label + payload))
    }

    /// Reads a header's value and checks everything that needs no tables but the list of members.
    /// - Parameter peer: who opened the stream that it came in.
    package static func verify(
        _ header: String, from peer: NodeID, view: ClusterView, now: Instant
    ) throws(DelegationRefusal) -> Delegation {
        guard header.utf8.count <= headerBytesMax, let bytes = Hex.decode(header),
            bytes.count > Identity.signatureByteCount
        else { throw .malformed }
        let payload = Array(bytes.dropLast(Identity.signatureByteCount))
        let delegation: Delegation
        do { delegation = try Delegation(decoding: payload) } catch { throw .malformed }
        guard delegation.origin == peer else { throw .foreignOrigin }
        guard let key = view.member(peer)?.descriptor?.verificationKey else { throw .unknownOrigin }
        guard Identity.verify(Array(bytes.suffix(Identity.signatureByteCount)), of: label + payload, by: key) else {
            throw .forged
        }
        guard delegation.target == view.me else { throw .otherTarget }
        let unix = view.unixTime(at: now)?.milliseconds ?? 0
        let left = Duration.milliseconds(delegation.expiresAt.subtractingReportingOverflow(unix).partialValue)
        guard left > .zero - clockTolerance, left < lifetime + clockTolerance else { throw .expired }
        return delegation
    }

    private func encode() -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Self.version)
        writer.write(origin)
        writer.write(target)
        writer.write(request.high)
        writer.write(request.low)
        writer.write(expiresAt)
        writer.write(appliedIndex.value)
        switch caller.proof {
        case .token(let id), .cookie(let id):
            writer.write(UInt8(0))
            writer.write(id.high)
            writer.write(id.low)
        case .local: preconditionFailure("no prompt comes in through the local socket")
        case .apiKey(let id):
            writer.write(UInt8(1))
            writer.write(id.high)
            writer.write(id.low)
        }
        writer.write(caller.role.rawValue)
        writer.write(caller.user.text)
        writer.write(api.path)
        writer.write(backend)
        writer.write(model)
        return writer.bytes
    }

    private init(decoding bytes: [UInt8]) throws(DecodeError) {
        var reader = ByteReader(bytes)
        guard try reader.readUInt8() == Self.version else { throw .invalid("version") }
        origin = try reader.readNodeID()
        target = try reader.readNodeID()
        request = RequestID(high: try reader.readUInt64(), low: try reader.readUInt64())
        expiresAt = try reader.readInt64()
        appliedIndex = LogIndex(try reader.readUInt64())
        let kind = try reader.readUInt8()
        let (high, low) = (try reader.readUInt64(), try reader.readUInt64())
        let proof: Caller.Proof
        switch kind {
        case 0: proof = .token(SessionID(high: high, low: low))
        case 1: proof = .apiKey(APIKeyID(high: high, low: low))
        default: throw .invalid("proof")
        }
        guard let role = Role(rawValue: try reader.readUInt8()), let user = UserName(try reader.readString(limit: 256)),
            let api = PromptAPI(rawValue: try reader.readString(limit: 64))
        else { throw .invalid("caller") }
        caller = Caller(user: user, role: role, proof: proof, isCutOff: false)
        self.api = api
        backend = try reader.readString(limit: 256)
        model = try reader.readString(limit: 256)
        try reader.expectEnd()
    }
}

/// Why a forwarded request is not served. Nothing was started; the origin tries another node.
package enum DelegationRefusal: Error, Hashable, Sendable {
    case malformed
    /// Signed by another node than the one that opened the stream.
    case foreignOrigin
    /// No member of that id has told its key yet.
    case unknownOrigin
    case forged
    case otherTarget
    case expired
    /// Seen before.
    case replayed
    /// The session, key or role that it speaks for does not hold here.
    case callerRefused
    /// It does not hold here yet: the origin knew more of the log. Ask again when this is applied.
    case notYetApplied(LogIndex)
}

/// Request ids that were served, so that none is served twice. Bounded: when full of unexpired ones, new ones are
/// refused too, because forgetting one would allow its replay.
package struct SeenRequests: Sendable {
    private let countMax: Int
    private var expiries: [Delegation.RequestID: Int64] = [:]
    /// In order of arrival; all live equally long, so the oldest expires first.
    private var order: [Delegation.RequestID] = []
    private var head = 0

    package init(countMax: Int = 1 << 17) { self.countMax = countMax }

    package var count: Int { expiries.count }

    /// False if it was seen before, or if there is no room to remember it.
    package mutating func insert(_ id: Delegation.RequestID, now: Int64) -> Bool {
        forgetExpired(now: now)
        guard expiries[id] == nil, expiries.count < countMax else { return false }
        let span = Delegation.lifetime + Delegation.clockTolerance * 2
        expiries[id] = now + span.inMilliseconds
        order.append(id)
        return true
    }

    private mutating func forgetExpired(now: Int64) {
        while head < order.count, let expiry = expiries[order[head]], expiry <= now {
            expiries[order[head]] = nil
            head += 1
        }
        if head > 1024, head * 2 > order.count {
            order.removeFirst(head)
            head = 0
        }
    }
}
