import Gossip
import Primitives
import Raft
import SecureChannel

// What other nodes say: opened, told from whom it is, and handed to the core that it is for.

extension NodeBrain {
    mutating func receive(
        _ bytes: [UInt8], from source: Endpoint, now: Instant, into effects: inout [NodeEffect]
    ) {
        counters.receivedDatagrams += 1
        do throws(FrameRejection) {
            if let frame = try sealer.open(bytes, from: source, now: now) {
                receive(frame, from: source, now: now, into: &effects)
            } else {
                // The channel itself was spoken with: perhaps the cluster's secret was handed over.
                keepChangedKeys(now: now, into: &effects)
                heedNotice(into: &effects)
            }
        } catch {
            counters.reject(error)
        }
        if sealer.hasOutbox { sendOutbox(now: now, into: &effects) }
    }

    /// `source` is nil for a stream.
    mutating func receive(
        _ frame: OpenedFrame, from source: Endpoint?, now: Instant, into effects: inout [NodeEffect]
    ) {
        let peer = frame.peer.node
        let place = roster.place(of: peer)
        if let place { links.noteHeard(place, at: now) }
        switch frame.kind {
        case .gossip:
            guard place != nil else { return }
            membership.handle(frame.payload, from: peer, at: source, now: now, into: &gossipEffects)
        case .raft, .node:
            guard let place else { return }
            receive(frame, fromPlace: place, now: now, into: &effects)
        case .relay:
            guard let place else { return }
            forward(frame.payload, from: place, now: now, into: &effects)
        case .relayed:
            guard let place, let inner = openRelayed(frame.payload, through: place, now: now, into: &effects),
                let origin = roster.place(of: inner.peer.node)
            else { return }
            receive(inner, fromPlace: origin, now: now, into: &effects)
        }
    }

    /// What consensus or another brain said, directly or around a broken link.
    private mutating func receive(
        _ frame: OpenedFrame, fromPlace place: Int, now: Instant, into effects: inout [NodeEffect]
    ) {
        let peer = frame.peer.node
        switch frame.kind {
        case .gossip, .relay, .relayed: break
        case .raft:
            guard haltReason == nil else { return }
            do throws(DecodeError) {
                let (replica, message) = try Self.decodeRaft(frame.payload)
                noteHeard(peer, at: place, now: now)
                guard replicas.accepts(replica, from: place) || planted(.foreignReplicaBelieved) else { return }
                consensus.handle(message, from: replica, now: now, into: &raftEffects)
                viewVersion += 1
            } catch {
                counters.malformedPayloads += 1
            }
        case .node:
            do throws(DecodeError) {
                let message = try PeerMessage(decoding: frame.payload)
                noteHeard(peer, at: place, now: now)
                handle(message, from: peer, now: now, into: &effects)
            } catch {
                counters.malformedPayloads += 1
            }
        }
    }

    private static let hearInterval: Duration = .milliseconds(250)

    /// Any authentic frame is a sign of life, and saves gossip a probe. Told at most four times a second for each
    /// peer: gossip counts in larger steps, and a busy leader hears thousands of frames a second.
    private mutating func noteHeard(_ peer: NodeID, at place: Int, now: Instant) {
        guard now >= hearNextAt[place] else { return }
        hearNextAt[place] = now + Self.hearInterval
        membership.noteHeard(peer, now: now)
    }

    private mutating func handle(
        _ message: PeerMessage, from peer: NodeID, now: Instant, into effects: inout [NodeEffect]
    ) {
        switch message {
        case .forward(let forwarded):
            guard haltReason == nil, roster.entry(of: peer) != nil else { return }
            for proposal in forwarded {
                switch consensus.propose(proposal.envelope, now: now, into: &raftEffects) {
                case .success: break
                case .failure: outbox.append((.node, PeerMessage.refusal(attempt: proposal.attempt).encode(), peer))
                }
            }
        case .refusal(let attempt):
            proposals.refuse(attempt: attempt, retryAt: now + timing.refusalPause) { [replicas] leader in
                replicas.node(of: leader) == peer
            }
        case .removal(let node):
            guard haltReason == nil, remove(node, now: now) else { return }
            outbox.append((.node, PeerMessage.removed(node).encode(), peer))
        case .removed(let node): noteRemoved(node, into: &effects)
        case .broadcast(let event): effects.append(.broadcast(event, from: peer))
        }
    }
}

extension NodeCounters {
    mutating func reject(_ reason: FrameRejection) {
        rejectedFrames["\(reason)", default: 0] += 1
    }
}
