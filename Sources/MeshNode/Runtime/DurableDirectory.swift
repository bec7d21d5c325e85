import Foundation
import Primitives
import Raft
import UVLoop

/// Why an operation on the data directory failed.
package enum DiskError: Error, Hashable, Sendable, CustomStringConvertible {
    /// The directory cannot be used as it is; nothing was changed.
    case refused(path: String, reason: String)
    /// Another process holds the directory; nothing was changed.
    case inUse(path: String)
    /// A system call failed. If it was a write or a sync, nothing more is executed.
    case failed(path: String, call: String, code: Int32)
    /// An earlier operation failed. The node must halt: what the kernel kept of it is unknown.
    case halted(path: String)

    /// The log takes no entries, while term and vote still have their space.
    package var isDiskFull: Bool {
        // A sync that fails may have dropped what was written before: that is final, whatever the reason.
        guard case .failed(_, let call, let code) = self, call == "write" || call == "open" else { return false }
        return code == ENOSPC || code == EDQUOT
    }

    package var description: String {
        switch self {
        case .refused(let path, let reason): "\(path): \(reason)"
        case .inUse(let path):
            "\(path): another process uses this data directory; stop it, or give this node a directory of its own"
        case .failed(let path, let call, let code):
            "\(path): \(call) failed: \(String(cString: strerror(code))) (\(code)); check the disk, then start again"
        case .halted(let path): "\(path): an earlier write failed, so nothing more is written; start the node again"
        }
    }
}

/// A data directory on real files: reads it for recovery and executes what the log planned. Blocks; owned by one worker
/// thread, hence not Sendable.
///
/// Failure is sticky. After a failed fsync the kernel may drop the dirty pages and report success the next time, so a
/// retry proves nothing (Rebello et al., "Can Applications Recover from fsync Failures?", ATC'20).
package final class DurableDirectory: DiskReader {
    package let path: String
    private let directory: Int32
    private let lock: Int32
    /// Open files by name: the log writes to few, and opening costs more than writing.
    private var descriptors: [String: Int32] = [:]
    /// True after a failure; then nothing more is executed.
    package private(set) var hasFailed = false

    /// Beyond this many open files all are closed: full segments are not written again.
    private static let descriptorMax = 16
    private static let lockName = "lock"
    /// The kernel reads, and fails to read, in pages of this size.
    private static let pageBytes = 4096

    /// Opens the directory, makes it (0700) if it is missing, and takes its lock. Refuses one that others may enter.
    package init(path: String) throws(DiskError) {
        if mkdir(path, 0o700) != 0, errno != EEXIST { throw .failed(path: path, call: "mkdir", code: errno) }
        let directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard directory >= 0 else { throw .failed(path: path, call: "open", code: errno) }
        do {
            try Self.checkAccess(path: path)
            lock = try Self.takeLock(directory, path: path)
        } catch {
            close(directory)
            throw error
        }
        self.path = path
        self.directory = directory
    }

    deinit {
        for descriptor in descriptors.values { close(descriptor) }
        close(lock)
        close(directory)
    }

    // MARK: DiskReader

    package func fileNames() throws -> [String] {
        // A descriptor of its own, which closedir closes.
        let descriptor = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0, let stream = fdopendir(descriptor) else { throw failure(".", "opendir") }
        defer { closedir(stream) }
        var names: [String] = []
        errno = 0
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != "..", name != Self.lockName { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw failure(".", "readdir") }
        return names.sorted()
    }

    package func read(_ file: String) throws -> [UInt8] {
        let descriptor = openat(directory, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw failure(file, "open") }
        defer { close(descriptor) }
        let size = Int(lseek(descriptor, 0, SEEK_END))
        guard size >= 0 else { throw failure(file, "lseek") }
        var bytes = [UInt8](repeating: 0, count: size)
        var done = 0
        while done < size {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress.map { $0 + done }, size - done, off_t(done))
            }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EIO {
                // A latent sector error: recovery judges what is missing like any other damage.
                let end = min(size, (done / Self.pageBytes + 1) * Self.pageBytes)
                for place in done..<end { bytes[place] = DiskOperation.unreadableByte }
                done = end
                continue
            }
            guard count >= 0 else { throw failure(file, "read") }
            if count == 0 { break }
            done += count
        }
        bytes.removeLast(size - done)
        return bytes
    }

    // MARK: Executing

    /// Runs the operations in order; when it returns, all have succeeded. After a failure every later call throws
    /// `halted`, except when the disk was full: then term and vote can still be written, into space they hold. The
    /// caller goes on with the `WriteAheadLog` value from before the plan that failed.
    package func execute(_ operations: [DiskOperation]) throws(DiskError) {
        guard !hasFailed else { throw .halted(path: path) }
        for operation in operations {
            do { try execute(operation) } catch {
                hasFailed = !error.isDiskFull
                throw error
            }
        }
    }

    private func execute(_ operation: DiskOperation) throws(DiskError) {
        switch operation {
        case .write(let file, let offset, let bytes):
            try write(bytes, to: try descriptor(of: file), at: offset, file: file)
        case .sync(let file):
            try Self.sync(try descriptor(of: file), path: "\(path)/\(file)")
        case .truncate(let file, let length):
            guard ftruncate(try descriptor(of: file), off_t(length)) == 0 else { throw failure(file, "truncate") }
        case .remove(let file):
            if let descriptor = descriptors.removeValue(forKey: file) { close(descriptor) }
            guard unlinkat(directory, file, 0) == 0 || errno == ENOENT else { throw failure(file, "unlink") }
        case .rename(let file, let name):
            if let replaced = descriptors.removeValue(forKey: name) { close(replaced) }
            descriptors[name] = descriptors.removeValue(forKey: file)
            guard renameat(directory, file, directory, name) == 0 else { throw failure(file, "rename") }
        case .syncDirectory:
            guard fsync(directory) == 0 else { throw failure(".", "fsync") }
        }
    }

    private func write(_ bytes: [UInt8], to descriptor: Int32, at offset: Int, file: String) throws(DiskError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(descriptor, $0.baseAddress.map { $0 + done }, bytes.count - done, off_t(offset + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(file, "write") }
            done += count
        }
    }

    private func descriptor(of file: String) throws(DiskError) -> Int32 {
        if let descriptor = descriptors[file] { return descriptor }
        precondition(
            !file.isEmpty && !file.utf8.contains(UInt8(ascii: "/")) && file != Self.lockName,
            "\(file) is no file of the log")
        if descriptors.count >= Self.descriptorMax {
            for descriptor in descriptors.values { close(descriptor) }
            descriptors.removeAll(keepingCapacity: true)
        }
        let descriptor = openat(directory, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw failure(file, "open") }
        descriptors[file] = descriptor
        return descriptor
    }

    private func failure(_ file: String, _ call: String) -> DiskError {
        .failed(path: "\(path)/\(file)", call: call, code: errno)
    }

    // MARK: The system

    private static func checkAccess(path: String) throws(DiskError) {
        let status: FileStatus
        do throws(UVError) { status = try FileStatus(path) } catch {
            // libuv's codes are the system's, negated.
            throw .failed(path: path, call: "stat", code: -error.code)
        }
        guard status.owner == geteuid() else {
            throw .refused(path: path, reason: "belongs to user \(status.owner), not to \(geteuid()); change its owner")
        }
        guard status.isPrivate else {
            throw .refused(
                path: path, reason: "has mode \(status.octalMode), so others may enter it; run chmod 700 on it")
        }
    }

    /// Held until the process ends, however it ends.
    private static func takeLock(_ directory: Int32, path: String) throws(DiskError) -> Int32 {
        let lock = openat(directory, lockName, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw .failed(path: "\(path)/\(lockName)", call: "open", code: errno) }
        guard flock(lock, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(lock)
            throw code == EWOULDBLOCK ? .inUse(path: path) : .failed(path: path, call: "flock", code: code)
        }
        return lock
    }

    private static func sync(_ descriptor: Int32, path: String) throws(DiskError) {
        guard StableStorage.sync(descriptor) else { throw .failed(path: path, call: "sync", code: errno) }
    }
}
