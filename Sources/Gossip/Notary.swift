import Primitives

/// Puts a member's signature under what it says of itself, and checks that of others. Whoever passes a word on cannot
/// change it: nobody is given an incarnation, an address or a goodbye that it did not choose, and no member can be made
/// to contradict, or to give way to, a life that never was.
///
///     member    1 | id:16 | epoch | nonce:4 | counter | left:1 | name | endpoint:18
///     section   2 | owner:16 | section:1 | epoch | version | bytes
///
/// This module knows no cryptography; whoever builds the core brings it, and binds statements to the cluster.
package struct Notary: Sendable {
    package static let signatureBytes = 64

    /// Signs with our own key.
    package typealias Sign = @Sendable (_ statement: [UInt8]) -> [UInt8]
    /// False too for a signer whose key is not known.
    package typealias Check = @Sendable (_ signature: [UInt8], _ statement: [UInt8], _ signer: NodeID) -> Bool

    /// The first byte of what is signed, so that no statement can be taken for one of the other kind.
    private enum Subject: UInt8 {
        case member = 1
        case section
    }

    private let sign: Sign
    private let check: Check

    package init(sign: @escaping Sign, check: @escaping Check) {
        self.sign = sign
        self.check = check
    }

    /// The owner's signature under its present word.
    package func sign(_ own: Member) -> [UInt8] {
        let signature = sign(Self.statement(own))
        precondition(signature.count == Self.signatureBytes, "a signature of \(signature.count) bytes")
        return signature
    }

    /// Whether the member said so itself: that it lives, or leaves, under this incarnation and at this address. What
    /// others think of it, `suspect` or `dead`, is not its own word and not covered.
    package func isGenuine(_ signature: [UInt8], of member: Member) -> Bool {
        check(signature, Self.statement(member), member.id)
    }

    func isSigned(_ rumor: Rumor) -> Bool {
        guard let profile = rumor.profile else { return false }
        let member = Member(
            id: rumor.id, name: profile.name, endpoint: profile.endpoint, incarnation: rumor.incarnation,
            state: rumor.state)
        return isGenuine(profile.signature, of: member)
    }

    /// The owner's signature under one content of one of its sections: others may pass it on.
    func sign(_ content: Section, as section: SectionID, of owner: NodeID) -> [UInt8] {
        let signature = sign(Self.statement(content.bytes, content.stamp, section, owner))
        precondition(signature.count == Self.signatureBytes, "a signature of \(signature.count) bytes")
        return signature
    }

    func isSigned(_ news: SectionNews) -> Bool {
        check(news.signature, Self.statement(news.bytes, news.stamp, news.section, news.owner), news.owner)
    }

    private static func statement(
        _ bytes: [UInt8], _ stamp: SectionStamp, _ section: SectionID, _ owner: NodeID
    ) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Subject.section.rawValue)
        writer.write(owner)
        writer.write(section.value)
        writer.write(stamp)
        writer.write(bytes)
        return writer.bytes
    }

    private static func statement(_ member: Member) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(Subject.member.rawValue)
        writer.write(member.id)
        writer.write(member.incarnation)
        writer.write(member.state == .left)
        writer.write(member.name)
        writer.write(member.endpoint)
        return writer.bytes
    }
}
