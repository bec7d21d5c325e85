import Foundation

/// What the Linux kernel tells in a file of its own making (proc(5)).
package enum ProcFile {
    /// The kernel hands such a file out a page at a time, and only an empty read is its end. Empty where there is no such
    /// file.
    package static func read(_ path: String) -> String {
        guard let file = FileHandle(forReadingAtPath: path) else { return "" }
        var text = Data()
        while let part = try? file.read(upToCount: 4096), !part.isEmpty { text.append(part) }
        return String(decoding: text, as: UTF8.self)
    }
}
