import Primitives

// Which replica a data directory is. A directory that lost its promises goes on as a replica whose id was never used
// (`replace`), so the id is known from the directory alone; who provisioned it only knows the first one.
extension WriteAheadLog {
    /// The replica that a good hard state slot names; nil if none is good, and there is nothing left to be.
    ///
    /// An id that the caller knows as another node's means that the directory was copied: recovering it under the
    /// caller's own id says so.
    package static func replica(on disk: some DiskReader, cluster: [UInt8]) -> ReplicaID? {
        guard let names = try? disk.fileNames() else { return nil }
        for file in HardStateSlots.files where names.contains(file) {
            guard let bytes = try? disk.read(file), let owner = HardStateSlots.owner(of: bytes),
                owner.cluster == cluster
            else { continue }
            return owner.replica
        }
        return nil
    }
}
