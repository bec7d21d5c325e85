import UVLoop

#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// Files that hold secrets, or what must not be lost: for this user alone (mode 0600), written whole or not at all.
enum PrivateFile {
    /// Refuses a file that others may read. One that is missing passes: reading it tells.
    static func checkMode(_ path: String) throws(ConfigError) {
        guard let status = try? FileStatus(path), !status.isPrivate else { return }
        throw ConfigError(
            file: path, problem: "has mode \(status.octalMode), so other users can read its secrets",
            advice: "run 'chmod 600 \(path)'")
    }

    /// Writes a file that must not exist yet.
    static func create(_ path: String, _ bytes: [UInt8]) throws(ConfigError) {
        guard access(path, F_OK) != 0 else {
            throw ConfigError(
                file: path, problem: "exists already",
                advice: "nothing was overwritten; remove it or choose another place")
        }
        try replace(path, bytes)
    }

    /// Writes beside the old file and renames over it: a crash leaves one or the other, and after the return a power cut
    /// leaves the new one.
    static func replace(_ path: String, _ bytes: [UInt8]) throws(ConfigError) {
        let temporary = path + ".new"
        unlink(temporary)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { throw unwritable(path) }
        let isWritten = write(bytes, to: descriptor) && StableStorage.sync(descriptor)
        close(descriptor)
        guard isWritten, rename(temporary, path) == 0, StableStorage.syncDirectory(parent(of: path)) else {
            throw unwritable(path)
        }
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { systemWrite(descriptor, $0) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }

    private static func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
        #if canImport(Darwin)
            Darwin.write(descriptor, bytes.baseAddress, bytes.count)
        #else
            Glibc.write(descriptor, bytes.baseAddress, bytes.count)
        #endif
    }

    private static func parent(of path: String) -> String {
        guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    private static func unwritable(_ path: String) -> ConfigError {
        ConfigError(
            file: path, problem: "cannot be written (\(String(cString: strerror(errno))))",
            advice: "check the directory's owner, mode and free space")
    }
}
