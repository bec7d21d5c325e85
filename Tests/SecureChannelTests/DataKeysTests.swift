import Primitives
import SecureChannel
import Testing

private let cluster = [UInt8](repeating: 0xC1, count: 16)
private func secret(_ byte: UInt8) -> SecretBytes { SecretBytes(copying: Array(repeating: byte, count: 32)) }

/// What a rotation brings: 3 replaces 1 and 2.
private func draft(_ entropy: inout SeededEntropy, to recipients: [NodeID] = [ada, bob]) -> DataKeyDraft {
    DataKeyDraft(
        epoch: 3, cluster: cluster, recipients: recipients.map { ($0, makePair($0).publicKey) },
        older: [(1, secret(1)), (2, secret(2))], entropy: &entropy)
}

@Suite("Data keys")
struct DataKeysTests {
    @Test("a value opens whole, under its key, and in its place alone: name, epoch and cluster are bound to it")
    func values() {
        var entropy = SeededEntropy(seed: 5)
        let (value, name) = (Array("the value".utf8), Array("a/b".utf8))
        let sealed = DataKeys.seal(
            value, named: name, key: secret(1), epoch: 7, cluster: cluster, entropy: &entropy)
        #expect(sealed.count == value.count + DataKeys.overhead)
        func open(
            _ bytes: [UInt8], named: [UInt8] = name, key: UInt8 = 1, epoch: UInt32 = 7, cluster: [UInt8] = cluster
        ) -> [UInt8]? { DataKeys.open(bytes, named: named, key: secret(key), epoch: epoch, cluster: cluster) }
        #expect(open(sealed) == value)
        #expect(open(sealed, named: Array("a/c".utf8)) == nil)
        #expect(open(sealed, named: []) == nil)
        #expect(open(sealed, key: 2) == nil)
        #expect(open(sealed, epoch: 8) == nil)
        #expect(open(sealed, cluster: Array(repeating: 0xC2, count: 16)) == nil)
        for place in sealed.indices {
            var damaged = sealed
            damaged[place] ^= 0x10
            #expect(open(damaged) == nil)
            #expect(open(Array(sealed[..<place])) == nil)
        }
        let again = DataKeys.seal(
            value, named: name, key: secret(1), epoch: 7, cluster: cluster, entropy: &entropy)
        #expect(again != sealed, "equal values do not show as equal")
    }

    @Test("the file is read as it was written, refused where a byte is wrong, and shows nothing")
    func file() throws {
        var entropy = SeededEntropy(seed: 6)
        var keys = DataKeys.generate(cluster: cluster, from: &entropy)
        _ = keys.install(secret(0x22), epoch: 4)
        let file = keys.encodeKeyFile()
        let read = try DataKeys(keyFile: file)
        #expect(read.encodeKeyFile() == file && read.keys.map(\.epoch) == [1, 4] && read.cluster == cluster)
        for place in file.indices {
            var damaged = file
            damaged[place] ^= 1
            #expect(throws: KeyFileError.self) { try DataKeys(keyFile: damaged) }
            #expect(throws: KeyFileError.self) { try DataKeys(keyFile: Array(file[..<place])) }
        }
        #expect(!String(describing: keys).contains("2222"), "a key was printed")
    }

    @Test("what is held is never replaced, is bounded, and is forgotten by epoch")
    func holding() {
        var keys = DataKeys(cluster: cluster)
        for epoch in stride(from: UInt32(100), to: 0, by: -1) { _ = keys.install(secret(UInt8(epoch)), epoch: epoch) }
        #expect(keys.keys.count == DataKeys.heldMax)
        #expect(zip(keys.keys, keys.keys.dropFirst()).allSatisfy { $0.epoch < $1.epoch })
        let newest = keys.keys.last?.epoch ?? 0
        let isReplaced = keys.install(secret(0xEE), epoch: newest)
        #expect(!isReplaced && keys.key(of: newest)?.equals(secret(UInt8(newest))) == true)
        let isForgotten = keys.forget([newest])
        let again = keys.forget([newest])
        #expect(isForgotten && !again && keys.key(of: newest) == nil)
    }

    @Test("a copy brings its node the new key and the older ones; to anybody else, or for another epoch, it is nothing")
    func rotation() throws {
        var entropy = SeededEntropy(seed: 7)
        let draft = draft(&entropy)
        func install(
            _ copy: [UInt8], older: [UInt8]? = nil, epoch: UInt32 = 3, as node: NodeID = ada, cluster: [UInt8] = cluster
        ) -> DataKeys? {
            var keys = DataKeys(cluster: cluster)
            let isNew = keys.install(
                copy: copy, older: older ?? draft.older, epoch: epoch, node: node, exchange: makePair(node))
            return isNew ? keys : nil
        }
        let copy = try #require(draft.copies.first { $0.node == ada }).sealed
        #expect(copy.count == DataKeyDraft.copyByteCount && draft.older.count <= DataKeyDraft.olderBytesMax)
        let keys = try #require(install(copy))
        #expect(keys.keys.map(\.epoch) == [1, 2, 3])
        #expect(keys.key(of: 1)?.equals(secret(1)) == true && keys.key(of: 2)?.equals(secret(2)) == true)
        let theirs = try #require(install(draft.copies.first { $0.node == bob }?.sealed ?? [], as: bob))
        #expect(theirs.key(of: 3)?.equals(try #require(keys.key(of: 3))) == true)
        #expect(install(copy, as: bob) == nil)
        #expect(install(copy, epoch: 4) == nil)
        #expect(install(copy, cluster: Array(repeating: 2, count: 16)) == nil)
        // Of another rotation of the same epoch, which was not committed.
        let other = DataKeyDraft(
            epoch: 3, cluster: cluster, recipients: [(ada, makePair(ada).publicKey)], older: [], entropy: &entropy)
        #expect(install(copy, older: other.older) == nil)
        #expect(install(other.copies[0].sealed) == nil)
        for place in copy.indices {
            var damaged = copy
            damaged[place] ^= 0x40
            #expect(install(damaged) == nil)
        }
        for place in draft.older.indices {
            var damaged = draft.older
            damaged[place] ^= 0x40
            #expect(install(copy, older: damaged) == nil)
        }
    }

    @Test("keys that are held already are not replaced by what a rotation says they were")
    func rotationReplacesNothing() throws {
        var entropy = SeededEntropy(seed: 8)
        let draft = draft(&entropy)
        var keys = DataKeys(cluster: cluster)
        _ = keys.install(secret(9), epoch: 2)
        _ = keys.install(copy: draft.copies[0].sealed, older: draft.older, epoch: 3, node: ada, exchange: makePair(ada))
        #expect(keys.keys.map(\.epoch) == [1, 2, 3] && keys.key(of: 2)?.equals(secret(9)) == true)
    }
}
