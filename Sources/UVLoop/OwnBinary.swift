import Cuv

/// The running program's file.
package enum OwnBinary {
    /// Absolute, links resolved; what started it where the system does not say.
    package static let path: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        var size = buffer.count
        guard uv_exepath(&buffer, &size) == 0 else { return CommandLine.arguments[0] }
        return String(decoding: buffer[..<size].map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }()

    /// The folder it lies in.
    package static var folder: String {
        path.utf8.lastIndex(of: UInt8(ascii: "/")).map { String(path[..<$0]) } ?? "."
    }
}
