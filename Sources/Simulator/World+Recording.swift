import NodeCore
import Primitives
import Raft
import SecureChannel

// What a world writes into its recording. Costs one comparison where nothing is recorded.
extension World {
    mutating func record(_ event: NodeEvent, of node: Int) {
        switch event {
        case .roleChanged(let role, let term, let leader):
            let place = leader.flatMap { id in nodes.firstIndex { $0.id == id } }
            recording?.note(role: "\(role)", term: term, leader: place, of: node, at: now)
        case .applied(let index, _): recording?.note(applied: index, of: node, at: now)
        case .installed(let position): recording?.note(applied: position.index, of: node, at: now)
        case .halted: recording?.note(.halted, of: node, at: now)
        case .memberChanged, .diskFull, .snapshotRefused: break
        }
    }

    mutating func recordLease(of node: Int) {
        let until = nodes[node].leaseUntil > .zero ? nodes[node].clock.world(nodes[node].leaseUntil) : now
        recording?.noteLease(of: node, until: until, at: now)
    }

    /// Who cannot reach whom, if that has changed.
    mutating func recordCuts() {
        guard recording != nil else { return }
        var pairs: [[Int]] = []
        for a in 0..<nodes.count {
            for b in 0..<nodes.count where a != b && network[a, b].isCut { pairs.append([a, b]) }
        }
        recording?.note(cuts: pairs, at: now)
    }

    mutating func recordDatagram(_ bytes: [UInt8], from: Int, to: Int, arrival: Instant?) {
        let kind = kind(of: bytes)
        recording?.note(message: kind, from: from, to: to, at: now, arrival: arrival)
    }

    /// What a datagram is about, as far as its frame shows it.
    private func kind(of bytes: [UInt8]) -> String {
        guard !isSealed, let kind = bytes.first.flatMap(FrameKind.init(rawValue:)) else { return "sealed" }
        switch kind {
        case .gossip: return "gossip"
        case .node: return "request"
        case .relay, .relayed: return "relayed"
        case .raft:
            let payload = Array(bytes.dropFirst(ClearFrameSealer.headerBytes))
            return (try? NodeBrain.decodeRaft(payload)).map { name(of: $0.1) } ?? "raft"
        }
    }

    private func name(of message: RaftMessage) -> String {
        Mirror(reflecting: message).children.first?.label ?? "raft"
    }
}
