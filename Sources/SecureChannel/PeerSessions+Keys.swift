import Primitives

// How the cluster's secret changes under running sessions. None of them ends for it: each has keys of its own, and is
// renewed under the new secret when its two minutes are over.
extension PeerSessions {
    package mutating func install(_ copy: SealedCopy) {
        guard !keys.keyring.holds(copy.epoch) else { return }
        let context = SecretRotationDraft.context(cluster: keys.keyring.cluster, epoch: copy.epoch, node: keys.me)
        // A copy that does not open, or is another secret than was announced, is left: others have theirs, and a core node
        // hands it over when it is in use.
        guard let secret = SealedSecret.open(copy.sealed, with: keys.exchange, context: context),
            secret.count == ClusterKey.secretByteCount, constantTimeEquals(secret.fingerprint, copy.fingerprint)
        else { return }
        if keys.keyring.install(secret, epoch: copy.epoch) { hasChangedKeys = true }
    }

    package mutating func follow(active: UInt32, oldest: UInt32) {
        if keys.keyring.activate(active) { hasChangedKeys = true }
        if keys.keyring.retire(before: oldest) { hasChangedKeys = true }
    }

    package mutating func takeNotice() -> [UInt8]? {
        defer { notice = nil }
        return notice
    }

    package mutating func adopt(_ all: [ChannelKeys.Peer], notices: [NodeID: [UInt8]]) {
        for place in peers.indices { peers[place].notice = notices[peers[place].node] }
        let (count, revoked) = (keys.peers.count, keys.revoked)
        keys.adopt(all)
        guard keys.peers.count != count || keys.revoked != revoked else { return }
        hasChangedKeys = true
        for peer in keys.peers[count...] {
            peers.append(PeerChannel(peer, codeKey: keys.messageCodeKey(of: peer.exchangeKey)))
        }
        for place in peers.indices.dropFirst(count) { peers[place].notice = notices[peers[place].node] }
        for place in keys.revoked where !revoked.contains(place) { peers[place].forgetSessions() }
    }

    package mutating func takeChangedKeys() -> ChannelKeys? {
        defer { hasChangedKeys = false }
        return hasChangedKeys ? keys : nil
    }
}
