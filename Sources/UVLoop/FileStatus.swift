import Cuv

/// Whose a file is, who may use it, and what it is (stat(2)). Blocks; for the start of a program, not for the loop.
///
/// Foundation tells the same, and makes an agent carry half a megabyte of code that it needs for nothing else.
package struct FileStatus: Hashable, Sendable {
    package enum Kind: Hashable, Sendable { case file, directory, socket, other }

    package let kind: Kind
    package let owner: UInt32
    /// Permission bits, with the set-id and sticky ones.
    package let mode: Int

    package init(_ path: String, followsLinks: Bool = true) throws(UVError) {
        var request = uv_fs_t()
        defer { uv_fs_req_cleanup(&request) }
        // Without a callback, libuv asks at once and never touches the loop.
        let code = followsLinks ? uv_fs_stat(nil, &request, path, nil) : uv_fs_lstat(nil, &request, path, nil)
        try UVError.check(code, "stat \(path)")
        let bits = request.statbuf.st_mode
        kind =
            switch bits & UInt64(S_IFMT) {
            case UInt64(S_IFREG): .file
            case UInt64(S_IFDIR): .directory
            case UInt64(S_IFSOCK): .socket
            default: .other
            }
        owner = UInt32(truncatingIfNeeded: request.statbuf.st_uid)
        mode = Int(bits & 0o7777)
    }

    /// Nobody but the owner may do anything with it.
    package var isPrivate: Bool { mode & 0o077 == 0 }

    /// As `chmod` takes it.
    package var octalMode: String { String(mode, radix: 8) }
}
