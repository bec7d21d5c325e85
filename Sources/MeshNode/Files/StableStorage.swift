#if canImport(Darwin)
    import Darwin
#else
    import Glibc
#endif

/// What survives a power cut.
enum StableStorage {
    /// Puts contents and length there; false, with the reason in `errno`, where that failed. On Darwin fsync stops at the
    /// drive's cache; F_FULLFSYNC does not.
    static func sync(_ descriptor: Int32) -> Bool {
        #if canImport(Darwin)
            fcntl(descriptor, F_FULLFSYNC) == 0
        #else
            fdatasync(descriptor) == 0
        #endif
    }

    /// Puts the names of a directory there: new, renamed and removed files.
    static func syncDirectory(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return fsync(descriptor) == 0
    }
}
