import Primitives

/// What both ends of a stream know during the handshake, and what follows from it: two codes and two record keys.
/// Every derivation covers label, cluster, both ids and the randoms seen so far; the labels keep the purposes and the
/// two directions apart, so that nothing can be reflected.
struct StreamHandshake: Sendable {
    let key: SecretBytes
    let clusterID: [UInt8]
    let initiator: NodeID
    let responder: NodeID
    let initiatorRandom: [UInt8]
    /// Empty until the responder has answered.
    var responderRandom: [UInt8] = []

    /// Proves that the initiator holds the key and means this responder.
    func helloCode() -> [UInt8] { Blake2b.keyed(transcript("hello"), key: key) }

    /// Proves that the responder holds the key and saw this very hello.
    func replyCode() -> [UInt8] { Blake2b.keyed(transcript("reply"), key: key) }

    func makeRecords(isInitiator: Bool) -> StreamRecords {
        let toResponder = Blake2b.derive(transcript("to responder"), from: key)
        let toInitiator = Blake2b.derive(transcript("to initiator"), from: key)
        return StreamRecords(
            sendKey: isInitiator ? toResponder : toInitiator, receiveKey: isInitiator ? toInitiator : toResponder)
    }

    private func transcript(_ label: String) -> [UInt8] {
        var writer = ByteWriter(capacity: 160)
        writer.write(label)
        writer.writeRaw(clusterID)
        writer.write(initiator)
        writer.write(responder)
        writer.write(initiatorRandom)
        writer.write(responderRandom)
        return writer.bytes
    }
}
